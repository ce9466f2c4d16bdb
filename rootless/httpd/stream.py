"""The bytes of a connection: heads that are bounded in size and time, and a floor of speed.

Of http.server only the idea is left. Its heads may be megabytes long, its time limit is for each
read, so that a byte a minute holds a thread for days, and it knows no chunked bodies, which docker
and skopeo send.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import time

from rootless.httpd.errors import Gone, Refusal, bad_request

MAX_HEAD = 16 << 10
MAX_LINE = 256
"""Bytes of the line before a chunk, and of each trailer after the last."""

HEAD_TIME = 15.0
"""Seconds for a whole head, once its first byte is there."""

IDLE_TIME = 60.0
"""Seconds that a connection may be silent: between requests, and in the middle of one."""

SLOWEST = 1 << 10
"""Bytes a second below which a body is given up, judged over IDLE_TIME."""

PIECE = 256 << 10
"""Bytes that are received, or sent of what streams, at once."""

MAX_SENT = 4 << 20
"""Bytes of a file that are sent between two looks at the pace."""

MAX_DRAINED = 8 << 20
"""Bytes of an unwanted body that are read so that the answer arrives; longer ones end it."""


class Stream:
    """The bytes of a connection, with a buffer for what was read too far."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._buffer = bytearray()
        self._pace: Pace | None = None
        """That of a body which is read."""

    def _fill(self) -> None:
        begun = time.monotonic()
        try:
            data = self.socket.recv(PIECE)
        except OSError as error:  # TimeoutError and ssl.SSLError are some
            raise Gone from error
        if not data:
            raise Gone
        self._buffer += data
        if self._pace is not None:
            self._pace.judge(len(data), time.monotonic() - begun)

    def rest(self) -> bytes:
        """What was read too far, which is the caller's from here on."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def begin_body(self) -> None:
        """From here on the client is to keep to a pace."""
        self._pace = Pace()

    def allow(self, patience: float | None) -> None:
        """From here on the client may be silent for so many seconds; None: and as slow as it is."""
        self.socket.settimeout(patience)
        if patience is None:
            self._pace = None

    def read(self, size: int) -> bytes:
        """At least one and at most `size` bytes. Raises Gone at the end."""
        if not self._buffer:
            self._fill()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def line(self) -> bytes:
        """A line without its end. Raises Refusal for one above MAX_LINE, or that others would read
        as two."""
        while (end := self._buffer.find(b"\r\n", 0, MAX_LINE)) < 0:
            if len(self._buffer) >= MAX_LINE:
                raise bad_request("a line of a chunked body is too long")
            self._fill()
        line = bytes(self._buffer[:end])
        if any(c < 32 and c != 9 for c in line):
            raise bad_request("a line of a chunked body with control characters")
        del self._buffer[: end + 2]
        return line

    def wait(self) -> None:
        """Wait for the first byte of a request. Raises Gone."""
        self._pace = None
        if not self._buffer:
            self.socket.settimeout(IDLE_TIME)
            self._fill()

    def head(self) -> bytes:
        """The head of a request, without the empty line. Raises Gone, Refusal for a long one."""
        deadline = time.monotonic() + HEAD_TIME
        if self._buffer and not self._buffer[:1].isalpha():
            # Clients try TLS first, and go on without it only when they are answered.
            raise bad_request("this is no HTTP: TLS is not spoken here")
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise Refusal(431, "the head of the request is too long")
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            self._fill()
        if end > MAX_HEAD:
            raise Refusal(431, "the head of the request is too long")
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        self.socket.settimeout(IDLE_TIME)
        return head

    def send(self, *pieces: bytes) -> None:
        """Send all. Raises Gone.

        The time limit is for each part: sendall has one for the whole, however much that is.
        """
        data = memoryview(b"".join(pieces))
        try:
            for start in range(0, len(data), PIECE):
                self.socket.sendall(data[start : start + PIECE])
        except OSError as error:
            raise Gone from error

    def watch(self, fds: tuple[int, ...], timeout: float | None) -> list[int]:
        """Wait until one of `fds` can be read; those that can, none after `timeout` seconds.

        Raises Gone when the client closes the connection. Over TCP one that only ends its sending
        looks the same, and counts as gone; on a unix socket the kernel tells them apart.
        """
        poll = select.poll()
        for fd in fds:
            poll.register(fd, select.POLLIN)
        ours = self.socket.fileno()
        # The end and errors are always told (poll(2)).
        poll.register(ours, 0 if self.socket.family == socket.AF_UNIX else select.POLLRDHUP)
        ready = [fd for fd, _ in poll.poll(None if timeout is None else timeout * 1000)]
        if ours in ready:
            raise Gone
        return ready

    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file: by sendfile(2), or piece by piece through TLS. Raises Gone."""
        pace = Pace()
        some = self._send_copied if isinstance(self.socket, ssl.SSLSocket) else self._send_some
        while count:
            begun = time.monotonic()
            try:
                sent = some(fd, offset, count)
            except BlockingIOError:
                sent = 0  # somebody else has filled the buffer; there is room again soon
            except OSError as error:
                raise Gone from error
            pace.judge(sent, time.monotonic() - begun)
            offset, count = offset + sent, count - sent

    def _send_some(self, fd: int, offset: int, count: int) -> int:
        """Send what there is room for; the bytes. Raises Gone for a client that takes none."""
        room = select.poll()
        room.register(self.socket, select.POLLOUT)
        if not room.poll(IDLE_TIME * 1000):
            raise Gone
        sent = os.sendfile(self.socket.fileno(), fd, offset, min(count, MAX_SENT))
        if not sent:
            raise Gone  # the file was cut short
        return sent

    def _send_copied(self, fd: int, offset: int, count: int) -> int:
        data = os.pread(fd, min(count, PIECE), offset)
        if not data:
            raise Gone
        self.socket.sendall(data)
        return len(data)

    def linger(self) -> None:
        """Close so that the last answer arrives, though the client may still be sending.

        Closing with unread bytes would reset the connection and destroy the answer on its way.
        """
        deadline = time.monotonic() + 2
        left = MAX_DRAINED
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            while left > 0 and (rest := deadline - time.monotonic()) > 0:
                self.socket.settimeout(rest)
                data = self.socket.recv(PIECE)
                if not data:
                    break
                left -= len(data)


class Pace:
    """How fast a client sends or takes a body: one that holds a connection by a byte now and then
    is given up. What a service does between two reads is not the client's time."""

    def __init__(self) -> None:
        self._waited, self._seen = 0.0, 0

    def judge(self, count: int, seconds: float) -> None:
        """Count bytes that were waited for so long. Raises Gone for too few in too long a time."""
        self._waited += seconds
        self._seen += count
        if self._waited < IDLE_TIME:
            return
        if self._seen < SLOWEST * self._waited:
            raise Gone
        self._waited, self._seen = 0.0, 0
