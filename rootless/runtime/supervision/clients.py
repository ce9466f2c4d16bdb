"""The supervisor's side of attached clients: the first, and those that come and go.

The client that started the container in the foreground stands for the command itself: where it
is slow, the container waits, as any command waits for who reads its output. One that came later
only looks on. It never makes the container wait: what it does not take in time it misses, and
is told how much.
"""

from __future__ import annotations

import _socket
import os
import select
import struct
import time

from rootless.runtime.supervision import streams
from rootless.runtime.supervision.relay import BACKLOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypedDict

    from rootless.linux.loop import Loop

    class ClientCharge(TypedDict):
        """An attached client, or one that has not said yet what it wants.

        Bytes are texts here, a character each (Latin-1).
        """

        fd: int
        first: bool
        """Whether the container waits for it."""
        attached: bool
        unsent: str
        """What it has not taken yet."""
        missed: int
        """How many bytes it had no room for, of which it is still to be told."""
        unread: str
        """What it has said and nobody has acted on."""
        passed: list[int]
        """Descriptors that came along with that."""


_PATIENCE = 5
"""Seconds that a later client has at the end to take what is queued for it."""

MAX_PASSED = 250
"""Descriptors in one message: SCM_MAX_FD is 253 (unix(7))."""

_MOST_ASKING = 64
"""Clients that have not said what they want, or wait for it."""

_RIGHTS = _socket.CMSG_SPACE(4 * MAX_PASSED)
_UCRED = struct.Struct("iII")  # struct ucred (unix(7)): pid, uid, gid


