"""TCP, segment by segment: the test is the guest, the peers are sockets on the loopback."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest

from rootless.netstack import connection as limits
from rootless.netstack import ports, stack
from rootless.netstack import tcp as tcp_module
from tests.netstack.packets import ACK, FIN, GUEST_MAC, PSH, RST, SYN, ip, tcp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.netstack.conftest import Guest
    from tests.netstack.packets import Received

    Accept = Callable[[], socket.socket]

pytestmark = pytest.mark.once

ADDRESSES = {4: ("10.0.2.100", "10.0.2.2"), 6: ("fd00::100", "fd00::2")}
MSS = bytes([2, 4, 0xFF, 0xC8])
SCALE = bytes([1, 3, 3, 7])


class Flow:
    """One connection of the guest."""

    def __init__(self, guest: Guest, port: int, version: int = 4, own: int = 40000) -> None:
        self.guest = guest
        self.source, self.target = ADDRESSES[version]
        self.mac = GUEST_MAC
        self.ports = (own, port)
        self.seq = 1000
        self.ack = 0
        self.window = 65535

    def send(self, flags: int, data: bytes = b"", **more: int | bytes) -> list[Received]:
        seq, ack = int(more.pop("seq", self.seq)), int(more.pop("ack", self.ack))
        window = int(more.pop("window", self.window))
        segment = tcp(self.ports, seq, ack, flags, data=data, window=window, **more)
        got = self.guest.send(ip(self.source, self.target, 6, segment), mac=self.mac)
        got = [one for one in got if one.mac == self.mac]
        if seq == self.seq:
            self.seq += len(data) + bool(flags & SYN) + bool(flags & FIN)
        return got

    def open(self, options: bytes = MSS + SCALE) -> Received:
        """Shake hands; return the SYN-ACK."""
        (answer,) = self.send(SYN, options=options)
        assert answer.flags == SYN | ACK
        assert answer.ports == self.ports[::-1]
        assert answer.ack == self.seq
        self.ack = answer.seq + 1
        assert self.send(ACK) == []
        return answer


def publish(guest: Guest, server: socket.socket) -> ports.Listener:
    """Pass on what comes to the server to port 80 of the guest."""
    ip, number = server.getsockname()[:2]
    port: ports.Port = {
        "fd": os.dup(server.fileno()),
        "ip": ip,
        "host": number,
        "container": 80,
        "protocol": "tcp",
    }
    return ports.Listener(guest.loop, port, lambda: guest.stack)


@pytest.fixture(params=[4, 6])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def server(version: int) -> Iterator[socket.socket]:
    host = "127.0.0.1" if version == 4 else "::1"
    with socket.create_server(
        (host, 0), family=socket.AF_INET if version == 4 else socket.AF_INET6
    ) as sock:
        sock.settimeout(10)
        yield sock


@pytest.fixture
def accept(server: socket.socket) -> Iterator[Accept]:
    """Accepts what comes to the server; closes it in the end."""
    peers: list[socket.socket] = []

    def take() -> socket.socket:
        peers.append(server.accept()[0])
        peers[-1].settimeout(10)
        return peers[-1]

    yield take
    for peer in peers:
        peer.close()


@pytest.fixture
def flow(guest: Guest, server: socket.socket, version: int) -> Flow:
    return Flow(guest, server.getsockname()[1], version)


def test_a_whole_life(guest: Guest, server: socket.socket, flow: Flow, accept: Accept) -> None:
    """Open, speak both ways, half-close, close; nothing is left."""
    answer = flow.open()
    assert struct.unpack(">BBH", answer.payload[20:24])[:2] == (2, 4)
    peer = accept()
    (acked,) = flow.send(PSH | ACK, b"hello")
    assert (acked.flags, acked.ack, acked.data) == (ACK, flow.seq, b"")
    assert peer.recv(100) == b"hello"
    peer.sendall(b"world")
    (data,) = guest.receive(5)
    assert (data.seq, data.data) == (flow.ack, b"world")
    flow.ack += 5
    (acked,) = flow.send(FIN | ACK)
    assert acked.ack == flow.seq
    assert peer.recv(100) == b""
    peer.sendall(b"more")  # the other half is open still
    (data,) = guest.receive(5)
    assert data.data == b"more"
    flow.ack += 4
    flow.send(ACK)
    peer.close()
    (last,) = guest.receive(5)
    assert last.flags & FIN
    assert last.seq == flow.ack
    flow.ack += 1
    assert flow.send(ACK) == []
    assert guest.tcp.connections == {}
    assert guest.stack.is_idle


def test_urgent_data_stays_in_the_stream(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    """Telnet and FTP abort by it; out of the stream, a byte would be missing there."""
    flow.open()
    peer = accept()
    peer.sendall(b"abo")
    peer.send(b"r", socket.MSG_OOB)
    peer.sendall(b"t")
    assert b"".join(one.data for one in guest.receive(5)) == b"abort"


def test_both_close_at_once(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    """RFC 9293, 3.6, case 3: the FINs cross, and each is acknowledged."""
    flow.open()
    peer = accept()
    peer.shutdown(socket.SHUT_WR)
    (fin,) = guest.receive(5)
    assert fin.flags & FIN
    (acked,) = flow.send(FIN | ACK)  # it has not seen ours
    assert acked.ack == flow.seq
    assert guest.tcp.connections
    (again,) = flow.send(FIN | ACK, seq=flow.seq - 1)
    assert (again.flags, again.ack) == (ACK, flow.seq)
    flow.ack += 1
    assert flow.send(ACK) == []
    assert peer.recv(10) == b""
    assert guest.tcp.connections == {}


def test_the_host_closes_first(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    flow.open()
    peer = accept()
    peer.shutdown(socket.SHUT_WR)
    (fin,) = guest.receive(5)
    assert fin.flags & FIN
    flow.ack += 1
    flow.send(ACK)
    flow.send(ACK | PSH, b"last words")
    assert peer.recv(100) == b"last words"
    (acked,) = flow.send(FIN | ACK)
    assert acked.ack == flow.seq
    assert peer.recv(100) == b""
    assert guest.tcp.connections == {}


def test_refused(guest: Guest, version: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    flow = Flow(guest, port, version)
    (answer,) = flow.send(SYN, options=MSS)
    assert answer.flags == RST | ACK
    assert answer.ack == flow.seq
    assert guest.tcp.connections == {}


@pytest.mark.parametrize("target", ["127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.2.77", "10.0.2.2"])
def test_what_means_the_loopback(make_guest: Callable[..., Guest], target: str) -> None:
    """By default nothing that the guest can write leads to the host's loopback."""
    guest = make_guest("")
    with socket.create_server(("127.0.0.1", 0)) as server:
        flow = Flow(guest, server.getsockname()[1])
        flow.target = target
        (answer,) = flow.send(SYN, options=MSS)
        assert answer.flags & RST
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("target", ["::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "fd00::2"])
def test_what_means_the_loopback_of_ipv6(make_guest: Callable[..., Guest], target: str) -> None:
    guest = make_guest("")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        flow = Flow(guest, server.getsockname()[1], 6)
        flow.target = target
        (answer,) = flow.send(SYN, options=MSS)
        assert answer.flags & RST
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_guest_that_is_not_itself(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    flow.source = "10.0.2.55" if flow.source.startswith("1") else "fd00::55"
    assert flow.send(SYN, options=MSS) == []


def test_resets_go_both_ways(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    flow.open()
    peer = accept()
    linger = struct.pack("ii", 1, 0)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    peer.close()
    (answer,) = guest.receive(5)
    assert answer.flags & RST
    flow.ports = (40001, flow.ports[1])
    flow.seq = 1000
    flow.open()
    peer = accept()
    flow.send(RST | ACK, seq=flow.seq + 5)  # in the window, but not what is due: RFC 5961
    peer.setblocking(False)
    with pytest.raises(BlockingIOError):
        peer.recv(1)
    peer.settimeout(5)
    flow.send(RST | ACK)
    with pytest.raises(ConnectionResetError):
        peer.recv(1)
    assert guest.tcp.connections == {}


def test_what_is_lost_is_sent_again(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    flow.open()
    peer = accept()
    peer.sendall(b"first")
    (data,) = guest.receive(5)
    (again,) = guest.receive(5)  # nobody has acknowledged it
    assert (again.seq, again.data) == (data.seq, data.data)
    peer.close()
    flow.ack += 5
    flow.send(ACK)
    fins = [one for one in guest.receive(5) if one.flags & FIN]
    assert fins


def test_three_duplicates_say_what_is_missing(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    flow.open()
    peer = accept()
    for word in (b"one", b"two", b"six"):
        peer.sendall(word)
        guest.receive(5)
    assert flow.send(ACK) + flow.send(ACK) == []
    (again,) = flow.send(ACK)
    assert again.data == b"one"
    flow.ack += 3
    (next_hole,) = flow.send(ACK)  # RFC 6582: a partial acknowledgement names the next one
    assert next_hole.data == b"two"


def test_order(guest: Guest, server: socket.socket, flow: Flow, accept: Accept) -> None:
    """What comes too early is asked for again, what comes twice is taken once."""
    flow.open()
    peer = accept()
    (asked,) = flow.send(PSH | ACK, b"late", seq=flow.seq + 5)
    assert asked.ack == flow.seq
    flow.send(PSH | ACK, b"early")
    flow.send(PSH | ACK, b"rly and", seq=flow.seq - 3)  # RFC 9293, 3.4: a part is new
    assert peer.recv(9, socket.MSG_WAITALL) == b"early and"


def test_a_window_that_closes_and_opens(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    flow.open()
    peer = accept()
    flow.send(ACK, window=0)
    peer.sendall(b"wait")
    assert guest.receive() == []
    (probe,) = guest.receive(5)
    assert (probe.data, probe.seq) == (b"", flow.ack - 1)
    (data,) = flow.send(ACK, window=2)
    assert data.data == b"wait"


def test_a_window_that_closes_before_what_is_on_its_way(
    guest: Guest,
    server: socket.socket,
    flow: Flow,
    accept: Accept,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A guest that answers is there, however long it has no room (RFC 9293, 3.8.6.1)."""
    monkeypatch.setattr(tcp_module, "TICK", 1000.0)
    flow.open()
    peer = accept()
    peer.sendall(b"data")
    guest.receive(5)
    connection = next(iter(guest.tcp.connections.values()))
    connection.on_tick()
    for _ in range(2 * limits.MAX_TRIES):
        connection.wait = 0  # the time-out is over
        connection.on_tick()
        (again,) = guest.receive(5)
        assert again.data == b"data"
        flow.send(ACK, window=0)
    flow.ack += 4
    flow.send(ACK)
    peer.sendall(b"more")
    (data,) = guest.receive(5)
    assert data.data == b"more"


def test_a_peer_that_does_not_read(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    """The window closes before our memory does; when he reads, all arrives."""
    flow.open()
    peer = accept()
    block, sent, first = os.urandom(60000), bytearray(), flow.seq
    acknowledged = 0
    while True:
        answers = flow.send(PSH | ACK, block)
        sent += block
        acknowledged = answers[-1].ack - first
        connection = next(iter(guest.tcp.connections.values()))
        assert connection.queued <= limits.LIMIT
        if answers[-1].window << limits.SHIFT < len(block):
            break
        assert len(sent) < 64 << 20
    got = bytearray()
    peer.setblocking(False)
    while len(got) < acknowledged:
        try:
            while True:
                got += peer.recv(1 << 20)
        except BlockingIOError:
            guest.receive()
    assert got == sent[:acknowledged]
    assert connection.queued == 0


def test_a_probe_is_answered_and_keeps_the_host_side_alive(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    flow.open()
    accept()
    (answer,) = flow.send(ACK, seq=flow.seq - 1)
    assert answer.ack == flow.seq
    connection = next(iter(guest.tcp.connections.values()))
    assert connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_the_host_side_is_asked_as_soon(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    """Keep-alive after the silence that the guest has chosen, not after the host's two hours."""
    flow.open()
    accept()
    sock = next(iter(guest.tcp.connections.values())).sock
    two_hours = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    flow.send(ACK, seq=flow.seq - 1)
    found = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    assert found < two_hours // 10
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
    flow.send(ACK, seq=flow.seq - 1)  # only the first tells how long the guest waits
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77


def test_segments_fit_the_guest(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    """A guest with a small MSS gets large frames all the same: the kernel is to cut them."""
    flow.open(options=bytes([2, 4, 0x05, 0xB4]) + SCALE)
    peer = accept()
    flow.send(ACK, window=60000)
    peer.sendall(bytes(40000))
    assert sum(len(one.data) for one in guest.receive(5)) == 40000


def test_a_guest_without_window_scale(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    answer = flow.open(options=MSS)
    assert len(answer.payload) == 24  # no scale of ours either (RFC 7323, 1.3)
    accept()
    (acked,) = flow.send(PSH | ACK, b"x")
    assert acked.window == 65535


def test_a_segment_of_no_connection(guest: Guest) -> None:
    flow = Flow(guest, 9)
    flow.ack = 77
    (answer,) = flow.send(ACK)
    assert (answer.flags, answer.seq) == (RST, 77)
    (answer,) = flow.send(FIN, b"abc")
    assert (answer.flags, answer.ack) == (RST | ACK, flow.seq)
    assert flow.send(RST) == []


def test_a_syn_that_comes_twice(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    (first,) = flow.send(SYN, options=MSS + SCALE)
    (second,) = flow.send(SYN, options=MSS + SCALE, seq=1000)
    assert (first.seq, first.ack) == (second.seq, second.ack)
    flow.ack = first.seq + 1
    flow.send(ACK)
    (challenge,) = flow.send(SYN, options=MSS, seq=9)
    assert (challenge.flags, challenge.ack) == (ACK, flow.seq)


def test_a_guest_that_never_answers_is_given_up(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp_module, "TICK", 0.001)
    flow.send(SYN, options=MSS)
    peer = accept()
    deadline = time.monotonic() + 10
    while guest.tcp.connections:
        guest.receive()
        assert time.monotonic() < deadline
    with pytest.raises(ConnectionResetError):
        peer.recv(1)


def test_who_comes_while_a_guest_ends(guest: Guest, server: socket.socket, version: int) -> None:
    """He waits: the container may start again, and refuses nobody meanwhile."""
    listener = publish(guest, server)
    with socket.create_connection(server.getsockname()[:2]) as first:
        (syn,) = guest.receive(5)
        assert (syn.flags, syn.ports[1]) == (SYN, 80)
        listener.hold()
        with socket.create_connection(server.getsockname()[:2]) as second:
            assert guest.receive() == []
            second.setblocking(False)
            with pytest.raises(BlockingIOError):
                second.recv(1)
        first.close()
    listener.close()


def test_ports_that_the_guest_remembers(
    guest: Guest, server: socket.socket, version: int, accept: Accept
) -> None:
    """Its TIME-WAIT answers a client that comes from the same port again; a reset ends that."""
    with socket.create_connection(server.getsockname()[:2]) as client:
        published, name = server.accept()
        published.setblocking(False)
        ports.connect(guest.inside, published, name, 80)
        (syn,) = guest.receive(5)
        assert (syn.flags, syn.ports) == (SYN, (name[1], 80))
        flow = Flow(guest, name[1], version, own=80)
        flow.ack = 77
        reset, again = flow.send(ACK)
        assert (reset.flags, reset.seq) == (RST, 77)
        assert (again.flags, again.seq) == (SYN, syn.seq)
        flow.ack = syn.seq + 1
        (acked,) = flow.send(SYN | ACK, options=MSS + SCALE)
        assert (acked.flags, acked.ack) == (ACK, flow.seq)
        flow.send(ACK | PSH, b"hello")
        client.settimeout(10)
        assert client.recv(10) == b"hello"


def test_what_nobody_takes_ends_in_a_reset(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guest is gone and its peer does not read: an end would say that this was all."""
    monkeypatch.setattr(stack, "PATIENCE", 0.05)
    monkeypatch.setattr(stack, "SILENCE", 10)
    flow.open()
    peer = accept()
    connection = next(iter(guest.tcp.connections.values()))
    while connection.queued < 100000:
        flow.send(PSH | ACK, bytes(50000))
    flow.send(FIN | ACK)
    assert connection.finished
    guest.stack.close()
    with pytest.raises(ConnectionResetError):
        while peer.recv(1 << 20):
            pass


def test_what_is_taken_slowly_is_all_delivered(
    guest: Guest, server: socket.socket, flow: Flow, accept: Accept
) -> None:
    flow.open()
    peer = accept()
    connection = next(iter(guest.tcp.connections.values()))
    sent = 0
    while connection.queued < 500000:
        flow.send(PSH | ACK, bytes(50000))
        sent += 50000
    flow.send(FIN | ACK)
    got = []

    def read() -> None:
        while data := peer.recv(100000):
            got.append(len(data))
            time.sleep(0.01)

    reader = threading.Thread(target=read)
    reader.start()
    guest.stack.close()
    reader.join()
    assert sum(got) == sent


def test_nobody_is_waited_for_who_has_not_answered(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was still being opened does not hold up the end of a container."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for number in range(4):
            Flow(guest, full.getsockname()[1], own=10000 + number).send(SYN, options=MSS)
        assert guest.tcp.connecting
        monkeypatch.setattr(guest.loop, "turn", pytest.fail)
        for connection in list(guest.tcp.connections.values()):
            if connection.established or connection.connected:
                connection.drop()  # there was room for one or two
        guest.stack.close()
        assert not guest.tcp.connections


def test_a_flood_of_syns(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Towards a host that never answers: the oldest are given up, nothing is held."""
    monkeypatch.setattr(tcp_module, "MAX_CONNECTING", 8)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        before = len(os.listdir("/proc/self/fd"))
        for number in range(200):
            Flow(guest, full.getsockname()[1], own=10000 + number).send(SYN, options=MSS)
        assert len(guest.tcp.connecting) <= 8
        for connection in list(guest.tcp.connections.values()):
            connection.drop(abort=True)
        assert len(os.listdir("/proc/self/fd")) <= before


def test_more_connections_than_there_may_be(
    guest: Guest, server: socket.socket, version: int
) -> None:
    """They wait: the guest's SYN is not answered, the host's stays in the queue."""
    host, port = server.getsockname()[:2]
    guest.tcp.most = 1
    Flow(guest, port, version).open()
    assert Flow(guest, port, version, own=40001).send(SYN, options=MSS) == []
    with socket.create_server((host, 0), family=server.family) as published:
        listener = publish(guest, published)
        with socket.create_connection(published.getsockname()[:2]):
            assert guest.receive() == []
            guest.tcp.most = 2
            (syn,) = guest.receive(5)
            assert syn.flags == SYN
        listener.close()
