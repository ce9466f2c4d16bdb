"""Trees that files are taken from: a context on this machine, or layers (`layered`).

Both are asked by paths without a slash before them; a path is walked step by step and no link is
followed (`resolve` follows them, inside the tree). What is found is a `Node`: what it is, whose,
and how it is opened.
"""

from __future__ import annotations

import errno
import os
import stat

from rootless.build.files.ignore import HIDDEN, VEILED, VISIBLE
from rootless.oci.descent import OPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from rootless.build.files.ignore import Ignore
    from rootless.oci.layers.owners import Truth

    class Tree(Protocol):
        """Files by their paths."""

        def look(self, path: str) -> Node | None:
            """What is there; None for nothing. The root is the empty path."""

        def names(self, path: str) -> list[str]:
            """The names in a directory, sorted as bytes. Raises OSError."""

        def open(self, node: Node) -> int:
            """Open a file or directory for reading. Raises OSError."""


_LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Node:
    """What is at a path of a tree."""

    __slots__ = ("content", "gid", "link", "mode", "path", "status", "truth", "uid", "veiled")

    def __init__(self, path: str, status: os.stat_result, link: str = "") -> None:
        self.path = path
        self.status = status
        self.mode = stat.S_IMODE(status.st_mode)
        self.uid = self.gid = 0
        """In the ids of the image."""
        self.link = link
        """Where a symbolic link points."""
        self.veiled = False
        """Whether it is a directory that is there for what is in it alone."""
        self.truth: Truth | None = None
        """What the disk could not be given (layers.owners)."""
        self.content: bytes | None = None
        """What is in it, of a file that lies on no disk."""

    @property
    def kind(self) -> int:
        """S_IFREG, S_IFDIR, ..."""
        return stat.S_IFMT(self.status.st_mode)

    @property
    def is_directory(self) -> bool:
        """Whether it is one, and no link to one."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.status.st_mode)


class DirectoryTree:
    """A directory of this machine, without what an ignore file hides; its files are root's."""

    def __init__(self, top: str, ignore: Ignore | None = None) -> None:
        self.top = top
        self._root = os.open(top, OPEN)
        self._ignore = ignore
        self._last = ("", self._root)

    def close(self) -> None:
        """Close what is open."""
        if self._last[1] != self._root:
            os.close(self._last[1])
        os.close(self._root)

    def look(self, path: str) -> Node | None:
        """See Tree.look."""
        if not path:
            return Node("", os.fstat(self._root))
        hidden = VISIBLE if self._ignore is None else self._ignore.look(path)
        if hidden == HIDDEN:
            return None
        above, _, name = path.rpartition("/")
        try:
            parent = self._directory(above)
            status = os.lstat(name, dir_fd=parent)
            link = os.readlink(name, dir_fd=parent) if stat.S_ISLNK(status.st_mode) else ""
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise OSError(error.errno, error.strerror, path) from error
        node = Node(path, status, link)
        node.veiled = hidden == VEILED
        return None if node.veiled and not node.is_directory else node

    def names(self, path: str) -> list[str]:
        """See Tree.names."""
        return sorted(os.listdir(self._directory(path)), key=os.fsencode)

    def open(self, node: Node) -> int:
        """See Tree.open. Raises FileNotFoundError where another file is there by now."""
        above, _, name = node.path.rpartition("/")
        try:
            fd = os.open(name or ".", READ, dir_fd=self._directory(above))
        except (FileNotFoundError, NotADirectoryError):
            reason = "it went away while the context was read"
            raise FileNotFoundError(errno.ENOENT, reason, node.path) from None
        except PermissionError as error:
            reason = f"{error.strerror} (an ignore file can leave it out)"
            raise PermissionError(error.errno, reason, node.path) from None
        if not _is_same(os.fstat(fd), node.status):
            os.close(fd)
            raise FileNotFoundError(errno.ESTALE, "it was replaced while it was read", node.path)
        return fd

    def _directory(self, path: str) -> int:
        """Return a descriptor of a directory, which stays ours. Raises OSError."""
        if not path:
            return self._root
        if self._last[0] == path:
            return self._last[1]
        steps, start = path, self._root
        if self._last[0] and path.startswith(f"{self._last[0]}/"):
            steps, start = path[len(self._last[0]) + 1 :], self._last[1]
        fd = start
        for step in steps.split("/"):
            below = os.open(step, OPEN, dir_fd=fd)
            if fd != start:
                os.close(fd)
            fd = below
        if self._last[1] != self._root:
            os.close(self._last[1])
        self._last = (path, fd)
        return fd


def _is_same(now: os.stat_result, then: os.stat_result) -> bool:
    return (now.st_dev, now.st_ino, stat.S_IFMT(now.st_mode)) == (
        then.st_dev,
        then.st_ino,
        stat.S_IFMT(then.st_mode),
    )


def walk(tree: Tree, top: Node) -> Iterator[Node]:
    """Yield all that is below a directory, those above first, names in order. Raises OSError."""
    waiting = [iter(tree.names(top.path))]
    ways = [top.path]
    veiled: list[Node] = []
    while waiting:
        name = next(waiting[-1], None)
        if name is None:
            waiting.pop()
            ways.pop()
            continue
        path = f"{ways[-1]}/{name}" if ways[-1] else name
        node = tree.look(path)
        if node is None:
            continue  # hidden, or gone meanwhile
        if node.veiled:
            veiled.append(node)
        else:
            # Those above it are there after all, for its sake.
            yield from (one for one in veiled if path.startswith(f"{one.path}/"))
            veiled.clear()
            yield node
        if node.is_directory:
            waiting.append(iter(tree.names(path)))
            ways.append(path)


def resolve(tree: Tree, path: str) -> str:
    """Return a path of the tree without links, as if the tree were the root of all files.

    What is not there is taken as it is written. Raises OSError (ELOOP) for too many links.
    """
    todo = [step for step in reversed(path.split("/")) if step not in ("", ".")]
    way: list[str] = []
    links = 0
    while todo:
        step = todo.pop()
        if step == "..":
            del way[-1:]
            continue
        node = tree.look("/".join([*way, step]))
        if node is None or not node.is_link:
            way.append(step)
            continue
        links += 1
        if links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if node.link.startswith("/"):
            way = []
        todo += [part for part in reversed(node.link.split("/")) if part not in ("", ".")]
    return "/".join(way)
