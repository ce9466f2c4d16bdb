"""UDP, ICMP and name service, packet by packet."""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import TYPE_CHECKING

import pytest

from rootless.linux.loop import Loop
from rootless.netstack import dns
from rootless.netstack.checksum import checksum
from tests.netstack.packets import IPV4, Received, address, echo, ip, pseudo, summed, udp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.netstack.conftest import Guest

pytestmark = pytest.mark.once

ADDRESSES = {4: ("10.0.2.100", "10.0.2.2"), 6: ("fd00::100", "fd00::2")}


@pytest.fixture(params=[4, 6])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def server(version: int) -> Iterator[socket.socket]:
    """A UDP socket on the loopback."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1" if version == 4 else "::1", 0))
        sock.settimeout(10)
        yield sock


def datagram(version: int, ports: tuple[int, int], data: bytes) -> bytes:
    source, target = ADDRESSES[version]
    return ip(source, target, 17, udp(ports, data))


def test_there_and_back(guest: Guest, server: socket.socket, version: int) -> None:
    port = server.getsockname()[1]
    assert guest.send(datagram(version, (5000, port), b"to")) == []
    data, peer = server.recvfrom(100)
    assert data == b"to"
    server.sendto(b"fro", peer)
    (answer,) = guest.receive(5)
    assert (answer.ports, answer.data) == ((port, 5000), b"fro")
    guest.send(datagram(version, (5000, port), b"again"))
    assert server.recvfrom(100) == (b"again", peer)  # from the same port as before


def test_an_answer_from_another_port(guest: Guest, server: socket.socket, version: int) -> None:
    """TFTP answers from a port of its own; a stranger's word is not passed on."""
    guest.send(datagram(version, (5000, server.getsockname()[1]), b"ask"))
    _, peer = server.recvfrom(100)
    host = "127.0.0.1" if version == 4 else "::1"
    with socket.socket(server.family, socket.SOCK_DGRAM) as other:
        other.bind((host, 0))
        other.sendto(b"tell", peer)
        (answer,) = guest.receive(5)
        assert answer.ports == (other.getsockname()[1], 5000)
    if version == 4:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.77", 0))
            stranger.sendto(b"lie", peer)
            assert guest.receive() == []


@pytest.mark.parametrize("size", [0, 1, 1472, 65000])
def test_sizes(guest: Guest, server: socket.socket, version: int, size: int) -> None:
    data = os.urandom(size)
    guest.send(datagram(version, (5000, server.getsockname()[1]), data))
    got, peer = server.recvfrom(70000)
    assert got == data
    server.sendto(data[::-1], peer)
    (answer,) = guest.receive(5)
    assert answer.data == data[::-1]


def test_the_largest_goes_in_fragments(guest: Guest, server: socket.socket, version: int) -> None:
    if version == 6:
        pytest.skip("only IPv4 has datagrams that a packet of our MTU does not hold")
    source, target = ADDRESSES[4]
    data = os.urandom(65507)
    whole = udp((5000, server.getsockname()[1]), data)
    for start, part, more in ((60000, whole[60000:], 0), (0, whole[:60000], 0x2000)):
        guest.send(ip(source, target, 17, part, fragment=more | start >> 3))
    got, peer = server.recvfrom(70000)
    assert got == data
    server.sendto(data, peer)
    parts = guest.receive(5)
    assert [one.fragment & 0x2000 for one in parts] == [0x2000, 0]
    payload = b"".join(one.payload for one in parts)
    assert payload[8:] == data
    assert summed(pseudo(target, source, 17, payload) + payload) == 0xFFFF


def test_nobody_listens(guest: Guest, server: socket.socket, version: int) -> None:
    port = server.getsockname()[1]
    server.close()
    got = guest.send(datagram(version, (5000, port), b"hello")) or guest.receive(5)
    assert_unreachable(got, version, 3 if version == 4 else 4, (5000, port))


