"""The container's file system while it is built: its root, its mount points, and whose they are."""

from __future__ import annotations

import errno
import os

from rootless.errors import LaunchError
from rootless.linux.openat2 import open_in_root
from rootless.runtime.tree.binding import check_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.userns.shift import Owners


class NoMountPoint(LaunchError):
    """What is to be mounted on is not there and cannot be made."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(
            f"cannot make the mount point {path}: {error.strerror}",
            "choose a place that is there, or below a directory that can be written, like /mnt",
            errno=error.errno or 0,
        )


class Tree:
    """The container's file system while it is built."""

    def __init__(self, mode: str, owners: Owners | None = None) -> None:
        self.mode = mode
        """The identity mode; in "single" only uid 0 exists."""
        self.owners = owners
        """Whose it is, where its root is another than that of the user namespace."""
        self.path = ""
        """Where the root is mounted, seen from the host."""
        self.root = -1
        """Descriptor of the root."""
        self.degraded: list[str] = []
        """What was refused and what was done instead, in words."""
        self.link = -1
        """Our end of the private network, which the supervisor gets."""

    def enter(self, path: str) -> None:
        """Make the mount at `path` the root of the tree."""
        self.path = path
        self.root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def give(self, name: str, directory: int | None = None) -> None:
        """Give what we have made to root of the container; no link is followed."""
        if self.owners is not None:
            os.chown(name, *self.owners.root, dir_fd=directory, follow_symlinks=False)

    def in_parent(self, data: str, default: str = "") -> str:
        """Return mount options with uid= and gid=, which are the container's, as those of U.

        `default` are options that hold where `data` says nothing else.
        """
        if self.owners is None:
            return data
        ids = {"uid": self.owners.uid, "gid": self.owners.gid}
        words = dict(word.partition("=")[::2] for word in f"{default},{data}".split(",") if word)
        for key in words.keys() & ids:
            words[key] = str(ids[key](int(words[key])))
        return ",".join(f"{key}={value}" if value else key for key, value in words.items())

    def give_root_of(self, path: str) -> None:
        """Give the root of a file system that has no option for that to root of the container."""
        if self.owners is None:
            return
        mounted = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fchown(mounted, *self.owners.root)
        finally:
            os.close(mounted)

    def target(self, path: str, *, directory: bool = True) -> int:
        """Return a descriptor (O_PATH) of `path` below the root, making what is missing.

        The caller closes it.
        """
        asked = path
        for _ in range(40):  # as many links as the kernel follows (path_resolution(7))
            try:
                return self.open(path, asked=asked)
            except FileNotFoundError:
                path = self._make(path, directory)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)

    def open(self, path: str, flags: int = os.O_PATH, *, asked: str = "") -> int:
        """Return a descriptor of what is at `path`, which came of `asked`; see check_place."""
        fd = open_in_root(self.root, path, flags)
        try:
            check_place(self.root, fd, asked or path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _make(self, path: str, directory: bool) -> str:
        """Make `path` and its parents; return what to open next, the target of a dangling link."""
        parent_path, _, name = path.rstrip("/").rpartition("/")
        parent = self.target(parent_path or "/")
        try:
            if directory:
                os.mkdir(name, 0o755, dir_fd=parent)
            else:
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
                os.close(os.open(name, flags, 0o644, dir_fd=parent))
            self.give(name, parent)
        except FileExistsError:
            try:
                link = os.readlink(name, dir_fd=parent)
            except OSError:
                return path  # made by somebody else meanwhile
            return link if link.startswith("/") else f"{parent_path}/{link}"
        except OSError as error:
            raise NoMountPoint(path, error) from error
        finally:
            os.close(parent)
        return path


def holds_files(directory: str) -> bool:
    """Whether there is something in `directory`, which the container may have closed to us."""
    try:
        return bool(os.listdir(directory))
    except PermissionError:
        return True
