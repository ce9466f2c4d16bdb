"""One TCP connection: what is on its way in each direction, and how it ends.

What the guest sends is acknowledged when the host's socket, or the queue before it, has taken it;
what the host's peer sends stays in memory until the guest has acknowledged it. So no byte is ever
in our hands alone without a bound: `LIMIT` bytes in each direction, and less where many connections
keep as much (see `budget`).

The link loses next to nothing and changes no order, so there is no congestion control and no
reassembly: what comes out of order is dropped, and sent again by the guest.
"""

from __future__ import annotations

import _socket
import os
import select
import struct
from collections import deque

from rootless.netstack import segment
from rootless.netstack.budget import LIMIT, PROOF
from rootless.netstack.segment import ACK, FIN, PSH, RST, SYN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from rootless.linux.loop import Loop
    from rootless.netstack.budget import Budget
    from rootless.netstack.tap import Link

    class Connections(Protocol):
        """What a connection has to do with the others of its guest: `tcp.Tcp`."""

        loop: Loop
        link: Link
        mtu: int
        budget: Budget
        connecting: dict[bytes, Connection]

        def owe(self, connection: Connection) -> None:
            """Acknowledge soon what the guest has sent."""

        def answered(self, connection: Connection) -> None:
            """What is sent now acknowledges all."""

        def expect(self, connection: Connection) -> None:
            """Notice if the guest does not answer in time."""

        def forget(self, connection: Connection) -> None:
            """Drop it from all lists."""

        def refuse(self, connection: Connection, code: int) -> None:
            """Its host's side could not be opened, for the reason `code` (errno)."""


SHIFT = 5
"""Our window scale: a window of LIMIT fits into 16 bits."""

MAX_TRIES = 10
"""Retransmissions, each after twice the time, before the guest counts as gone: 4 minutes."""

_PROBES = 9
_MAX_SILENCE = 32767
"""Of keep-alive: tcp(7), TCP_KEEPCNT as by default, and the largest TCP_KEEPIDLE."""

_TCP_INFO = struct.Struct("=44xI4xI")
"""Of struct tcp_info: milliseconds since data was sent, and since some was received."""

SYN_TRIES = 64
"""The same for a connection that the guest has yet to take, 2 seconds apart: 2 minutes.

A server whose queue is full does not answer. Of many clients each gets its turn soon after.
"""

_LONGEST, _SYN_LONGEST = 240, 8
"""Ticks between retransmissions at most."""

MASK = 0xFFFFFFFF
_HALF = 0x80000000
_READ, _WRITE = select.POLLIN, select.POLLOUT
_BROKEN = select.POLLERR | select.POLLHUP
_CRUMB = 2048
"""What is smaller is kept together with more: each piece costs some 50 bytes of its own."""

_READS = 32
"""Reads from one host socket before others get their turn: until LIMIT is on its way.

Then its acknowledgements drive the flow, without a look at the socket. With 8, a fifth slower.
"""


