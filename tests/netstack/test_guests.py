"""Several guests on one link: each has its own, and none can speak for another."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from rootless.linux.loop import Loop
from rootless.netstack import addresses, dns, ports, stack
from tests.netstack.packets import (
    ACK,
    ARP,
    FIN,
    GATEWAY_MAC,
    GUEST_MAC,
    IPV4,
    PSH,
    RST,
    SYN,
    address,
    echo,
    ip,
    tcp,
    udp,
)
from tests.netstack.test_tcp import MSS, SCALE, Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.netstack.conftest import Guest

SECOND_MAC = bytes.fromhex("02000000000a")
SECOND: addresses.Member = {"guest": "10.0.2.7", "guest6": "fd00::7", "mac": SECOND_MAC.hex(":")}
SOURCES = {4: ("10.0.2.100", "10.0.2.7"), 6: ("fd00::100", "fd00::7")}
GATEWAYS = {4: "10.0.2.2", 6: "fd00::2"}
MACS = (GUEST_MAC, SECOND_MAC)


@pytest.fixture
def both(guest: Guest) -> Guest:
    """A link with two guests."""
    guest.stack.add_guest(SECOND)
    return guest


@pytest.fixture(params=[4, 6])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(10)
        yield sock


def flow_of(guest: Guest, number: int, port: int, version: int = 4) -> Flow:
    """A connection of the first guest, or the second."""
    flow = Flow(guest, port, version)
    flow.source, flow.mac = SOURCES[version][number], MACS[number]
    return flow


def publish(guest: Guest, sock: socket.socket, to: str, protocol: str = "tcp") -> ports.Listener:
    port: ports.Port = {
        "fd": os.dup(sock.fileno()),
        "ip": "127.0.0.1",
        "host": sock.getsockname()[1],
        "container": 80,
        "protocol": protocol,
    }
    if to:
        port["guest"] = to
    return ports.Listener(guest.loop, port, lambda: guest.stack)


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon what guests that have gone have left."""
    monkeypatch.setattr(stack, "TICK", 0.01)
    monkeypatch.setattr(stack, "SILENCE", 20)
    monkeypatch.setattr(stack, "PATIENCE", 0.2)