def assert_unreachable(
    got: list[Received], version: int, code: int, ports: tuple[int, int]
) -> None:
    """One ICMP error, which quotes the datagram."""
    (answer,) = got
    assert answer.payload[0] == (3 if version == 4 else 1)
    assert answer.payload[1] == code
    quoted = answer.payload[8 + (20 if version == 4 else 40) :]
    assert struct.unpack_from(">HH", quoted) == ports


@pytest.mark.parametrize("target", ["127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.2.9"])
def test_what_means_the_loopback(make_guest: Callable[..., Guest], target: str) -> None:
    guest = make_guest("")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        got = guest.send(ip("10.0.2.100", target, 17, udp((5000, port), b"psst")))
        assert_unreachable(got, 4, 3, (5000, port))
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.recv(100)


def test_pairs_are_forgotten(
    guest: Guest, server: socket.socket, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rootless.netstack import udp as module

    monkeypatch.setattr(module, "TICK", 0.05)
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    before = len(os.listdir("/proc/self/fd"))
    guest.send(datagram(version, (5000, server.getsockname()[1]), b"x"))
    assert not guest.stack.is_idle
    deadline = time.monotonic() + 10
    while not guest.stack.is_idle:
        guest.receive()
        assert time.monotonic() < deadline
    assert len(os.listdir("/proc/self/fd")) == before


def test_many_pairs(guest: Guest, server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    from rootless.netstack import udp as module

    monkeypatch.setattr(module, "MAX_PATHS", 16)
    port, before = server.getsockname()[1], len(os.listdir("/proc/self/fd"))
    for number in range(100):
        guest.send(datagram(4, (6000 + number, port), b"x"))
    assert len(os.listdir("/proc/self/fd")) <= before + 16


# -- ICMP


def test_the_gateway_answers(guest: Guest, version: int) -> None:
    source, target = ADDRESSES[version]
    protocol, request, reply = (1, 8, 0) if version == 4 else (58, 128, 129)
    (answer,) = guest.send(ip(source, target, protocol, echo(request, 77, 1, b"payload")))
    assert answer.payload[0] == reply
    assert answer.payload[4:] == struct.pack(">HH", 77, 1) + b"payload"


def test_arp(guest: Guest) -> None:
    request = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1)
    sender = bytes.fromhex("020000000001") + address("10.0.2.100")
    (answer,) = guest.send(request + sender + bytes(6) + address("10.0.2.2"), 0x0806)
    assert answer.payload[6:8] == b"\0\2"
    assert answer.payload[8:18] == bytes.fromhex("020000000002") + address("10.0.2.2")
    assert guest.send(request + sender + bytes(6) + address("10.0.2.3"), 0x0806) == []


def test_neighbor_discovery(guest: Guest) -> None:
    solicitation = struct.pack(">BBHI", 135, 0, 0, 0) + address("fd00::2")
    packet = ip("fd00::100", "ff02::1:ff00:2", 58, solicitation)
    (answer,) = guest.send(packet)
    assert answer.payload[0] == 136
    assert answer.payload[8:24] == address("fd00::2")
    assert answer.payload[-6:] == bytes.fromhex("020000000002")


def test_a_published_port_that_knows_only_one_version(guest: Guest) -> None:
    """ "localhost" is ::1 first: who is refused by IPv6 comes by IPv4, with what was refused."""
    with (
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as published,
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client,
    ):
        published.bind(("::1", 0))
        published.setblocking(False)
        client.bind(("::1", 0))
        client.settimeout(10)
        end = guest.udp.publish(published, 53)
        client.sendto(b"one", published.getsockname())
        (first,) = guest.receive(5)
        assert (first.source, first.data) == ("fd00::2", b"one")
        sent = ip("fd00::2", "fd00::100", 17, first.payload)
        error = bytes([1, 4, 0, 0, 0, 0, 0, 0]) + sent
        (again,) = guest.send(ip("fd00::100", "fd00::2", 58, error))
        port = client.getsockname()[1]
        assert (again.source, again.ports, again.data) == ("10.0.2.2", (port, 53), b"one")
        client.sendto(b"two", published.getsockname())
        (second,) = guest.receive(5)
        assert (second.source, second.data) == ("10.0.2.2", b"two")
        guest.send(ip("10.0.2.100", "10.0.2.2", 17, udp((53, port), b"answer")))
        assert client.recv(100) == b"answer"
        assert guest.send(ip("fd00::100", "fd00::2", 58, error)) == []  # said too late
        assert guest.send(ip("fd00::100", "fd00::2", 58, error[:40])) == []
        end()


# -- name service

QUESTION = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\7example\3com\0\0\1\0\1"


def test_servers(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    servers = dns.Servers(str(path))
    assert servers.get() == ["127.0.0.1"]
    path.write_text("# x\nnameserver 127.0.0.53\nnameserver ::1\nnameserver junk\nsearch a\n")
    assert servers.get() == ["127.0.0.53", "::1"]
    path.write_text("nameserver 9.9.9.9\n" * 5)
    assert servers.get() == ["9.9.9.9"] * 3
    path.unlink()
    assert servers.get() == ["127.0.0.1"]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A name server on a port that an ordinary user may have, at 127.0.0.9."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.9", 0))
        sock.settimeout(10)
        monkeypatch.setattr(dns, "PORT", sock.getsockname()[1])
        yield sock


