"""The memory that connections share: its bounds, whatever the guest and its peers do."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from rootless.netstack import budget, icmp, udp
from rootless.netstack import tcp as tcp_module
from tests.netstack.packets import ACK, FIN, PSH, RST, SYN, ip, tcp
from tests.netstack.test_tcp import MSS, SCALE, Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.netstack.conftest import Guest

pytestmark = pytest.mark.once

MEGABYTE = 1 << 20


def held(guest: Guest) -> int:
    """Bytes that wait in both directions."""
    connections = guest.tcp.connections.values()
    return sum(one.queued + sum(map(len, one.flight)) - one.offset for one in connections)


def test_many_connections_that_the_guest_does_not_acknowledge(
    make_guest: Callable[..., Guest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest of our own making opens its windows wide and acknowledges nothing."""
    monkeypatch.setattr(tcp_module, "TICK", 1000.0)  # nothing is sent again
    guest = make_guest("host-loopback=on,buffers=4m")
    with ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        flows, peers = [], []
        for number in range(48):
            flows.append(Flow(guest, server.getsockname()[1], own=40000 + number))
            flows[-1].open(MSS + bytes([1, 3, 3, 14]))
            flows[-1].send(ACK, window=65535)
            peers.append(opened.enter_context(server.accept()[0]))
        for peer in peers:
            peer.setblocking(False)
            peer.send(bytes(MEGABYTE))
        for _ in range(100):
            guest.loop.turn(0)
            guest.discard()
        connections = list(guest.tcp.connections.values())
        assert held(guest) <= 4 * MEGABYTE
        assert all(sum(map(len, one.flight)) for one in connections)  # each has its share
        for _ in range(50):  # who acknowledges gets more
            flows[0].send(ACK, ack=connections[0].snd_nxt, window=65535)
            guest.discard()
        assert connections[0].snd_una - flows[0].ack > 100000


@pytest.mark.parametrize("last", [RST, FIN])
def test_nothing_is_kept_of_a_connection_that_is_gone(guest: Guest, last: int) -> None:
    """The account is even in the end, however a connection ends, or it would run dry."""
    room = guest.tcp.budget.room
    with ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        flow = Flow(guest, server.getsockname()[1])
        flow.open()
        peer = opened.enter_context(server.accept()[0])
        (connection,) = guest.tcp.connections.values()
        while connection.queued < 200000:
            flow.send(PSH | ACK, bytes(50000))
        peer.send(bytes(100000))
        peer.shutdown(socket.SHUT_WR)
        guest.receive(5)
        flow.send(ACK, ack=flow.ack + 1000)
        assert held(guest) > 200000
        assert guest.tcp.budget.room == room - held(guest)
        flow.ack += 1000
        flow.send(ACK | last)
        if last == FIN:
            while guest.tcp.connections:
                flow.send(ACK, ack=connection.snd_nxt)
                peer.recv(MEGABYTE)
        assert guest.tcp.connections == {}
        assert guest.tcp.budget.room == room


def test_crumbs(guest: Guest) -> None:
    """Data in pieces of two bytes takes no more than in large ones: each costs 50 more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        flow = Flow(guest, server.getsockname()[1])
        flow.open()
        with server.accept()[0] as peer:
            connection = next(iter(guest.tcp.connections.values()))
            while not connection.queued:
                flow.send(PSH | ACK, bytes(60000))
            before = connection.queued
            for _ in range(2000):
                segment = tcp(flow.ports, flow.seq, flow.ack, PSH | ACK, data=b"ab")
                packet = ip(flow.source, flow.target, 6, segment)
                guest.raw(bytes(10) + b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + packet)
                guest.stack.receive()
                guest.discard()
                flow.seq += 2
            assert connection.queued == before + 4000
            assert len(connection.queue) < 10
            flow.send(ACK, window=65535)
            for _ in range(300):
                peer.send(b"ab")
                guest.loop.turn(0)
                guest.discard()
            assert sum(map(len, connection.flight)) == 600
            assert len(connection.flight) < 50


def test_a_syn_with_much_in_it(guest: Guest) -> None:
    """What an ICMP error may quote is kept of it, and nothing once there is no error."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        flow = Flow(guest, server.getsockname()[1])
        taken: list[int] = []
        connect = guest.tcp._connect
        guest.tcp._connect = lambda one: (taken.append(len(one.syn)), connect(one))  # type: ignore[method-assign,assignment,func-returns-value]
        flow.send(SYN, bytes(60000), options=MSS + SCALE)
        connection = next(iter(guest.tcp.connections.values()))
        assert taken == [icmp.MAX_QUOTE]
        assert connection.syn == b""


def test_hosts_that_come_to_a_published_port(guest: Guest) -> None:
    """Who sends a datagram from a million addresses is not remembered a million times."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        socket_of_ours = udp.Socket(sock, published=True)
        for number in range(udp.MAX_PATHS * 2):
            host = socket.inet_ntoa(struct.pack(">I", 0xC6120000 + number))
            guest.udp._welcome(socket_of_ours, 53, (host, 4000))
        assert len(socket_of_ours.hosts) == udp.MAX_PATHS
        assert len(socket_of_ours.paths) == udp.MAX_PATHS
        guest.udp.close()
        assert not socket_of_ours.hosts


@pytest.mark.parametrize("connections", [1, 4, 100, 10000])
def test_the_shares_fit(connections: int) -> None:
    """What connections are told as they come, and what they have in the end, is in the sum."""
    size = 64 << 20
    one = budget.Budget(size)
    told = 0
    for number in range(1, connections + 1):
        one.divide(number)
        told += one.share
    assert told <= size * 3 // 4
    assert one.share > 0
    assert one.room + 2 * connections * one.share <= size
