"""inotify(7): waiting for a file to change without asking again and again."""

from __future__ import annotations

import ctypes
import errno
import os

from rootless.errors import HostError
from rootless.linux.libc import check, libc

IN_MODIFY = 0x2
IN_CLOSE_WRITE = 0x8
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800

_add_watch = libc.inotify_add_watch
_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]


def watch(path: str, mask: int) -> int:
    """Return a descriptor that turns readable when one of `mask` happens to `path`.

    Raises HostError where the user may watch no more, else OSError.
    """
    fd = -1
    try:
        fd = check(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK), "inotify_init1")
        check(_add_watch(fd, os.fsencode(path), mask), "inotify_add_watch", path)
    except OSError as error:
        if fd >= 0:
            os.close(fd)
        if error.errno in (errno.EMFILE, errno.ENOSPC):
            raise HostError(
                f"cannot wait for changes of {path}: your programs watch too many files already",
                "end some, or have fs.inotify.max_user_instances and max_user_watches raised",
            ) from error
        raise
    return fd
