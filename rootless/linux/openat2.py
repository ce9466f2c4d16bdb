"""Opening a path that somebody hostile may have shaped: openat2(2), Linux 5.6.

Older kernels do not have it, and outer containers' seccomp filters may refuse it. Then the path
is walked here, step by step with O_NOFOLLOW, to the same effect.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

from rootless.linux.libc import check, libc, syscall

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

AT_FDCWD = -100

_SYS_OPENAT2 = 437
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_MISSING = (errno.ENOSYS, errno.EPERM)
_LINKS = 40  # as many as the kernel follows (path_resolution(7))
_PROC_SUPER_MAGIC = 0x9FA0
_PROC_ROOT_INO = 1


class _OpenHow(ctypes.Structure):
    """struct open_how."""

    _fields_ = [
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    ]


def openat2(directory: int, path: str, flags: int, *, resolve: int, mode: int = 0) -> int:
    """Open `path` relative to the descriptor `directory`; the new descriptor is close-on-exec.

    Where the kernel's call is not to be had, RESOLVE_NO_MAGICLINKS is always in force, and nothing
    is created.
    """
    try:
        return _openat2(directory, path, flags, resolve, mode)
    except OSError as error:
        if error.errno not in _MISSING or resolve & ~(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS):
            raise
    return _Walk(directory, contained=bool(resolve & RESOLVE_IN_ROOT)).open(path, flags)


def _openat2(directory: int, path: str, flags: int, resolve: int, mode: int) -> int:
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    while True:
        result = syscall(
            _SYS_OPENAT2,
            ctypes.c_int(directory),
            ctypes.c_char_p(os.fsencode(path)),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        # A rename raced with a ".." step; the man page says to try again.
        if result >= 0 or ctypes.get_errno() != errno.EAGAIN:
            return check(result, "openat2", path)


def has_openat2() -> bool:
    """Whether the kernel's own call is to be had."""
    try:
        os.close(_openat2(AT_FDCWD, "/", os.O_PATH, RESOLVE_NO_SYMLINKS, 0))
    except OSError:
        return False
    return True


def open_in_root(root: int, path: str, flags: int = os.O_PATH) -> int:
    """Open `path` as a process whose root directory is `root` would: links cannot leave it.

    The links of /proc that lead straight to open files are refused with ELOOP.
    """
    resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
    return openat2(root, path.lstrip("/") or ".", flags, resolve=resolve)


class _Walk:
    """The steps of a path, one by one, without the kernel's help.

    The descriptors of all directories on the way are kept, and `..` goes back to the one before:
    what somebody renames meanwhile cannot lead out of the root.
    """

    def __init__(self, start: int, *, contained: bool) -> None:
        self._start = start
        self._contained = contained
        """Whether `start` is the root of the walk, as for RESOLVE_IN_ROOT."""
        self._way: list[int] = []

    def open(self, path: str, flags: int) -> int:
        """Open the path. Raises OSError."""
        self._begin(path)
        try:
            return self._open(_steps(path), flags | _directory(path) | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise OSError(error.errno, error.strerror, path) from None
        finally:
            self._leave()

    def _open(self, todo: list[str], flags: int) -> int:
        links = 0
        while todo:
            name = todo.pop()
            if name == "..":
                self._go_up()
                continue
            link = _link(self._way[-1], name)
            if link is not None:
                links += 1
                if links > _LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if link.startswith("/"):
                    self._leave()
                    self._begin(link)
                if not todo:
                    flags |= _directory(link)
                todo += _steps(link)
            elif todo:
                self._way.append(os.open(name, _STEP, dir_fd=self._way[-1]))
            else:
                return os.open(name, flags, dir_fd=self._way[-1])
        return os.open(".", flags, dir_fd=self._way[-1])

    def _begin(self, path: str) -> None:
        if not path.startswith("/") or self._contained:
            start = None if self._start == AT_FDCWD else self._start
            self._way.append(os.open(".", _STEP, dir_fd=start))
        else:
            self._way.append(os.open("/", _STEP))

    def _go_up(self) -> None:
        if len(self._way) > 1:
            os.close(self._way.pop())
        elif not self._contained:
            self._way.insert(0, os.open("..", _STEP, dir_fd=self._way[0]))
            os.close(self._way.pop())

    def _leave(self) -> None:
        while self._way:
            os.close(self._way.pop())


def _steps(path: str) -> list[str]:
    """The names in `path`, last first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _directory(path: str) -> int:
    """O_DIRECTORY where the end of `path` asks for one (path_resolution(7))."""
    return os.O_DIRECTORY if path.rpartition("/")[2] in ("", ".") else 0


def _link(directory: int, name: str) -> str | None:
    """Return where the link `name` points, None for what is no link.

    Raises OSError (ELOOP) for a magic link. Of all links in procfs only those in its root
    directory (self, mounts, net, ...) are plain.
    """
    if not stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        return None
    if _is_proc(directory) and os.fstat(directory).st_ino != _PROC_ROOT_INO:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return os.readlink(name, dir_fd=directory)


def _is_proc(fd: int) -> bool:
    """Whether `fd` lies in procfs; struct statfs begins with f_type (statfs(2))."""
    buffer = (ctypes.c_long * 64)()
    check(libc.fstatfs(ctypes.c_int(fd), buffer), "fstatfs")
    return buffer[0] == _PROC_SUPER_MAGIC
