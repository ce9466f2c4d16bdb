"""What somebody who is attached to a process works with: descriptors, a window, signals."""

from __future__ import annotations

import os
import select
import struct

from rootless.errors import UsageError
from rootless.runtime.supervision import streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.containers.running.keys import Keys
    from rootless.linux.loop import Loop


WINDOW = struct.Struct(">HH")
"""Rows and columns, as they go to whoever has the terminal."""


class Ends:
    """The outer side of an attachment, which these descriptors make; -1 for none.

    Without input the process gets none, without output it is thrown away. The descriptors stay the
    caller's, and may be pipes, files, sockets (one for all three, too) or terminals; nothing is
    written to them but output. A front end that has a window, signals or frames of its own makes
    a subclass.
    """

    holds = False
    """Whether the container is ended with this process, however that ends."""

    def __init__(self, stdin: int = -1, stdout: int = -1, stderr: int = -1) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.resized = -1
        """Readable when `size` may have changed; what is read from it is thrown away."""

    def __enter__(self) -> Ends:
        """The process runs, and bytes begin to flow: now a terminal becomes raw."""
        return self

    def __exit__(self, *_: object) -> None:
        """They flow no more."""

    def size(self) -> tuple[int, int] | None:
        """Return (rows, columns) of the window; None without one."""
        return None

    def write(self, stream: int, data: bytes) -> None:
        """Take output, of stream 1 or 2; nothing else happens meanwhile. Raises OSError."""
        fd = self.stdout if stream == streams.STDOUT else self.stderr
        if fd >= 0:
            write_all(fd, data)

    def leave(self) -> None:
        """The user has left it by the keys, and it goes on."""

    def pass_signals(self, send: Callable[[int], object]) -> None:
        """From now on the process may have signals: `send` takes a number.

        A call and no descriptor to read them from, because a signal is to come through while
        `write` waits for a slow reader.
        """


class Feed:
    """What comes in at one side, cut before the keys with which its user leaves."""

    def __init__(
        self, loop: Loop, fd: int, keys: Keys | None, take: Callable[[bytes], None]
    ) -> None:
        """`take` gets what was read, nothing at the end; -1 as `fd` is never read."""
        self._loop = loop
        self._fd = fd
        self._keys = keys
        self._take = take
        self.left = False
        """Whether the keys came."""

    def pause(self, paused: bool) -> None:
        """Stop or go on reading."""
        if self._fd >= 0:
            if paused:
                self._loop.unwatch(self._fd)
            else:
                self._loop.watch(self._fd, select.POLLIN, self._read)

    def stop(self) -> None:
        """Read no more."""
        self.pause(True)
        self._fd = -1

    def _read(self, _events: int) -> None:
        try:
            data = os.read(self._fd, streams.CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: we are in the background, or the terminal is gone
        if not data:
            self.stop()
        wanted = data
        if self._keys is not None:
            wanted, self.left = self._keys.feed(data)
        if wanted or not data:
            self._take(wanted)


def watch_size(loop: Loop, ends: Ends, handler: Callable[[int, int], None]) -> None:
    """Call `handler` with rows and columns, where there is a window: now and when they change."""

    def tell() -> None:
        if (size := ends.size()) is not None:
            handler(*size)

    def changed(_events: int) -> None:
        try:
            if os.read(ends.resized, 4096):
                tell()
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # it has gone with the other side
        loop.unwatch(ends.resized)

    tell()
    if ends.resized >= 0:
        loop.watch(ends.resized, select.POLLIN, changed)


def window(rows: int, columns: int) -> bytes:
    """Return the size of a window as it goes to whoever has the terminal.

    Raises UsageError for one that there is not.
    """
    try:
        return WINDOW.pack(rows, columns)
    except struct.error:
        raise UsageError(
            f"no window has {rows!r:.60} rows and {columns!r:.60} columns", "0 to 65535 of each"
        ) from None


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError, BrokenPipeError among them.

    The descriptor may have been made non-blocking by whoever shares it with us.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