class Connection:
    """One connection. The names of sequence numbers are those of RFC 9293, 3.3.1."""

    __slots__ = (
        "_budget", "_tcp", "_watched", "accepted", "blocked", "connected", "duplicates", "eof",
        "established", "fin_acked", "finished", "flight", "hosts", "key", "mark", "moved", "mss",
        "offset", "on_refused", "queue", "queued", "rcv_nxt", "recover", "recv", "scale",
        "segment", "send", "share", "shift", "snd_nxt", "snd_una", "snd_wnd", "sock", "syn",
        "told", "tries", "version", "wait",
    )  # fmt: skip

    def __init__(self, tcp: Connections, version: int, key: bytes) -> None:
        """`key` is the guest's: source, destination, ports."""
        self._tcp = tcp
        self._budget = tcp.budget
        self.share = tcp.budget.share
        """The window that we may always tell: the guest makes its segments half as large.

        Linux sends less than a segment only now and again, a fifth of a second apart at least.
        """
        self.moved = 0
        """Bytes that the host's socket has taken."""
        self.version = version
        self.key = key
        self.hosts: list[str] = []
        """Where the host's side may be opened if it cannot be where it is tried."""
        self.syn = b""
        """The beginning of the guest's SYN with its IP header, for an ICMP error."""
        self.mss = 536
        """RFC 9293, 3.7.1: where the guest names none."""
        self.shift = self.scale = 0
        """Window scales of what the guest advertises, and of what we do (RFC 7323)."""
        self.snd_una = self.snd_nxt = int.from_bytes(os.urandom(4), "big")
        self.snd_wnd = 0
        self.rcv_nxt = 0
        self.told = self.share
        """The window that the guest was told last."""
        self.queue: deque[bytes] = deque()
        """What the host's socket has not taken yet; `queued` counts its bytes."""
        self.queued = 0
        self.flight: deque[bytes] = deque()
        """What the guest has not acknowledged yet; `offset` bytes of the first are."""
        self.offset = 0
        self.connected = False
        """Whether the host's side is open."""
        self.established = False
        """Whether the guest's side is open."""
        self.accepted = False
        """Whether the host's side asked first: it came through a published port."""
        self.blocked = False
        """Whether the guest's window, or our memory, keeps us from reading on."""
        self.eof = False
        """Whether the host's side has ended and FIN was sent."""
        self.fin_acked = False
        self.finished = False
        """Whether the guest has sent FIN."""
        self.mark = -1
        self.tries = 0
        self.wait = 0
        self.duplicates = 0
        self.recover = -1
        """Where the next sequence number was when a loss was noticed (RFC 6582)."""
        self.on_refused: Callable[[], None] | None = None
        """Called once if the guest refuses what was accepted, instead of closing."""
        self._watched = 0
        self.segment: Callable[..., bool] = lambda *_: False

    def take_over(self, sock: _socket.socket) -> None:
        """Make `sock`, which is ours from now on, the host's side."""
        # The guest has no urgent data of us, but is to miss no byte (RFC 6093).
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_OOBINLINE, 1)
        self.sock = sock
        self.send = sock.send
        self.recv = sock.recv

    def let_go(self) -> None:
        """Close the host's side."""
        self._watch(0)
        self.sock.close()

    # -- to the guest

    def prepare(self, mss: int, shift: int) -> None:
        """Take what the guest's SYN says; `shift` is -1 where it knows of no window scale."""
        tcp, version = self._tcp, self.version
        self.shift, self.scale = (shift, SHIFT) if shift >= 0 else (0, 0)
        # Never more than what fits our link: the guest may not know its own MTU.
        self.mss = max(64, min(mss or 536, tcp.mtu - segment.HEADERS[version]))
        make = segment.writer4 if version == 4 else segment.writer6
        self.segment = make(tcp.link, reverse(self.key), self.mss)

    def window(self) -> int:
        """Return the window that the guest may fill, as it stands in a segment."""
        room = self._limit() - self.queued
        self.told = max(0, room)
        return min(self.told >> self.scale, 0xFFFF)

    def _limit(self) -> int:
        """Return the bytes that may wait for the host in the end."""
        budget = self._budget
        if budget.room <= 0:
            return budget.share
        return self.share if self.moved < PROOF else max(self.share, budget.limit())

    def acknowledge(self) -> None:
        """Send an acknowledgement without data."""
        self.segment(self.snd_nxt, self.rcv_nxt, ACK, self.window())

    def say_syn(self) -> None:
        """Send our SYN, again if need be; with an acknowledgement where the guest was first."""
        shown = segment.options(self._tcp.mtu - segment.HEADERS[self.version], SHIFT)
        if not self.scale:
            shown = shown[:4]
        flags = SYN if self.accepted else SYN | ACK
        # The window of a SYN is never scaled (RFC 7323, 2.2).
        words, window = len(shown) // 4 << 12, min(self.share, 0xFFFF)
        self.segment(self.snd_una, self.rcv_nxt, flags + words, window, shown)
        self.snd_nxt = (self.snd_una + 1) & MASK
        self._tcp.expect(self)

    def clear_way(self, ack: int) -> None:
        """The guest answers our SYN by an ACK of something else, and has yet to hear of it.

        It remembers a connection of the same ports (TIME-WAIT), which a reset ends (RFC 9293,
        3.10.7.3).
        """
        self.segment(ack, 0, RST, 0)
        self.say_syn()

    def reset(self) -> None:
        """End both sides at once."""
        if self.established or not self.accepted:
            self.segment(self.snd_nxt, self.rcv_nxt, RST | ACK, 0)
        self.drop(abort=True)

    def drop(self, *, abort: bool = False) -> None:
        """Forget the connection and close the host's side; with `abort` its peer sees a reset."""
        if abort:
            try:
                linger = struct.pack("ii", 1, 0)
                self.sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_LINGER, linger)
            except OSError:
                pass  # it is broken already
        self.let_go()
        self._tcp.forget(self)

    def release(self) -> None:
        """Keep nothing that waits any more."""
        self._budget.room += self.queued + sum(map(len, self.flight)) - self.offset
        self.queue.clear()
        self.flight.clear()
        self.queued = self.offset = 0

    # -- the host's side

    def _watch(self, events: int) -> None:
        if events != self._watched:
            if events:
                self._tcp.loop.watch(self.sock.fileno(), events, self._ready)
            else:
                self._tcp.loop.unwatch(self.sock.fileno())
            self._watched = events

    def await_host(self) -> None:
        """Go on when the host's side is open."""
        self._watch(_WRITE)

    def _ready(self, events: int) -> None:
        if not self.connected:
            self._on_connect()
            return
        if events & _WRITE and self.queue:
            self.flush()
        if events & (_READ | _BROKEN) and self._watched:
            self.pump()

    def _on_connect(self) -> None:
        code = self.sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
        if code:
            self._tcp.refuse(self, code)
            return
        try:
            self.sock.getpeername()
        except OSError:
            return  # not yet: the event was that of a descriptor that was closed meanwhile
        self._watch(0)
        self.open()

    def open(self) -> None:
        """The host's side is open: say so to the guest."""
        self.connected = True
        self.syn = b""
        self._tcp.connecting.pop(self.key, None)
        self.say_syn()

    def pump(self) -> None:
        """Read from the host and send to the guest, as far as both go."""
        if self.eof or not self.established:
            self._watch(self._watched & ~_READ)
            return
        recv, send, mss, budget = self.recv, self.segment, self.mss, self._budget
        limit, flight = min(self.snd_wnd, budget.limit()), self.flight
        most = mss if mss > 32768 else 65535 - 80 - (65535 - 80) % mss
        flags = ACK | PSH
        for _ in range(_READS):
            flying = (self.snd_nxt - self.snd_una) & MASK
            room = limit - flying
            # Not every crumb of a window is worth a segment (RFC 9293, 3.8.6.2.1).
            if room <= 0 or (room < mss and flying and room < 8192):
                self.blocked = True
                self._watch(self._watched & ~_READ)
                self._tcp.expect(self)
                return
            try:
                data = recv(min(most, room))
            except BlockingIOError:
                break
            except OSError:
                self.reset()
                return
            if not data:
                self._end()
                return
            if len(data) < _CRUMB and len(flight) > _READS and len(flight[-1]) < _CRUMB:
                flight[-1] += data
            else:
                flight.append(data)
            budget.room -= len(data)
            self._tcp.answered(self)
            send(self.snd_nxt, self.rcv_nxt, flags, self.window(), data)
            self.snd_nxt = (self.snd_nxt + len(data)) & MASK
            self._tcp.expect(self)
            if len(data) < room and len(data) < most:
                break  # there was no more
        self.blocked = False
        self._watch(self._watched | _READ)

    def _end(self) -> None:
        """The host's peer has said all: FIN."""
        self.eof, self.blocked = True, False
        self._tcp.answered(self)
        self.segment(self.snd_nxt, self.rcv_nxt, FIN | ACK, self.window())
        self.snd_nxt = (self.snd_nxt + 1) & MASK
        self._tcp.expect(self)
        self._watch(self._watched & ~_READ)

    def flush(self) -> None:
        """Give the host's socket what is queued, and pass FIN on behind it."""
        queue = self.queue
        try:
            while queue:
                sent = self.send(queue[0])
                self.queued -= sent
                self.moved += sent
                self._budget.room += sent
                if sent < len(queue[0]):
                    queue[0] = queue[0][sent:]
                else:
                    queue.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self.reset()
            return
        if queue:
            self._watch(self._watched | _WRITE)
        else:
            self._watch(self._watched & ~_WRITE)
            if self.finished:
                self._shut()
        limit = self._limit()
        if self.told < max(limit // 4, min(limit // 2, 1 << 16)) and self.queued < limit // 2:
            self.acknowledge()  # the window is open again

    def _shut(self) -> None:
        """The guest has said all, and the host's socket has taken it."""
        try:
            self.sock.shutdown(_socket.SHUT_WR)
        except OSError:
            self.reset()
            return
        self.close_if_done()

    def close_if_done(self) -> None:
        """Forget it where both sides have ended and know it."""
        if self.finished and self.fin_acked and not self.queue:
            self.drop()

    # -- from the guest

    def take(self, seq: int, ack: int, window: int, start: int, end: int, fin: int) -> None:
        """Take a segment with ACK and without SYN and RST; its data is [start:end] of the TAP's."""
        una = self.snd_una
        if ack != una:
            if (ack - una) & MASK <= (self.snd_nxt - una) & MASK:
                self._acked((ack - una) & MASK)
            elif (ack - una) & MASK < _HALF:
                self.acknowledge()  # of what was never sent
                return
        elif start == end and not fin and self.flight and window << self.shift == self.snd_wnd:
            self._duplicate()
        self.snd_wnd = window << self.shift
        if end > start or fin:
            if not self._take_data(seq, start, end, fin):
                return
        elif seq != self.rcv_nxt:
            self._tcp.owe(self)  # a keep-alive, or a probe of our window
            self._ask_host()
        if self.blocked and self.snd_wnd:
            self.pump()
        elif self.fin_acked:
            self.close_if_done()

    def _ask_host(self) -> None:
        """The guest asks whether its peer is there: have the kernel ask that peer, now and again.

        A keep-alive of the guest comes after as long a silence as it has chosen. Twice that, and
        the host's side knows as well; we have answered for it meanwhile.
        """
        sock, tcp = self.sock, _socket.IPPROTO_TCP
        if sock.family == _socket.AF_UNIX or sock.getsockopt(
            _socket.SOL_SOCKET, _socket.SO_KEEPALIVE
        ):
            return  # it is our own name service, or does so
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
        info = sock.getsockopt(tcp, _socket.TCP_INFO, _TCP_INFO.size)
        silence = min(max(1, round(min(_TCP_INFO.unpack(info)) / 1000)), _MAX_SILENCE)
        sock.setsockopt(tcp, _socket.TCP_KEEPINTVL, min(max(1, silence // _PROBES), 75))
        sock.setsockopt(tcp, _socket.TCP_KEEPCNT, _PROBES)
        sock.setsockopt(tcp, _socket.TCP_KEEPIDLE, silence)

    def _take_data(self, seq: int, start: int, end: int, fin: int) -> bool:
        """Pass data on; False where the connection is over."""
        self._tcp.owe(self)
        ahead = (self.rcv_nxt - seq) & MASK
        if ahead:
            if ahead >= _HALF or self.finished:
                return True  # something before it was lost: the acknowledgement says what
            start += ahead  # a part is known
            if start >= end + (1 if fin else 0):
                return True
        budget = self._budget
        room = (LIMIT if budget.room > 0 else budget.share) - self.queued
        if end - start > room:
            end, fin = start + max(room, 0), 0
        length = end - start
        if length > 0 and not self.finished:
            data = self._tcp.link.view[start:end]
            sent = 0
            if not self.queue:
                try:
                    sent = self.send(data)
                    self.moved += sent
                except BlockingIOError:
                    pass
                except OSError:
                    self.reset()
                    return False
            if sent < length:
                self._keep(data[sent:])
            self.rcv_nxt = (self.rcv_nxt + length) & MASK
        if fin and not self.finished:
            self.rcv_nxt = (self.rcv_nxt + 1) & MASK
            self.finished = True
            if not self.queue:
                # Acknowledged before it may be forgotten.
                self._tcp.answered(self)
                self.acknowledge()
                self._shut()
                return self.sock.fileno() >= 0
        return True

    def _keep(self, data: memoryview) -> None:
        """Give it to the host's socket when that takes more."""
        queue = self.queue
        if queue and len(data) < _CRUMB and len(queue[-1]) < _CRUMB:
            queue[-1] += data
        else:
            queue.append(bytes(data))
        self.queued += len(data)
        self._budget.room -= len(data)
        self._watch(self._watched | _WRITE)

    def _acked(self, count: int) -> None:
        """The guest has `count` bytes more."""
        self.snd_una = (self.snd_una + count) & MASK
        self.duplicates = self.tries = 0
        flight, had = self.flight, count
        while flight:
            left = len(flight[0]) - self.offset
            if count < left:
                self.offset += count
                count = 0
                break
            count -= left
            self.offset = 0
            flight.popleft()
        self._budget.room += had - count
        if count and self.eof and self.snd_una == self.snd_nxt:
            self.fin_acked = True
        if self.recover >= 0:
            if (self.recover - self.snd_una - 1) & MASK < _HALF:
                self.retransmit()  # the next hole (RFC 6582, 3.2)
            else:
                self.recover = -1

    def _duplicate(self) -> None:
        if not self.snd_wnd:
            # It has no room for what is on its way, but it is there (RFC 9293, 3.8.6.1).
            self.tries = min(self.tries, MAX_TRIES - 1)
            return
        self.duplicates += 1
        if self.duplicates == 3 and self.recover < 0:  # RFC 5681, 3.2
            self.recover = self.snd_nxt
            self.retransmit()

    def retransmit(self) -> None:
        """Send again what the guest waits for first."""
        if not self.established:
            self.say_syn()
        elif self.flight:
            data = memoryview(self.flight[0])[self.offset :]
            self.segment(self.snd_una, self.rcv_nxt, ACK | PSH, self.window(), data)
        elif self.eof and not self.fin_acked:
            self.segment(self.snd_una, self.rcv_nxt, FIN | ACK, self.window())
        else:
            # A probe of the closed window: what the guest has already, so it says what it wants.
            self.segment((self.snd_una - 1) & MASK, self.rcv_nxt, ACK, self.window())

    def on_tick(self) -> bool:
        """Look whether an answer is overdue; False where none is awaited."""
        waits = self.snd_nxt != self.snd_una
        if not (waits or self.blocked):
            self.mark = -1
            return False
        if self.mark != self.snd_una:
            self.mark = self.snd_una
            self.tries, self.wait = 0, 1
            return True
        self.wait -= 1
        if self.wait <= 0:
            most, longest = MAX_TRIES, _LONGEST
            if not self.established:
                most, longest = SYN_TRIES, _SYN_LONGEST
            if self.tries >= most and waits:
                self.reset()
                return False
            self.tries = min(self.tries + 1, most)
            self.wait = min(1 << self.tries, longest)
            if self.flight:
                self.recover = self.snd_nxt
            self.retransmit()
        return True


def reverse(key: bytes) -> bytes:
    """Return addresses and ports with source and destination exchanged."""
    half = (len(key) - 4) // 2
    return key[half : 2 * half] + key[:half] + key[-2:] + key[-4:-2]