def until(guest: Guest, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        guest.loop.turn(20)
        assert time.monotonic() < deadline


# -- each has its own


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_same_ports_of_two_guests(both: Guest, version: int, protocol: str) -> None:
    """What is equal but for the guest is not mixed up, on the way out nor back."""
    family, host = {4: (socket.AF_INET, "127.0.0.1"), 6: (socket.AF_INET6, "::1")}[version]
    with ExitStack() as opened:
        if protocol == "tcp":
            server = opened.enter_context(socket.create_server((host, 0), family=family))
            for number, word in ((0, b"first"), (1, b"second")):
                flow = flow_of(both, number, server.getsockname()[1], version)
                flow.open()
                peer = opened.enter_context(server.accept()[0])
                peer.settimeout(10)
                flow.send(ACK | PSH, word)
                assert peer.recv(10) == word
                peer.send(word[::-1])
                (answer,) = both.receive(5)
                assert (answer.mac, answer.target) == (MACS[number], SOURCES[version][number])
                assert answer.data == word[::-1]
            return
        sock = opened.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        sock.bind((host, 0))
        sock.settimeout(10)
        peers = []
        for mac, source in zip(MACS, SOURCES[version], strict=True):
            datagram = udp((5000, sock.getsockname()[1]), b"ask")
            both.send(ip(source, GATEWAYS[version], 17, datagram), mac=mac)
            peers.append(sock.recvfrom(10)[1])
        assert peers[0] != peers[1]
        for number, peer in enumerate(peers):
            sock.sendto(b"tell", peer)
            (answer,) = both.receive(5)
            assert (answer.mac, answer.target) == (MACS[number], SOURCES[version][number])


@pytest.mark.parametrize("number", [0, 1])
def test_who_bears_the_gateway_is_told_to_who_asks(both: Guest, number: int) -> None:
    mac, (four, six) = MACS[number], (SOURCES[4][number], SOURCES[6][number])
    request = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + mac + address(four)
    (answer,) = both.send(request + bytes(6) + address("10.0.2.2"), ARP, mac)
    assert (answer.mac, answer.payload[18:28]) == (mac, mac + address(four))
    assert both.send(request + bytes(6) + address(SOURCES[4][1 - number]), ARP, mac) == []
    solicitation = struct.pack(">BBHI", 135, 0, 0, 0) + address("fd00::2")
    for source in (six, "fe80::1234"):
        (told,) = both.send(ip(source, "ff02::1:ff00:2", 58, solicitation), mac=mac)
        assert (told.mac, told.target, told.payload[0]) == (mac, source, 136)
    assert [one.strangers for one in both.stack.guests] == [0, 0]


@pytest.mark.parametrize("number", [0, 1])
def test_echo_and_name_service(both: Guest, version: int, number: int) -> None:
    protocol, request, reply = (1, 8, 0) if version == 4 else (58, 128, 129)
    source, mac = SOURCES[version][number], MACS[number]
    packet = ip(source, GATEWAYS[version], protocol, echo(request, 77, 1, b"payload"))
    (answer,) = both.send(packet, mac=mac)
    assert (answer.mac, answer.target, answer.payload[0]) == (mac, source, reply)
    # The test's resolv.conf names nobody, so the question goes to port 53 of the loopback.
    question = udp((5353, 53), b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1")
    both.send(ip(source, GATEWAYS[version], 17, question), mac=mac)
    assert [one.is_idle for one in both.stack.guests][1 - number]


# -- published ports


def test_ports_to_each(both: Guest) -> None:
    with ExitStack() as opened:
        for number, name in enumerate(SOURCES[4]):
            server = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener = publish(both, server, name)
            opened.callback(listener.close)
            client = opened.enter_context(socket.create_connection(server.getsockname()))
            (syn,) = both.receive(5)
            assert (syn.mac, syn.target, syn.flags) == (MACS[number], name, SYN)
            flow = flow_of(both, number, client.getsockname()[1])
            flow.ports, flow.ack = (80, syn.ports[0]), syn.seq + 1
            flow.send(SYN | ACK, options=MSS + SCALE)
            flow.send(ACK | PSH, name.encode())
            client.settimeout(10)
            assert client.recv(100) == name.encode()


def test_a_port_without_a_guest_is_the_only_ones(guest: Guest, server: socket.socket) -> None:
    """As charges of before have it. Of two, none is meant: who comes waits."""
    listener = publish(guest, server, "")
    with socket.create_connection(server.getsockname()):
        (syn,) = guest.receive(5)
        assert (syn.mac, syn.target) == (GUEST_MAC, SOURCES[4][0])
    guest.stack.add_guest(SECOND)
    with socket.create_connection(server.getsockname()):
        assert [one for one in guest.receive() if one.flags & SYN and one.seq != syn.seq] == []
    listener.close()


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_waits_for_a_guest_that_comes_back(
    both: Guest, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    shorten(monkeypatch)
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock, socket.socket(socket.AF_INET, kind) as client:
        sock.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            sock.listen()
        listener = publish(both, sock, SECOND["guest"], protocol)
        if protocol == "udp":  # it is open already, for the first life
            client.connect(sock.getsockname())
            client.send(b"one")
            assert [one.mac for one in both.receive(5)] == [SECOND_MAC]
        both.stack.remove_guest(SECOND["guest"])
        until(both, lambda: len(both.stack.guests) == 1)
        client.connect(sock.getsockname())
        if protocol == "udp":
            client.send(b"two")
        assert both.receive() == []
        both.stack.add_guest({**SECOND, "mac": "02:00:00:00:00:0b"})
        (came,) = both.receive(5)
        assert (came.mac[-1], came.target) == (0x0B, SECOND["guest"])
        listener.close()


# -- coming and going


def test_one_goes_and_the_other_stays(
    both: Guest, server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    before = len(os.listdir("/proc/self/fd"))
    flows = [flow_of(both, number, server.getsockname()[1]) for number in (0, 1)]
    peers = []
    for flow in flows:
        flow.open()
        peers.append(server.accept()[0])
    with peers[0], peers[1]:
        datagram = udp((5000, server.getsockname()[1]), b"nobody listens")
        both.send(ip(flows[1].source, flows[1].target, 17, datagram), mac=SECOND_MAC)
        leaving = both.stack.guests[1]
        both.stack.remove_guest(SECOND["guest"])
        until(both, lambda: len(both.stack.guests) == 1)
        assert leaving.is_idle
        peers[1].settimeout(10)
        with pytest.raises(ConnectionResetError):
            peers[1].recv(1)
        both.discard()
        flows[1].send(ACK | PSH, b"from beyond")
        assert (both.stack.strangers, both.receive()) == (1, [])
        flows[0].send(ACK | PSH, b"still here")
        peers[0].settimeout(10)
        assert peers[0].recv(20) == b"still here"
        flows[0].send(RST | ACK)
    assert len(os.listdir("/proc/self/fd")) <= before
    both.stack.remove_guest(SECOND["guest"])  # nobody any more: nothing happens


def test_what_it_has_said_last_is_delivered(both: Guest, server: socket.socket) -> None:
    """A removed guest's bytes go on to a peer that takes its time, while the others go on."""
    flow = flow_of(both, 1, server.getsockname()[1])
    flow.open()
    with server.accept()[0] as peer:
        (connection,) = both.stack.guests[1].tcp.connections.values()
        sent = 0
        while connection.queued < 300000:
            flow.send(PSH | ACK, bytes(50000))
            sent += 50000
        flow.send(FIN | ACK)
        both.stack.remove_guest(SECOND["guest"])
        other = flow_of(both, 0, server.getsockname()[1])
        other.open()
        server.accept()[0].close()
        late = flow_of(both, 1, server.getsockname()[1])
        late.ports = (40001, late.ports[1])
        assert late.send(SYN, options=MSS) == []  # nothing new begins
        peer.settimeout(0.01)
        got = -1
        while got:
            both.loop.turn(0)
            both.discard()
            try:
                got = len(peer.recv(1 << 20))
                sent -= got
            except TimeoutError:
                pass
        assert sent == 0
        until(both, lambda: len(both.stack.guests) == 1)


def test_who_comes_back_at_once_is_a_new_guest(both: Guest, server: socket.socket) -> None:
    flow = flow_of(both, 1, server.getsockname()[1])
    flow.open()
    with server.accept()[0] as peer:
        both.stack.remove_guest(SECOND["guest"])
        both.stack.add_guest(SECOND)
        assert [one.is_idle for one in both.stack.guests] == [True, True]
        peer.settimeout(10)
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
    again = flow_of(both, 1, server.getsockname()[1])
    again.open()
    server.accept()[0].close()


def test_a_link_whose_first_guest_is_added(guest: Guest, tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    settings: addresses.Settings = {**addresses.parse(""), "guest": ""}
    with ours, theirs:
        one = stack.Stack(Loop(), theirs.fileno(), settings, dns.Servers(str(tmp_path / "none")))
        assert one.guests == []
        one.add_guest(SECOND)
        assert [found.addresses.mac for found in one.guests] == [SECOND_MAC]
        one.close()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"guest": "10.0.2.100"}, "10.0.2.100 is not free"),
        ({"guest": "10.0.2.2"}, "10.0.2.2 is not free"),
        ({"guest": "10.0.3.7"}, "10.0.3.7 is not free"),
        ({"guest6": "fd00::100"}, "fd00::100 is not free"),
        ({"guest6": "fd01::7"}, "fd01::7 is not free"),
        ({"mac": GUEST_MAC.hex(":")}, "02:00:00:00:00:01 is taken"),
        ({"mac": GATEWAY_MAC.hex(":")}, "02:00:00:00:00:02 is taken"),
        ({"mac": "03:00:00:00:00:01"}, "no link address of a guest"),
        ({"mac": "02:00:00:00:00"}, "no link address of a guest"),
        ({"mac": "00:00:00:00:00:00"}, "no link address of a guest"),
        ({"mac": "zz"}, "no link address of a guest"),
    ],
)
def test_addresses_that_a_further_guest_cannot_have(
    guest: Guest, changed: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        guest.stack.add_guest({**SECOND, **changed})  # type: ignore[typeddict-item]
    assert len(guest.stack.guests) == 1


def test_settings_of_before(tmp_path: Path) -> None:
    """What the release before has written down of a network and its ports is enough."""
    settings: addresses.Settings = {
        "guest": "10.0.2.100",
        "gateway": "10.0.2.2",
        "prefix": 24,
        "guest6": "",
        "gateway6": "",
        "prefix6": 64,
        "mtu": 65520,
        "host_loopback": False,
    }
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        one = stack.Stack(Loop(), theirs.fileno(), settings, dns.Servers(str(tmp_path / "none")))
        (found,) = one.guests
        assert found is one.guest() is one.guest("10.0.2.100")
        assert (found.addresses.mac, found.addresses.buffers) == (GUEST_MAC, 64 << 20)
        one.close()


# -- who claims to be another


def claims(port: int) -> dict[str, tuple[int, bytes]]:
    """Packets that the second guest sends as the first, or as nobody: EtherType and bytes."""
    query = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"
    found: dict[str, tuple[int, bytes]] = {}
    for who, four, six in (
        ("other", *(SOURCES[v][0] for v in (4, 6))),
        ("no", "10.0.2.9", "fd00::9"),
    ):
        for version, source in ((4, four), (6, six)):
            target, icmp, request = GATEWAYS[version], *((1, 8) if version == 4 else (58, 128))
            kinds = {
                "syn": ip(source, target, 6, tcp((40000, port), 1, 0, SYN, options=MSS)),
                "stray": ip(source, target, 6, tcp((40009, port), 1, 1, ACK)),
                "udp": ip(source, target, 17, udp((5000, port), b"x" * 20)),
                "names": ip(source, target, 17, udp((5000, 53), query)),
                "echo": ip(source, target, icmp, echo(request, 1, 1, b"z")),
            }
            if version == 4:
                kinds["part"] = ip(source, target, 17, bytes(16), fragment=0x2000)
            for name, packet in kinds.items():
                found[f"{who} {name} {version}"] = (0, packet)
        request4 = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + SECOND_MAC + address(four)
        found[f"{who} arp"] = (ARP, request4 + bytes(6) + address("10.0.2.2"))
    return found


@pytest.mark.parametrize("name", list(claims(1)))
def test_a_packet_under_another_address(both: Guest, server: socket.socket, name: str) -> None:
    """It is dropped and counted: nothing of it reaches the host, nobody is answered."""
    kind, packet = claims(server.getsockname()[1])[name]
    assert both.send(packet, kind, SECOND_MAC) == []
    assert [one.strangers for one in both.stack.guests] == [0, 1]
    assert both.stack.is_idle
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.accept()


def test_words_put_into_anothers_mouth(both: Guest, server: socket.socket) -> None:
    """Exactly the segment that is due, from the wrong guest: neither data nor a reset."""
    flow = flow_of(both, 0, server.getsockname()[1])
    flow.open()
    with server.accept()[0] as peer:
        for flags in (ACK | PSH, RST | ACK):
            forged = tcp(flow.ports, flow.seq, flow.ack, flags, data=b"forged")
            assert both.send(ip(flow.source, flow.target, 6, forged), mac=SECOND_MAC) == []
        flow.send(ACK | PSH, b"true")
        peer.settimeout(10)
        assert peer.recv(20) == b"true"
    assert [one.strangers for one in both.stack.guests] == [0, 2]


@pytest.mark.parametrize("kind", [0, ARP])
def test_frames_of_nobody(both: Guest, server: socket.socket, kind: int) -> None:
    """A link address that no guest has, whatever is behind it."""
    syn = ip("10.0.2.100", "10.0.2.2", 6, tcp((1, server.getsockname()[1]), 1, 0, SYN))
    assert both.send(syn, kind, bytes.fromhex("0200000000ff")) == []
    assert both.stack.strangers == 1
    assert both.stack.is_idle


def test_what_guests_say_to_each_other(both: Guest) -> None:
    """A switch that does not know yet where somebody is sends it to all: it is not for us."""
    segment = tcp((1, 2), 1, 0, SYN)
    packet = ip("10.0.2.100", "10.0.2.7", 6, segment)
    both.raw(bytes(10) + SECOND_MAC + GUEST_MAC + IPV4.to_bytes(2, "big") + packet)
    assert both.receive() == []
    assert (both.stack.strangers, both.stack.guests[0].strangers) == (0, 0)


@pytest.mark.parametrize("length", [0, 5, 10, 23, 24, 30])
def test_a_frame_that_is_cut_off(both: Guest, length: int) -> None:
    """Nothing of the frame before it, which is still in memory, is taken for its own."""
    both.send(ip("10.0.2.9", "10.0.2.2", 6, tcp((1, 2), 1, 0, SYN)), mac=SECOND_MAC)
    frame = bytes(10) + GATEWAY_MAC + SECOND_MAC + IPV4.to_bytes(2, "big") + bytes(10)
    if length:
        both.raw(frame[:length])
    assert both.receive() == []
    assert both.stack.guests[1].strangers == 1


# -- how much each may have


def test_one_takes_no_connections_from_the_other(both: Guest, server: socket.socket) -> None:
    both.stack.limit(4)
    port = server.getsockname()[1]
    with ExitStack() as opened:
        for number in range(4):
            flow = flow_of(both, 1, port)
            flow.ports = (40000 + number, port)
            if number < 2:
                flow.open()
                opened.enter_context(server.accept()[0])
            else:
                assert flow.send(SYN, options=MSS) == []
        flow_of(both, 0, port).open()
        opened.enter_context(server.accept()[0])
    assert both.tcp.most == 2
    both.stack.remove_guest(SECOND["guest"])
    third: addresses.Member = {"guest": "10.0.2.8", "guest6": "", "mac": "02:00:00:00:00:0c"}
    assert both.stack.add_guest(third).tcp.most == 1  # of three: one is still leaving


def test_two_links_on_one_loop(guest: Guest, server: socket.socket, tmp_path: Path) -> None:
    """Each is a stack; the addresses may be the same, and the end of one is not the other's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    settings = addresses.parse("host-loopback=on")
    with ours, theirs:
        servers = dns.Servers(str(tmp_path / "none"))
        other = stack.Stack(guest.loop, theirs.fileno(), settings, servers)
        flow = flow_of(guest, 0, server.getsockname()[1])
        flow.open()
        with server.accept()[0] as peer:
            forged = tcp(flow.ports, flow.seq, flow.ack, ACK | PSH, data=b"forged")
            head = bytes(10) + GATEWAY_MAC + GUEST_MAC + IPV4.to_bytes(2, "big")
            ours.send(head + ip(flow.source, flow.target, 6, forged))
            guest.receive()
            other.close()
            flow.send(ACK | PSH, b"true")
            peer.settimeout(10)
            assert peer.recv(20) == b"true"
        assert select.select([ours], [], [], 0)[0]  # the forged one was refused on its own link
        assert ours.recv(1 << 16)[10:16] == GUEST_MAC
