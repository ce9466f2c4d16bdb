"""Directories of a tree by their names in an archive, as descriptors that stay open a while.

The walk never leaves the root and never lets the kernel follow a symlink; see `layers.extract`.
"""

from __future__ import annotations

import errno
import os
import stat

from rootless.oci.errors import Exceeded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LINKS = 40  # as many as the kernel follows, path_resolution(7)
_KEEP = 384  # descriptors; with a walk of 255 steps below the usual limit of 1024
_ALIASES = 1 << 16
_LONGEST = 4095


class Place:
    """An open directory; `path` is canonical and ends in a slash, or is empty for the root."""

    __slots__ = ("depth", "fd", "path")

    def __init__(self, fd: int, path: bytes, depth: int) -> None:
        self.fd = fd
        """-1 once it was closed to make room."""
        self.path = path
        self.depth = depth


class Places:
    """The directories below the descriptor `root`, which stays the caller's.

    `over_whiteout(place, name)` must make a directory where there is a whiteout.
    """

    def __init__(
        self, root: int, over_whiteout: Callable[[Place, bytes], None], *, depth: int = 255
    ) -> None:
        self.root = Place(root, b"", 0)
        self._over_whiteout = over_whiteout
        self._depth = depth
        self._aliases: dict[bytes, Place] = {}
        """By name as archives spell it: one lookup for most entries."""
        self._open: dict[bytes, Place] = {}
        """By canonical path, oldest first."""

    def find(self, name: bytes) -> Place:
        """The directory `name`, made with its parents where it is missing.

        The place stays open until the next `find`. Raises OSError, or ValueError for a name that
        is refused.
        """
        place = self._aliases.get(name)
        if place is not None and place.fd >= 0:
            return place
        self._trim()
        place = self._walk(name, create=True)
        self._aliases[name] = place
        return place

    def look(self, name: bytes) -> Place:
        """As `find`, but nothing is made, and what `find` returned last stays open too."""
        return self._walk(name, create=False)

    def forget(self, path: bytes) -> None:
        """Drop what is known of the canonical `path` and below: it is no directory any more."""
        self._aliases.clear()
        below = path + b"/"
        for key in [key for key in self._open if key.startswith(below)]:
            self._drop(key)

    def close(self) -> None:
        """Close all descriptors but the root's."""
        self._aliases.clear()
        for key in list(self._open):
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        place = self._open.pop(key)
        os.close(place.fd)
        place.fd = -1

    def _trim(self) -> None:
        if len(self._open) > _KEEP:
            for key in list(self._open)[: _KEEP // 2]:
                self._drop(key)
        if len(self._aliases) > _ALIASES:
            self._aliases.clear()

    def _walk(self, name: bytes, *, create: bool) -> Place:
        todo = name.split(b"/")
        if b".." in todo:
            todo = steps(name)
        todo.reverse()
        place = self.root
        links = 0
        while todo:
            step = todo.pop()
            if step in (b"", b"."):
                continue
            if step == b"..":  # out of a symlink: one up from where it led, at most to the root
                todo += reversed(place.path.split(b"/")[:-2])
                place = self.root
                continue
            known = self._open.get(place.path + step + b"/")
            following = known or self._step(place, step, create=create)
            if isinstance(following, Place):
                place = following
                continue
            links += 1
            if links > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if following.startswith(b"/"):
                place = self.root
            todo += reversed(following.split(b"/"))
        return place

    def _step(self, place: Place, name: bytes, *, create: bool) -> Place | bytes:
        """The directory `name` in `place`, or where the symlink of that name points."""
        path = place.path + name + b"/"
        if len(path) > _LONGEST:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        if place.depth >= self._depth:
            raise Exceeded("depth", f"it lies deeper than {self._depth} directories")
        try:
            fd = os.open(name, _OPEN, dir_fd=place.fd)
        except FileNotFoundError:
            if not create:
                raise
            os.mkdir(name, 0o755, dir_fd=place.fd)
            fd = os.open(name, _OPEN, dir_fd=place.fd)
        except OSError as error:
            # O_DIRECTORY speaks of a symlink as ENOTDIR, O_NOFOLLOW alone as ELOOP: open(2)
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            status = os.lstat(name, dir_fd=place.fd)
            if stat.S_ISLNK(status.st_mode):
                return os.readlink(name, dir_fd=place.fd)
            if not create or not is_whiteout(status):
                raise
            self._over_whiteout(place, name)
            fd = os.open(name, _OPEN, dir_fd=place.fd)
        found = self._open[path] = Place(fd, path, place.depth + 1)
        return found


def is_whiteout(status: os.stat_result) -> bool:
    """Whether this is overlayfs's mark for "deleted": the character device 0:0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def split(name: bytes) -> tuple[bytes, bytes]:
    """Return parent and base of a name that ends in `.`, `..` or a slash; both empty: the root.

    Raises ValueError as `steps`.
    """
    parts = steps(name)
    return (b"/".join(parts[:-1]), parts[-1]) if parts else (b"", b"")


def steps(name: bytes) -> list[bytes]:
    """Return a name in an archive as steps from the root, without `.` and `..`.

    As docker and podman read it: each `..` takes the step before it away, whatever that is, and
    above an absolute name's root there is nothing. Raises ValueError for one that leads out.
    """
    found: list[bytes] = []
    for step in name.split(b"/"):
        if step not in (b"", b".", b".."):
            found.append(step)
        elif step == b".." and found:
            found.pop()
        elif step == b".." and name[:1] != b"/":
            raise ValueError("its name leads out of the layer: it has '..' in it")
    return found
