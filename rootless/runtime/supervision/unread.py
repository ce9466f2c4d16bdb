"""A container whose output nobody reads any more ends as any command does in its place.

Where the pipe is closed, the kernel ends whoever writes there by SIGPIPE; but not the first process
of a pid namespace, to which signals mean nothing that it has not asked for (pid_namespaces(7)). Its
writes fail, and a shell's `while :; do echo; done` would go on with them for ever. So the pipe is
kept until somebody writes. If that is the first process it is ended, as if it were no first
process; if it is another, the pipe is closed for the kernel to do the same. Processes that have a
handler for the signal, or ignore it, know what to do.
"""

from __future__ import annotations

import fcntl
import sys
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal


class Unread:
    """A pipe that nobody reads but to see who writes."""

    def __init__(self, pid: int, fd: int) -> None:
        """`pid` is the first process, `fd` our end of the pipe."""
        self._pid = pid
        # In this order: what is not in the pipe now will have been written after the count.
        self._written = -1 if expects(pid, _signal.SIGPIPE) else _written(pid)
        self._old = int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)

    @property
    def is_open(self) -> bool:
        """Whether it is worth while to wait for who writes."""
        return self._written >= 0

    def is_old(self, data: bytes) -> bool:
        """Whether what has come was in the pipe before."""
        self._old -= len(data)
        return self._old >= 0

    def is_by_first(self) -> bool:
        """Whether it is the first process that has written since."""
        return _written(self._pid) > self._written


def _written(pid: int) -> int:
    """Return how many bytes a process has written; -1 where nobody knows (proc(5), io)."""
    try:
        with open(f"/proc/{pid}/io", encoding="utf-8") as file:
            return int(dict(line.split(": ") for line in file)["wchar"])
    except (OSError, KeyError, ValueError):
        return -1  # it has ended, or the kernel does not count


def expects(pid: int, number: int) -> bool:
    """Whether a process ignores a signal, or has a handler for it."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            masks = [line.split()[1] for line in file if line.startswith(("SigIgn:", "SigCgt:"))]
    except OSError:
        return True
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)
