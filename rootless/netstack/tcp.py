"""TCP (RFC 9293) between the guest and host sockets: which segment belongs to which connection.

Each connection ends here and goes on as one of the host's; see `connection`.
"""

from __future__ import annotations

import _socket
import errno
import time

from rootless.netstack import icmp, segment
from rootless.netstack.budget import LIMIT, Budget
from rootless.netstack.connection import MASK, Connection, reverse
from rootless.netstack.dns import PATIENCE, sockaddr
from rootless.netstack.segment import ACK, FIN, RST, SYN
from rootless.netstack.tap import START

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.linux.loop import Loop
    from rootless.netstack.addresses import Addresses
    from rootless.netstack.tap import Link

TICK = 0.25
"""Seconds between looks at what waits for an answer: the first retransmission time-out."""

MAX_CONNECTING = 1024
"""Connections that are being opened; one more, and the oldest of them is given up."""

_CONTROL = SYN | RST | ACK
_AGAIN = (errno.EINPROGRESS, errno.EALREADY)


class Tcp:
    """All connections of one guest."""

    def __init__(
        self, loop: Loop, link: Link, addresses: Addresses, owed: dict[Connection, None]
    ) -> None:
        """`owed` is for those that owe their guest an acknowledgement, of all on the link.

        Whoever owns it sends what is owed when the frames that wait are handled.
        """
        self.loop = loop
        self.link = link
        self.mtu = addresses.mtu
        self._addresses = addresses
        self.budget = Budget(addresses.buffers)
        self.connections: dict[bytes, Connection] = {}
        self._find = self.connections.get  # looked up once and not for each segment
        self.most = self.budget.connections
        """Connections that there may be: descriptors are few on some machines."""
        self.connecting: dict[bytes, Connection] = {}
        """Those whose host's side is not open yet, the oldest first."""
        self.timed: set[Connection] = set()
        """Those that wait for an answer of the guest."""
        self._owed = owed
        self._timer = -1
        self.redirect: Callable[[bytes, int], list[str]] = lambda _address, _port: []
        """Returns the hosts that serve (address, port) in its place, one after the other."""
        self.serve: Callable[[bytes, int], _socket.socket | None] = lambda _address, _port: None
        """Returns what stands for the host's side of (address, port): ours, where we serve it."""
        self.listen: Callable[[], None] = lambda: None
        """Takes what the guest has to say now.

        Many SYNs at once look to it like a flood, which it fends off by cookies: those connections
        have no window scale, and are forgotten where the queue of their server is full.
        """
        self.unreachable: Callable[..., None] = lambda *_: None
        """Sends an ICMP error about a packet of the guest: (IP version, its bytes, errno)."""
        self.on_stranger: Callable[[], None] = lambda: None
        """Called for a segment whose source is not the guest's address: it goes nowhere."""

    @property
    def is_full(self) -> bool:
        """Whether a further connection has to wait."""
        return len(self.connections) >= self.most

    def owe(self, connection: Connection) -> None:
        """Acknowledge what the guest has sent, together with what else goes to it soon."""
        self._owed[connection] = None

    def answered(self, connection: Connection) -> None:
        """What is sent now acknowledges all."""
        self._owed.pop(connection, None)

    def expect(self, connection: Connection) -> None:
        """Notice if the guest does not answer in time."""
        self.timed.add(connection)
        if self._timer < 0:
            self._timer = self.loop.at(time.monotonic() + TICK, self._tick)

    def _tick(self) -> None:
        for connection in list(self.timed):
            if connection not in self.timed:
                continue  # it has ended meanwhile
            if not connection.on_tick():
                self.timed.discard(connection)
            elif not connection.established:
                self.listen()
        self._timer = -1
        if self.timed:
            self._timer = self.loop.at(time.monotonic() + TICK, self._tick)

    def forget(self, connection: Connection) -> None:
        """Drop a connection from all lists."""
        connection.release()
        if self.connections.get(connection.key) is connection:
            del self.connections[connection.key]
            self.budget.divide(len(self.connections))
        self.connecting.pop(connection.key, None)
        self.timed.discard(connection)
        self._owed.pop(connection, None)

    def receive(
        self,
        version: int,
        key: bytes,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        start: int,
        end: int,
    ) -> None:
        """Take a segment of the guest; see `Connection.take`. `flags` begin with the offset."""
        connection = self._find(key)
        if connection is None:
            if key[: len(key) // 2 - 2] != self._addresses.guest(version):
                self.on_stranger()
            elif flags & (SYN | ACK | RST) == SYN:
                self._open(version, key, seq, window, start, end)
            elif not flags & RST:
                self._refuse_segment(version, key, seq, ack, flags, end - start)
        elif flags & _CONTROL == ACK and connection.established:
            connection.take(seq, ack, window, start, end, flags & FIN)
        else:
            self._receive_control(connection, seq, ack, flags, window, start, end)

    def _receive_control(
        self,
        connection: Connection,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        start: int,
        end: int,
    ) -> None:
        """A segment that opens or ends a connection."""
        if flags & RST:
            self._on_reset(connection, seq, ack, flags)
        elif flags & SYN:
            self._on_syn(connection, seq, ack, flags, window, start)
        elif flags & ACK and connection.accepted:
            if ack != connection.snd_nxt:
                connection.clear_way(ack)
        elif flags & ACK and connection.connected:
            if ack != connection.snd_nxt:
                self._refuse_segment(connection.version, connection.key, seq, ack, flags, 0)
                return
            connection.snd_una = ack
            connection.established = True
            connection.take(seq, ack, window, start, end, flags & FIN)
            if self.connections.get(connection.key) is connection:
                connection.pump()

    def _on_reset(self, connection: Connection, seq: int, ack: int, flags: int) -> None:
        if not connection.established and connection.accepted:
            if flags & ACK and ack == connection.snd_nxt:
                refused, connection.on_refused = connection.on_refused, None
                if refused is not None:
                    self.forget(connection)
                    refused()
                else:
                    connection.drop(abort=True)
        elif seq == connection.rcv_nxt:
            connection.drop(abort=True)
        elif (seq - connection.rcv_nxt) & MASK < LIMIT:
            connection.acknowledge()  # RFC 5961, 3.2: somebody may be guessing

    def _on_syn(
        self, connection: Connection, seq: int, ack: int, flags: int, window: int, start: int
    ) -> None:
        """A SYN again, the answer to ours, or a new life of the same ports."""
        if connection.accepted and not connection.established:
            if flags & ACK and ack == connection.snd_nxt:
                mss, shift = self._options(connection.version, start)
                connection.prepare(mss, shift)
                connection.rcv_nxt = (seq + 1) & MASK
                connection.snd_una = ack
                connection.snd_wnd = window
                connection.established = True
                connection.acknowledge()
                connection.pump()
            elif flags & ACK:
                connection.clear_way(ack)
        elif connection.established:
            if connection.eof and connection.finished and not connection.queue:
                self.forget(connection)  # it waits for nothing but the guest's last word
                connection.drop()
            else:
                connection.acknowledge()  # RFC 5961, 4.2
        elif connection.connected:
            connection.say_syn()

    def _options(self, version: int, start: int) -> tuple[int, int]:
        """Return what `segment.read_options` finds before the data that begins at `start`."""
        return segment.read_options(self.link.view[START + segment.HEADERS[version] : start])

    # -- new connections

    def _open(self, version: int, key: bytes, seq: int, window: int, start: int, end: int) -> None:
        """The guest's SYN: connect on the host."""
        half = 4 if version == 4 else 16
        address, port = key[half : 2 * half], int.from_bytes(key[-2:], "big")
        if self.is_full:
            return  # where we are full, the guest will ask again
        served = self.serve(address, port)
        hosts = [*self.redirect(address, port)] or [self._addresses.outside(address)]
        if served is None and (not hosts[0] or not port):
            self._refuse_segment(version, key, seq, 0, SYN, 0)
            return
        self.budget.divide(len(self.connections) + 1)
        connection = Connection(self, version, key)
        connection.hosts = hosts
        connection.syn = bytes(self.link.view[START : min(end, START + icmp.MAX_QUOTE)])
        connection.rcv_nxt = (seq + 1) & MASK
        connection.prepare(*self._options(version, start))
        connection.snd_wnd = window
        self.connections[key] = connection
        if served is not None:
            connection.take_over(served)
            connection.open()
        else:
            self._connect(connection)

    def _connect(self, connection: Connection) -> None:
        """Open the host's side, to the first of its hosts that are left."""
        host, port = connection.hosts.pop(0), int.from_bytes(connection.key[-2:], "big")
        kind = _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        address = sockaddr(host, port)
        try:
            sock = _socket.socket(_socket.AF_INET6 if ":" in host else _socket.AF_INET, kind)
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT:
                self.unreachable(connection.version, connection.syn, errno.ENETUNREACH)
            self.forget(connection)  # where no descriptor is left, the guest will ask again
            return
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        connection.take_over(sock)
        code = sock.connect_ex(address)
        if code in _AGAIN:
            code = sock.connect_ex(address)  # on the loopback it is done by now
        if code in _AGAIN:
            self.connecting[connection.key] = connection
            if len(self.connecting) > MAX_CONNECTING:
                next(iter(self.connecting.values())).drop(abort=True)
            connection.await_host()
            if connection.hosts:
                self.loop.at(time.monotonic() + PATIENCE, lambda: self._give_up(connection, sock))
        elif code in (0, errno.EISCONN):
            connection.open()
        else:
            self.refuse(connection, code)

    def _give_up(self, connection: Connection, sock: _socket.socket) -> None:
        """Try the next of the hosts, if the one behind `sock` is still silent."""
        if connection.sock is sock and self.connecting.get(connection.key) is connection:
            connection.let_go()
            self._connect(connection)

    def refuse(self, connection: Connection, code: int) -> None:
        """The host's side could not be opened, for the reason `code` (errno)."""
        if connection.hosts:
            connection.let_go()
            self._connect(connection)
        elif code == errno.ECONNREFUSED:
            connection.reset()
        else:
            self.unreachable(connection.version, connection.syn, code)
            connection.drop()

    def _refuse_segment(
        self, version: int, key: bytes, seq: int, ack: int, flags: int, length: int
    ) -> None:
        """Answer a segment of no connection (RFC 9293, 3.10.7.1)."""
        make = segment.writer4 if version == 4 else segment.writer6
        send = make(self.link, reverse(key), 536)
        if flags & ACK:
            send(ack, 0, RST, 0)
        else:
            length += bool(flags & SYN) + bool(flags & FIN)
            send(0, (seq + length) & MASK, RST | ACK, 0)

    def accept(self, version: int, key: bytes, sock: _socket.socket) -> Connection | None:
        """Open a connection to the guest for one that the host has accepted.

        `key` as the guest's answers will have it. Owns the socket. None where the ports are taken.
        """
        if key in self.connections:
            return None
        self.budget.divide(len(self.connections) + 1)
        connection = Connection(self, version, key)
        connection.take_over(sock)
        connection.accepted = connection.connected = True
        connection.prepare(self.mtu - segment.HEADERS[version], 0)
        self.connections[key] = connection
        connection.say_syn()
        return connection