def ask(guest: Guest, version: int = 4, message: bytes = QUESTION) -> list[Received]:
    source, target = ADDRESSES[version]
    return guest.send(ip(source, target, 17, udp((5353, 53), message)))


@pytest.mark.parametrize("size", [100, 4096, 65507])
def test_answers_of_any_size(
    make_guest: Callable[..., Guest], resolver: socket.socket, version: int, size: int
) -> None:
    if (version, size) == (6, 65507):
        size = 65000
    guest = make_guest("", names="nameserver 127.0.0.9\n")
    assert ask(guest, version) == []
    message, peer = resolver.recvfrom(1000)
    assert message == QUESTION
    resolver.sendto(b"\x12\x34" + bytes(size - 2), peer)
    parts = guest.receive(5)
    assert sum(len(one.payload) for one in parts) == size + 8
    assert parts[0].ports == (53, 5353)
    assert guest.stack.is_idle


def test_a_lie_is_not_passed_on(make_guest: Callable[..., Guest], resolver: socket.socket) -> None:
    guest = make_guest("", names="nameserver 127.0.0.9\n")
    ask(guest)
    _, peer = resolver.recvfrom(1000)
    resolver.sendto(b"\x99\x99 lie", peer)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"\x12\x34 lie", peer)
    assert guest.receive() == []
    resolver.sendto(b"\x12\x34 truth", peer)
    (answer,) = guest.receive(5)
    assert answer.data == b"\x12\x34 truth"


