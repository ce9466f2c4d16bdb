"""Two names that change places at once: renameat2(2)."""

from __future__ import annotations

import ctypes
import errno
import os

from rootless.linux.libc import check, libc

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def exchange(first: str, second: str) -> None:
    """Let two paths of one file system change places. Raises OSError, EINVAL where it cannot."""
    try:
        call = libc.renameat2
    except AttributeError:  # musl before 1.2.4
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), first) from None
    paths = [ctypes.c_char_p(os.fsencode(path)) for path in (first, second)]
    here = ctypes.c_int(_AT_FDCWD)
    result = call(here, paths[0], here, paths[1], ctypes.c_uint(_RENAME_EXCHANGE))
    check(result, "renameat2", first)
