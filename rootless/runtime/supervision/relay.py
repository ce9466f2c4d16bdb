"""Moving bytes without blocking: a container's output and input."""

from __future__ import annotations

import fcntl
import os
import select
import time

from rootless.runtime.supervision import streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.linux.loop import Loop

BACKLOG = 1 << 20
"""Bytes waiting for a slow reader before their source is no longer read."""

_WIDE = 1 << 18
"""Bytes of the pipe of a container that writes a lot."""


class Output:
    """What the container writes: pipes or the master side of its terminal."""

    def __init__(self, loop: Loop, sink: Callable[[int, bytes], None]) -> None:
        self._loop = loop
        self._sink = sink
        self.sources: dict[int, int] = {}
        """Descriptor -> stream (1 or 2) of what is still open."""
        self._chunk = streams.CHUNK

    def add(self, fd: int, stream: int) -> None:
        """Read from `fd`, which is ours from now on."""
        os.set_blocking(fd, False)
        self.sources[fd] = stream
        self._watch(fd)

    def _watch(self, fd: int) -> None:
        self._loop.watch(fd, select.POLLIN, lambda _events: self._read(fd))

    def of(self, stream: int) -> list[int]:
        """Return the descriptors that are still open for a stream."""
        return [fd for fd, one in self.sources.items() if one == stream]

    def drop(self, stream: int) -> None:
        """Close what is read for a stream: who writes there learns that nobody reads it."""
        for fd in self.of(stream):
            self._loop.unwatch(fd)
            del self.sources[fd]
            os.close(fd)

    def pause(self, paused: bool) -> None:
        """Stop or go on reading."""
        for fd in self.sources:
            # Not watched at all: a mask without events would still report the end, for ever.
            if paused:
                self._loop.unwatch(fd)
            else:
                self._watch(fd)

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, self._chunk)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: the last process closed the terminal (pty(7))
        if len(data) == streams.CHUNK == self._chunk:
            self._widen()
        if data:
            self._sink(self.sources[fd], data)
            return
        self._loop.unwatch(fd)
        del self.sources[fd]
        os.close(fd)

    def _widen(self) -> None:
        """Take larger pieces from a container that fills its pipe.

        Only then: what the pipes of a user hold in all is limited (pipe-user-pages-soft, pipe(7)).
        """
        self._chunk = _WIDE
        for fd in self.sources:
            try:
                fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _WIDE)
            except OSError:
                pass  # a terminal, or the limit is reached


_END_REPEATED = 10
"""How often the end of input is said again to a terminal: about a minute in all."""


class Input:
    """The container's standard input: what was sent and it has not taken yet.

    A terminal has no end of input. What its user would type is written instead (termios(3), VEOF),
    and again a few times: a shell that has just begun to edit its line loses what came before.
    """

    def __init__(self, loop: Loop, fd: int, *, is_terminal: bool) -> None:
        self._loop = loop
        self.fd = fd
        """-1 where it takes nothing (more)."""
        self._is_terminal = is_terminal
        self._data = bytearray()
        self._ends = False
        self._repeats = 0
        self._last = b""
        self.on_backlog: Callable[[bool], None] = lambda _full: None
        """Called with whether the senders should pause."""
        if fd >= 0:
            os.set_blocking(fd, False)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits."""
        return not self._data and not self._repeats

    @property
    def waiting(self) -> bytes:
        """What waits."""
        return bytes(self._data)

    @property
    def ends(self) -> bool:
        """Whether the container has no more to expect after that."""
        return self._ends

    def write(self, data: bytes) -> None:
        """Queue `data`; nothing means that no more comes."""
        if self.fd < 0:
            return
        if not data:
            self._ends = True
            if self._is_terminal:
                self._repeats = _END_REPEATED
                # The first after a part of a line only ends that line.
                self._type_end(1 if self._last in (b"", b"\n", b"\r") else 2)
                return
        self._last = data[-1:]
        self._data += data
        self._flush(0)

    def _type_end(self, times: int) -> None:
        """Write what a user types for the end of input, and come back to it."""
        import termios

        if self.fd < 0 or not self._repeats:
            self._repeats, self._ends = 0, False
            return
        try:
            self._data += termios.tcgetattr(self.fd)[6][termios.VEOF] * times
        except termios.error:
            pass  # EIO: nobody has it open any more
        self._repeats -= 1
        pause = 0.1 * 1.7 ** (_END_REPEATED - self._repeats)
        self._loop.at(time.monotonic() + pause, lambda: self._type_end(1))
        self._flush(0)

    def _flush(self, _events: int) -> None:
        try:
            while self._data:
                del self._data[: os.write(self.fd, self._data[: streams.CHUNK])]
        except BlockingIOError:
            pass
        except OSError:
            self._data.clear()  # EPIPE, EIO: the container closed its end
            self._ends = True
        self.on_backlog(len(self._data) > BACKLOG)
        if self._data:
            self._loop.watch(self.fd, select.POLLOUT, self._flush)
            return
        self._loop.unwatch(self.fd)
        # The master side of a terminal has no end of input to hand on, and is still read.
        if self._ends and not self._is_terminal:
            self.close()

    def close(self) -> None:
        """Let go of the container's input, whatever still waits for it."""
        if self.fd >= 0:
            self._loop.unwatch(self.fd)
            os.close(self.fd)
            self.fd = -1
        self._data.clear()
