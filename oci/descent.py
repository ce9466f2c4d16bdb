"""Walks down trees of directories, however deep, with few descriptors and without recursion.

A container may make directories in each other by the ten thousand: more than a process may have
open files, more than Python may recurse, and further down than a path may name (PATH_MAX). So a
walk goes by descriptors, keeps the directories that it is in on a stack, and closes all but the
last `WINDOW`. On its way back it opens them again, as ".." of the directory below.

Whoever moves directories meanwhile could lead such a walk out of its tree. So what is opened again
must be the directory that was closed, by device and inode. These stay its own: the kernel keeps
the directories above an open one, on file systems that make up numbers, too.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

WINDOW = 64
"""Directories on the way that stay open; hardly a tree that was made in earnest is deeper."""

_SHOWN = 200
"""Characters of a path that messages get."""


class Directory:
    """An open directory on the way, which may rest: be closed until the walk comes back to it."""

    __slots__ = ("_identity", "fd")

    def __init__(self, fd: int) -> None:
        """`fd` belongs to it."""
        self.fd = fd
        """-1 while it rests."""
        self._identity = (0, 0)

    def rest(self) -> None:
        """Close it for now, unless that is done."""
        if self.fd >= 0:
            status = os.fstat(self.fd)
            self._identity = (status.st_dev, status.st_ino)
            self.close()

    def resume(self, below: int) -> None:
        """Open it again from `below`, a directory in it. Raises OSError where that has moved."""
        if self.fd >= 0:
            return
        fd = os.open("..", OPEN, dir_fd=below)
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) != self._identity:
            os.close(fd)
            raise OSError(errno.ESTALE, "a directory was moved while it was looked through")
        self.fd = fd

    def close(self) -> None:
        """Close it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class _Level(Directory):
    """A directory on the way, its name, and the names of those in it that are still to come."""

    __slots__ = ("below", "name")

    def __init__(self, name: str, fd: int) -> None:
        super().__init__(fd)
        self.name = name
        self.below: list[str] = []


class Walk:
    """Each directory of a tree, those above first: its descriptor, and all that is in it.

    The descriptor stays the walk's. What disappears meanwhile is left out, and with `lenient` what
    may not be read as well; else OSError is raised, as for directories that are moved meanwhile.
    """

    def __init__(self, top: int, *, lenient: bool = False) -> None:
        """Walk below the descriptor `top`, which belongs to the walk."""
        self._stack = [_Level("", top)]
        self._lenient = lenient

    def path(self) -> str:
        """Where the walk is, below its top: for messages, so not endless."""
        text = "/".join(level.name for level in self._stack[1 : _SHOWN + 1])
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"

    def __iter__(self) -> Iterator[tuple[int, list[os.DirEntry[str]]]]:
        stack = self._stack
        try:
            yield stack[0].fd, self._read(stack[0])
            while stack:
                level = stack[-1]
                if level.below:
                    if self._enter(level.below.pop()):
                        yield stack[-1].fd, self._read(stack[-1])
                    continue
                if len(stack) > 1:
                    stack[-2].resume(level.fd)
                stack.pop().close()
        finally:
            for level in stack:
                level.close()

    def _enter(self, name: str) -> bool:
        stack = self._stack
        try:
            fd = os.open(name, OPEN, dir_fd=stack[-1].fd)
        except FileNotFoundError:
            return False
        except OSError as error:
            # O_DIRECTORY and O_NOFOLLOW where something else has taken the place: open(2)
            if self._lenient or error.errno in (errno.ENOTDIR, errno.ELOOP):
                return False
            raise
        stack.append(_Level(name, fd))
        if len(stack) > WINDOW:
            stack[-1 - WINDOW].rest()
        return True

    def _read(self, level: _Level) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(level.fd) as entries:
                found = list(entries)
        except OSError:
            if self._lenient:
                return []
            raise
        level.below = [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
        return found
