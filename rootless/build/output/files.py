"""The files of a stage as a directory of the user's, or as a tar.

In a directory they are the user's own, whoever they belong to in the image; set-id bits are left
out, since they would let others become that user, and so are devices.
"""

from __future__ import annotations

import contextlib
import os
import stat
from hashlib import sha256

from rootless.build.files.contents import copy_content
from rootless.build.files.layered import LayersTree
from rootless.build.files.trees import walk
from rootless.errors import StoreError, UsageError
from rootless.images.transfer.saving import opened
from rootless.images.trees.comparing import Trees
from rootless.images.trees.ids import Ids
from rootless.images.trees.packing import pack
from rootless.oci.descent import OPEN
from rootless.runtime.tree.rootfs import stacked
from rootless.runtime.userns import identity
from rootless.runtime.userns.worker import call, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.build.files.trees import Node
    from rootless.store.paths import Paths

_SETID = stat.S_ISUID | stat.S_ISGID
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_tar(paths: Paths, layers: list[str], place: str, epoch: int | None) -> None:
    """Write all files into a tar, or to standard output ("-"). Raises UsageError, StoreError."""
    trees = Trees(stacked(layers[::-1]), [])
    trees.is_layer = False
    trees.newest = None if epoch is None else epoch * 10**9
    with opened(place) as fd:
        ids = Ids(identity.detect(), "", "")
        try:
            spawn(paths, pack, fd, trees, True, ids, keep_fds=(fd,)).result()
        except StoreError as error:
            where = "standard output" if place == "-" else place
            raise UsageError(f"{where}: {error.message}") from error


def write_directory(paths: Paths, layers: list[str], place: str, epoch: int | None) -> None:
    """Write all files into a directory, beside what is there. Raises UsageError."""
    try:
        os.makedirs(place, exist_ok=True)
        call(paths, _write, layers, place, epoch)
    except OSError as error:
        where = error.filename or place
        raise UsageError(f"cannot write {where}: {error.strerror}") from error


def hashed(layers: list[str]) -> list[dict[str, object]]:
    """In the user namespace: return name and digest of each file. Raises UsageError."""
    if not layers:
        return []
    tree = LayersTree(layers)
    top = tree.look("")
    found: list[dict[str, object]] = []
    try:
        for node in walk(tree, top) if top else ():
            if node.kind != stat.S_IFREG or (node.truth and node.truth.kind):
                continue
            state = sha256()
            with open(tree.open(node), "rb") as file:
                while data := file.read(1 << 20):
                    state.update(data)
            name = node.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            found.append({"name": name, "digest": {"sha256": state.hexdigest()}})
    except OSError as error:
        raise UsageError(f"cannot read {error.filename or 'a file'}: {error.strerror}") from error
    finally:
        tree.close()
    return found


def _write(layers: list[str], place: str, epoch: int | None) -> None:
    """In the user namespace, whose root is the user outside."""
    tree = LayersTree(layers)
    top = tree.look("")
    if top is None:
        return
    writing = _Writing(tree, place, epoch)
    try:
        for node in walk(tree, top):
            writing.add(node)
    except OSError as error:
        raise UsageError(
            f"cannot write {error.filename or 'a file'} in {place}: {error.strerror}"
        ) from error
    finally:
        writing.close()
        tree.close()


class _Writing:
    """One directory that files are written to. No link on the way is followed."""

    def __init__(self, tree: LayersTree, place: str, epoch: int | None) -> None:
        self._tree = tree
        self._top = os.open(place, OPEN)
        self._latest = None if epoch is None else epoch * 10**9
        self._links: dict[tuple[int, int], str] = {}
        self._directories: list[tuple[str, int, int]] = []

    def add(self, node: Node) -> None:
        """Write a file; a directory gets its mode and time in the end. Raises OSError."""
        above, _, name = node.path.rpartition("/")
        with self._opened(above) as fd:
            if node.is_directory:
                with contextlib.suppress(FileExistsError):
                    self._clear(name, fd, but_directory=True)
                    os.mkdir(name, 0o700, dir_fd=fd)
                self._directories.append((node.path, node.mode, self._time(node)))
                return
            self._clear(name, fd, but_directory=False)
            if node.is_link:
                os.symlink(node.link, name, dir_fd=fd)
            elif stat.S_ISREG(node.status.st_mode) and not (node.truth and node.truth.kind):
                self._file(node, name, fd)
            elif stat.S_ISFIFO(node.status.st_mode):
                os.mkfifo(name, node.mode, dir_fd=fd)
            else:
                return
            times = (self._time(node),) * 2
            os.utime(name, ns=times, dir_fd=fd, follow_symlinks=False)

    def close(self) -> None:
        """Give directories what they are to be, those below first."""
        for path, mode, time in reversed(self._directories):
            above, _, name = path.rpartition("/")
            with self._opened(above) as fd, contextlib.suppress(FileNotFoundError):
                os.chmod(name, mode & ~_SETID, dir_fd=fd)
                os.utime(name, ns=(time, time), dir_fd=fd)
        os.close(self._top)

    def _file(self, node: Node, name: str, fd: int) -> None:
        identity_ = (node.status.st_dev, node.status.st_ino)
        first = self._links.setdefault(identity_, node.path) if node.status.st_nlink > 1 else ""
        if first and first != node.path:
            above, _, other = first.rpartition("/")
            with self._opened(above) as there:
                os.link(other, name, src_dir_fd=there, dst_dir_fd=fd, follow_symlinks=False)
            return
        with (
            open(self._tree.open(node), "rb") as source,
            open(os.open(name, _CREATE, 0o600, dir_fd=fd), "wb") as target,
        ):
            copy_content(source.fileno(), target.fileno())
            os.fchmod(target.fileno(), node.mode & ~_SETID)

    def _time(self, node: Node) -> int:
        time = node.status.st_mtime_ns
        return time if self._latest is None else min(time, self._latest)

    def _clear(self, name: str, fd: int, *, but_directory: bool) -> None:
        """Take away what was there under a name. Raises OSError for a directory."""
        try:
            status = os.lstat(name, dir_fd=fd)
        except FileNotFoundError:
            return
        if not (but_directory and stat.S_ISDIR(status.st_mode)):
            os.unlink(name, dir_fd=fd)

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        """Yield a descriptor of a directory that was written before. Raises OSError."""
        fd = os.dup(self._top)
        try:
            for step in path.split("/") if path else ():
                below = os.open(step, OPEN, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)