class Client:
    """One attached client: frames (see `streams`) to it, frames from it. Owns the descriptor."""

    def __init__(self, loop: Loop, fd: int, *, first: bool) -> None:
        self._loop = loop
        self._sock = _socket.socket(fileno=fd)
        self.first = first
        """Whether the container waits for it."""
        self._reader = streams.Reader()
        self._pending = bytearray()
        self._missed = 0
        self.wish = b""
        """The frame in which it has asked for something that it still waits for."""
        self._paused = False
        self._full = False
        self._leaving = False
        self.passed: list[int] = []
        """Descriptors that came along; whoever takes them empties the list."""
        self.on_frame: Callable[[int, bytes], None] = lambda _kind, _payload: None
        self.on_backlog: Callable[[bool], None] = lambda _full: None
        """Called with whether those who write to the client should pause."""
        self.on_close: Callable[[Client], None] = lambda _client: None
        self._sock.setblocking(False)
        self._watch()

    @property
    def fd(self) -> int:
        """Its descriptor, -1 when it has gone."""
        return self._sock.fileno()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way in either direction."""
        return not self._pending and not self._missed and self._reader.is_empty

    @property
    def is_full(self) -> bool:
        """Whether it is so slow that others wait."""
        return self._full

    @property
    def has_pending(self) -> bool:
        """Whether it has not taken all yet."""
        return bool(self._pending)

    @property
    def charge(self) -> ClientCharge:
        """It as it is, for `take_up` in the next life of this process."""
        return {
            "fd": self.fd,
            "first": self.first,
            "attached": False,
            "unsent": self._pending.decode("latin-1"),
            "missed": self._missed,
            "unread": (self.wish + self._reader.part).decode("latin-1"),
            "passed": list(self.passed),
        }

    def take_up(self, charge: ClientCharge) -> None:
        """Go on where the life before this one had to leave it."""
        self._pending += charge["unsent"].encode("latin-1")
        self._missed = charge["missed"]
        self.passed += charge["passed"]
        if self._pending:
            self._flush()
        if self.fd >= 0:
            self._take(charge["unread"].encode("latin-1"))

    def _watch(self) -> None:
        events = (0 if self._paused else select.POLLIN) | (select.POLLOUT if self._pending else 0)
        self._loop.watch(self._sock.fileno(), events, self._ready)

    def pause(self, paused: bool) -> None:
        """Stop or go on reading from it."""
        if paused != self._paused and self.fd >= 0:
            self._paused = paused
            self._watch()

    def send(self, kind: int, payload: bytes) -> None:
        """Queue a frame. Output that a later client has no room for is counted instead."""
        if self.fd < 0:
            return
        output = kind in (streams.STDOUT, streams.STDERR)
        if output and not self.first and len(self._pending) > BACKLOG:
            self._missed += len(payload)
            return
        self._pending += streams.frame(kind, payload)
        self._flush()

    def leave(self, kind: int, payload: bytes) -> None:
        """Send the last frame and hang up once the client has taken it."""
        self._leaving = True
        if self._missed:
            self._tell_missed()  # no reader looks at what comes after the last
        self.send(kind, payload)

    def _flush(self) -> None:
        try:
            while self._pending:
                del self._pending[: self._sock.send(self._pending)]
                if self._missed and not self._pending:
                    self._tell_missed()
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if self._leaving and not self._pending:
            self.close()
            return
        if self._full != (len(self._pending) > BACKLOG):
            self._full = not self._full
            self.on_backlog(self._full)
        self._watch()

    def _tell_missed(self) -> None:
        text = f"\r\nrootless: {self._missed} bytes left out, this reader was too slow\r\n"
        self._missed = 0
        self._pending += streams.frame(streams.STDERR, text.encode())

    def _ready(self, events: int) -> None:
        if events & select.POLLOUT:
            self._flush()
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR) and self.fd >= 0:
            self._read()

    def _read(self) -> None:
        try:
            data, rights, _, _ = self._sock.recvmsg(
                streams.CHUNK + streams.HEADER, _RIGHTS, _socket.MSG_CMSG_CLOEXEC
            )
            for level, kind, content in rights:
                if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
                    whole = len(content) & ~3
                    self.passed += struct.unpack(f"{whole // 4}i", content[:whole])
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            frames = self._reader.feed(data)
        except ValueError:
            self.close()  # it does not speak this language
            return
        for kind, payload in frames:
            if self.fd >= 0:  # else it was sent away for the one before
                self.on_frame(kind, payload)
        if len(self.passed) > MAX_PASSED:
            self.close()

    def close(self) -> None:
        """Hang up, or notice that it did."""
        if self.fd < 0:
            return
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()
        self._pending.clear()
        self._missed = 0
        for fd in self.passed:
            os.close(fd)
        self.passed.clear()
        if self._full:
            self._full = False
            self.on_backlog(False)
        self.on_close(self)


class Clients:
    """All clients of one container, and the socket through which further ones come."""

    def __init__(self, loop: Loop, listener: int) -> None:
        self._loop = loop
        self._listener = _socket.socket(fileno=listener) if listener >= 0 else None
        self._all: list[Client] = []
        """Those that get the output."""
        self._asking: list[Client] = []
        """Those that have not said yet what they want, or wait for a health check."""
        self.on_input: Callable[[bytes], None] = lambda _data: None
        self.on_resize: Callable[[int, int], None] = lambda _rows, _columns: None
        self.on_backlog: Callable[[bool], None] = lambda _full: None
        """Called with whether the container's output should wait."""
        self.on_lost: Callable[[int], None] = lambda _stream: None
        """Called with a stream that nobody reads any more, who stands for the command."""
        self.on_check: Callable[[Client], None] = lambda client: client.leave(streams.CHECK, b"")
        """Called with a client that wants the health check run."""
        self.on_ports: Callable[[Client, bytes], None] = lambda client, _payload: client.close()
        """Called with a client that wants other ports published, and what it says of them."""
        self.on_networks: Callable[[Client, bytes], None] = lambda client, _payload: client.close()
        """Called with a client that wants the container on other networks."""
        self._paused = False
        if self._listener is not None:
            self._listener.setblocking(False)
            loop.watch(self._listener.fileno(), select.POLLIN, self._accept)

    def add(self, charge: ClientCharge) -> None:
        """Let a client take part, or go on with it. Its descriptors are ours from now on.

        It may ask for something at once: what is done then must be ready.
        """
        client = Client(self._loop, charge["fd"], first=charge["first"])
        client.on_close = self._forget
        if charge["attached"]:
            client.pause(self._paused)
            self._attach(client)
        else:
            self._expect(client)
        client.take_up(charge)

    def _attach(self, client: Client) -> None:
        client.on_frame = self._on_frame
        if client.first:
            client.on_frame = self._on_first_frame
            client.on_backlog = self._pass_backlog
        self._all.append(client)

    def _pass_backlog(self, full: bool) -> None:
        self.on_backlog(full)

    def _accept(self, _events: int) -> None:
        assert self._listener is not None  # noqa: S101 - only watched where it is
        try:
            fd, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return  # it has hung up already, or no descriptor is left for it
        peer = _socket.socket(fileno=fd)
        credentials = peer.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _UCRED.size)
        full = len(self._asking) >= _MOST_ASKING
        if full or _UCRED.unpack(credentials)[1] != os.getuid():
            peer.close()
            return
        client = Client(self._loop, peer.detach(), first=False)
        client.on_close = self._forget
        self._expect(client)

    def _expect(self, client: Client) -> None:
        """Have it say what it wants."""
        client.on_frame = lambda kind, payload: self._on_wish(client, kind, payload)
        self._asking.append(client)

    def _on_wish(self, client: Client, kind: int, payload: bytes) -> None:
        if kind == streams.ATTACH:
            self._asking.remove(client)
            client.send(streams.ATTACH, b"")
            self._attach(client)
            client.pause(self._paused)
        elif kind == streams.CHECK:
            client.on_frame = lambda _kind, _payload: None
            client.wish = streams.frame(kind, payload)
            self.on_check(client)
        elif kind == streams.PORTS:
            client.on_frame = lambda _kind, _payload: None
            client.wish = streams.frame(kind, payload)
            self.on_ports(client, payload)
        elif kind == streams.NETWORKS:
            client.on_frame = lambda _kind, _payload: None
            client.wish = streams.frame(kind, payload)
            self.on_networks(client, payload)
        else:
            client.close()

    def _on_first_frame(self, kind: int, payload: bytes) -> None:
        if kind == streams.LOST:
            for stream in payload:
                self.on_lost(stream)
        else:
            self._on_frame(kind, payload)

    def _on_frame(self, kind: int, payload: bytes) -> None:
        if kind == streams.STDIN:
            self.on_input(payload)
        elif kind == streams.RESIZE and len(payload) == 4:
            self.on_resize(*struct.unpack(">HH", payload))

    def _forget(self, client: Client) -> None:
        for group in (self._all, self._asking):
            if client in group:
                group.remove(client)

    def pause(self, paused: bool) -> None:
        """Stop or go on taking input from them."""
        self._paused = paused
        for client in list(self._all):
            client.pause(paused)

    def send(self, stream: int, data: bytes) -> None:
        """Give all of them a piece of the output."""
        for client in list(self._all):
            client.send(stream, data)

    @property
    def are_idle(self) -> bool:
        """Whether nothing is under way, so that all can pass through execve(2)."""
        return not self._asking and all(client.is_idle for client in self._all)

    @property
    def charges(self) -> list[ClientCharge]:
        """All of them as they are, for `add` in the next life."""
        attached: list[ClientCharge] = [{**one.charge, "attached": True} for one in self._all]
        return attached + [client.charge for client in self._asking]

    def dismiss(self, exit_code: int) -> None:
        """Tell all how the container ended, and wait until they have read all that came before.

        For the first as long as it takes, for the others a moment.
        """
        for client in list(self._all):
            client.leave(streams.EXIT, struct.pack(">i", exit_code))
        waiting = [True]
        timer = self._loop.at(time.monotonic() + _PATIENCE, waiting.clear)
        while any(client.has_pending and (client.first or waiting) for client in self._all):
            self._loop.turn(None)
        self._loop.cancel(timer)

    def close_listener(self) -> None:
        """Take no further clients."""
        if self._listener is not None:
            self._loop.unwatch(self._listener.fileno())
            self._listener.close()
            self._listener = None


def listen(directory: str) -> int:
    """Return a listening socket in the container's directory; -1 where its file system has none.

    Its name may be longer than the 108 bytes that a socket address holds (unix(7)): it is
    reached through the open directory.
    """
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            os.unlink(streams.SOCKET, dir_fd=place)
        except FileNotFoundError:
            pass
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        listener.bind(f"/proc/self/fd/{place}/{streams.SOCKET}")
        listener.listen(64)
        return listener.detach()
    except OSError:
        return -1  # a file system without sockets: attaching is refused, all else works
    finally:
        os.close(place)
