"""Whether two unpacked layers are the same: kinds, modes, owners, attributes and every byte."""

from __future__ import annotations

import os
import stat

from rootless.oci import jsonio
from rootless.oci.descent import OPEN, WINDOW, Directory
from rootless.oci.digest import CHUNK

RECORD = "layer.json"


class _Level:
    """A directory of both layers, and the names in it that are still to be compared."""

    def __init__(self, one: int, other: int, name: str) -> None:
        """The descriptors belong to it."""
        self.both = (Directory(one), Directory(other))
        self.name = name
        self.names: list[str] = []

    def look(self, left_out: tuple[str, ...] = ()) -> None:
        """Find out what is in it. Raises OSError."""
        names = {name for each in self.both for name in os.listdir(each.fd)}
        self.names = sorted(names.difference(left_out), reverse=True)

    def close(self) -> None:
        for each in self.both:
            each.close()


def difference(one: str, other: str) -> str:
    """Return the first path that is not the same below both directories, "" where all is.

    The entry `boot` at the top is left out (a mark, not content). Times are compared for files
    below the top only: what stands there and directories that a layer does not speak of have that
    of their unpacking. Raises nothing for
    a tree that is not there or cannot be read: that is a difference.
    """
    stack: list[_Level] = []
    name = ""
    try:
        stack.append(_opened(one, other, None, ""))
        stack[0].look(("boot",))
        while stack:
            level = stack[-1]
            if not level.names:
                if len(stack) > 1:
                    for above, below in zip(stack[-2].both, level.both, strict=True):
                        above.resume(below.fd)
                stack.pop().close()
                continue
            name = level.names.pop()
            mine, theirs = (each.fd for each in level.both)
            mode = os.lstat(name, dir_fd=mine).st_mode
            if _differs(name, mode, mine, theirs, top=len(stack) == 1):
                return _path(stack, name)
            if stat.S_ISDIR(mode):
                stack.append(_opened(name, name, level, name))
                stack[-1].look()
                if len(stack) > WINDOW:
                    for each in stack[-1 - WINDOW].both:
                        each.rest()
        return ""
    except OSError:
        return _path(stack, name) if stack else one
    finally:
        for level in stack:
            level.close()


def _differs(name: str, mode: int, mine: int, theirs: int, *, top: bool) -> bool:
    """Whether an entry of that mode differs between two directories, apart from what is in it."""
    if top and name == RECORD:
        return _record(mine) != _record(theirs)
    if _identity(name, mine, top=top) != _identity(name, theirs, top=top):
        return True
    return stat.S_ISREG(mode) and not _same_bytes(name, mine, theirs)


def _record(directory: int) -> object:
    """What layer.json says. Earlier releases did not count set-user-id programs in it."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(RECORD, flags, dir_fd=directory), "rb") as file:
        data = file.read()
    try:
        record = jsonio.loads(data)
    except ValueError:
        return data
    return {"withheld": 0, **record} if isinstance(record, dict) else data


def _opened(one: str, other: str, above: _Level | None, name: str) -> _Level:
    mine, theirs = (each.fd for each in above.both) if above else (None, None)
    first = os.open(one, OPEN, dir_fd=mine)
    try:
        second = os.open(other, OPEN, dir_fd=theirs)
    except OSError:
        os.close(first)
        raise
    return _Level(first, second, name)


def _path(stack: list[_Level], name: str) -> str:
    return "/".join([*(level.name for level in stack), name])


def _identity(name: str, directory: int, *, top: bool) -> object:
    """What has to be equal apart from the content of a file."""
    status = os.lstat(name, dir_fd=directory)
    mode = status.st_mode
    path = f"/proc/self/fd/{directory}/{name}"  # there is no listxattrat(2) before Linux 6.13
    attributes = {
        key: os.getxattr(path, key, follow_symlinks=False)
        for key in os.listxattr(path, follow_symlinks=False)
    }
    what: object = status.st_rdev
    if stat.S_ISLNK(mode):
        what = os.readlink(name, dir_fd=directory)
    elif stat.S_ISREG(mode):
        what = (status.st_size, 0 if top else int(status.st_mtime))
    return (mode, status.st_uid, status.st_gid, what, attributes)


def _same_bytes(name: str, one: int, other: int) -> bool:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    first = os.open(name, flags, dir_fd=one)
    with open(first, "rb") as mine, open(os.open(name, flags, dir_fd=other), "rb") as theirs:
        while True:
            piece = mine.read(CHUNK)
            if piece != theirs.read(CHUNK):
                return False
            if not piece:
                return True
