"""The C library by ctypes, and the one place where errno becomes an exception."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# PyDLL keeps the interpreter lock: the calls below never block for long, and a call that
# releases it pays for taking it back.
libc = ctypes.PyDLL(None, use_errno=True)

_syscall = libc.syscall
_syscall.restype = ctypes.c_long


def fail(call: str, subject: str = "") -> NoReturn:
    """Raise OSError for the errno that the last foreign call left, naming call and subject."""
    number = ctypes.get_errno()
    raise OSError(number, f"{call}: {os.strerror(number)}", subject or None)


def check(result: int, call: str, subject: str = "") -> int:
    """Return `result` of a system call, or raise OSError where it is negative."""
    if result < 0:
        fail(call, subject)
    return result


def syscall(number: int, *arguments: object) -> int:
    """syscall(2): integers must be given as ctypes values where they do not fit an int.

    Returns the kernel's answer, -1 on error with errno kept for `check`.
    """
    return int(_syscall(ctypes.c_long(number), *arguments))