def test_the_next_server(make_guest: Callable[..., Guest], resolver: socket.socket) -> None:
    """One where nobody listens costs nothing, one that is silent costs a second."""
    guest = make_guest("", names="nameserver 127.0.0.10\nnameserver 127.0.0.9\n")
    began = time.monotonic()
    ask(guest)
    guest.receive()
    _, peer = resolver.recvfrom(1000)
    assert time.monotonic() - began < dns.PATIENCE
    resolver.sendto(b"\x12\x34", peer)
    assert guest.receive(5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.10", dns.PORT))
        ask(guest)
        resolver.settimeout(0)
        with pytest.raises(BlockingIOError):
            resolver.recv(1000)
        deadline = time.monotonic() + 10
        while True:
            guest.receive()
            try:
                _, peer = resolver.recvfrom(1000)
                break
            except BlockingIOError:
                assert time.monotonic() < deadline
        resolver.sendto(b"\x12\x34", peer)
        assert guest.receive(5)


@pytest.mark.parametrize("code", [2, 4, 5])
def test_a_server_that_has_no_answer(
    make_guest: Callable[..., Guest], resolver: socket.socket, code: int
) -> None:
    """SERVFAIL, NOTIMP, REFUSED: the next is asked at once, as by the C library on the host."""
    guest = make_guest("", names="nameserver 127.0.0.10\nnameserver 127.0.0.9\n")
    refusal = b"\x12\x34\x81" + bytes([0x80 | code]) + QUESTION[4:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
        first.bind(("127.0.0.10", dns.PORT))
        first.settimeout(10)
        for truth in (b"\x12\x34\x81\x83" + QUESTION[4:], refusal[:4] + b"other" + QUESTION[9:]):
            ask(guest)
            _, peer = first.recvfrom(1000)
            first.sendto(refusal, peer)
            assert guest.receive() == []
            _, peer = resolver.recvfrom(1000)
            resolver.sendto(truth, peer)
            (answer,) = guest.receive(5)
            # That there is no such name is an answer. Where none has one, the first has said why.
            assert answer.data == (truth if truth[3] == 0x83 else refusal)
        assert guest.stack.is_idle
        first.setblocking(False)
        with pytest.raises(BlockingIOError):
            first.recv(1000)


def test_the_server_that_has_the_rest_is_asked_by_tcp(
    resolver: socket.socket, tmp_path: Path
) -> None:
    path = tmp_path / "servers"
    path.write_text("nameserver 127.0.0.10\nnameserver 127.0.0.9\n")
    servers = dns.Servers(str(path))
    assert servers.for_tcp() == ["127.0.0.10", "127.0.0.9"]
    loop = Loop()
    forwarder = dns.Forwarder(loop, servers)
    forwarder.ask(b"", QUESTION)
    loop.turn(1000)  # nobody listens at the first
    _, peer = resolver.recvfrom(1000)
    resolver.sendto(b"\x12\x34\x83\x80" + QUESTION[4:], peer)
    loop.turn(1000)
    assert servers.for_tcp() == ["127.0.0.9", "127.0.0.10"]


FAILURE = b"\x12\x34\x81\x82" + QUESTION[4:]
"""RFC 1035, 4.1.1: a response, recursion desired and available, RCODE 2."""


def test_no_server_is_there(make_guest: Callable[..., Guest], resolver: socket.socket) -> None:
    """Said at once, as the host's programs hear it at once: a guest would wait for 10 seconds."""
    resolver.close()
    guest = make_guest("", names="nameserver 127.0.0.9\nnameserver 127.0.0.10\n")
    answers = ask(guest) or guest.receive(5)
    assert [one.data for one in answers] == [FAILURE]
    assert guest.stack.is_idle


def test_a_slow_server(
    make_guest: Callable[..., Guest], resolver: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked twice, and then has its time."""
    monkeypatch.setattr(dns, "PATIENCE", 0.02)
    guest = make_guest("", names="nameserver 127.0.0.9\n")
    for _ in range(2):
        ask(guest)
        guest.receive()
        guest.receive()
        _, peer = resolver.recvfrom(1000)
    guest.receive()
    assert guest.receive() == []
    resolver.sendto(b"\x12\x34 truth", peer)
    (answer,) = guest.receive(5)
    assert answer.data == b"\x12\x34 truth"
    monkeypatch.setattr(dns, "LAST_PATIENCE", 0.02)
    (answer,) = ask(guest) or guest.receive(5)
    assert answer.data == FAILURE


def test_checksum_of_rfc_1071() -> None:
    data = bytes.fromhex("0001f203f4f5f6f7")
    assert checksum(data) == 0x220D
    assert checksum(data + b"\x80") == 0xFFFF ^ summed(data + b"\x80")
    assert IPV4 == 0x0800
