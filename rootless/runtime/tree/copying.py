"""Directory trees copied whole: owners, modes, times, attributes, hard links, holes.

    copy_tree   one directory into another: a tmpfs or a volume that begins with the image's files
    merge       layers into one directory, for machines without overlay
    merge_once  the same from outside the user namespace, complete or not at all

Layers are merged from the top down, as overlayfs looks names up: what a higher layer deletes or
replaces is never copied. The marks are those of `layers.extract`: the character device 0:0 (or an
empty file `.wh.NAME`) deletes a name, the attribute `user.overlay.opaque` (or an empty file
`.wh..wh..opq`) everything below in a directory; those of fuse-overlayfs are read too.

Everything goes through directory descriptors without following links, and however deep the tree
is, few of them are open (`oci.descent`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat

from rootless.errors import StoreError, named
from rootless.linux import files
from rootless.oci.descent import OPEN, WINDOW, Directory
from rootless.oci.remove import remove_tree
from rootless.runtime.tree.tree import holds_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

_FICLONE = 0x40049409  # ioctl_ficlone(2)
_CHUNK = 1 << 30

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_WHITEOUT = ".wh."
_OPAQUE_FILE = ".wh..wh..opq"
_OPAQUE = ("user.overlay.opaque", "user.fuseoverlayfs.opaque")
_UNION = ("user.overlay.", "user.fuseoverlayfs.", "trusted.overlay.")

_NO_ATTRIBUTE = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EINVAL, errno.ENODATA)
"""What file systems and kernels answer that do not take an attribute."""

_NOT_THIS_WAY = (
    errno.EXDEV,
    errno.EINVAL,
    errno.ENOSYS,
    errno.EPERM,
    errno.ENOTTY,
    errno.EOPNOTSUPP,
    errno.EBADF,
    errno.ETXTBSY,
)
"""What reflinks and copy_file_range(2) answer where they cannot be had."""


class _Level:
    """A directory on the way: where it is copied from and to, and what is left to do in it."""

    def __init__(
        self, sources: list[int], target: int, above: _Level | None = None, name: str = ""
    ) -> None:
        """The descriptors belong to it."""
        self.sources = [Directory(fd) for fd in sources]
        """Topmost first; the first gives the directory its attributes."""
        self.target = Directory(target)
        self.above = above
        self.name = name
        self.origins: list[int] = []
        """Which of the sources above has each of ours in it."""
        self.below: list[tuple[str, list[int]]] = []
        """Subdirectories: name and indices of the sources that have a part in it."""

    def rest(self, below: _Level) -> None:
        """Close what can be opened again from the level `below`."""
        for index in below.origins:
            self.sources[index].rest()
        self.target.rest()

    def resume(self, below: _Level) -> None:
        """Open again what is closed. Raises OSError where that has moved."""
        for source, index in zip(below.sources, below.origins, strict=True):
            self.sources[index].resume(source.fd)
        self.target.resume(below.target.fd)

    def close(self) -> None:
        for one in (*self.sources, self.target):
            one.close()


class Copier:
    """Copies trees; remembers hard links and which of the kernel's ways to copy work here."""

    def __init__(self, *, layers: bool = False, lenient: bool = False) -> None:
        self._layers = layers
        """Whether the marks of overlay file systems mean something."""
        self._lenient = lenient
        """Whether what may not be read is left out instead of ending it all."""
        self._me = (os.geteuid(), os.getegid())
        self._links: dict[tuple[int, int], tuple[_Level, str]] = {}
        """(device, inode) -> where a copy is: the directory, and the name in it."""
        self._clone = True
        self._range = True
        self.left_out = 0
        """How many files and directories could not be read (lenient)."""

    def copy(self, sources: list[int], target: int) -> None:
        """Copy the directories `sources`, topmost first, into the empty directory `target`.

        The descriptors stay the caller's. Raises OSError.
        """
        self._links.clear()
        window = max(2, 4 * WINDOW // (len(sources) + 1))
        stack = [_Level([os.dup(fd) for fd in sources], os.dup(target))]
        try:
            self._fill(stack[0])
            while stack:
                level = stack[-1]
                if level.below:
                    deeper = self._descend(level, *level.below.pop())
                    if deeper is not None:
                        stack.append(deeper)
                        # Never the first: `_link` begins there.
                        if len(stack) > window + 1:
                            stack[-1 - window].rest(stack[-window])
                        self._fill(deeper)
                    continue
                # Last, so that nothing changes the times again and read-only ones can be filled.
                self.attributes(level.sources[0].fd, level.target.fd)
                if len(stack) > 1:
                    stack[-2].resume(level)
                stack.pop().close()
        finally:
            for level in stack:
                level.close()

    # -- directories

    def _descend(self, level: _Level, name: str, indices: list[int]) -> _Level | None:
        """Make the subdirectory `name` and open it in all sources that have a part in it."""
        sources: list[int] = []
        try:
            for index in indices:
                sources.append(os.open(name, OPEN, dir_fd=level.sources[index].fd))
                if self._layers and is_opaque(sources[-1]):
                    break
            os.mkdir(name, 0o700, dir_fd=level.target.fd)
            opened = os.open(name, OPEN, dir_fd=level.target.fd)
        except BaseException as error:
            for fd in sources:
                os.close(fd)
            if not self._lenient or not isinstance(error, PermissionError):
                raise
            self.left_out += 1
            return None
        deeper = _Level(sources, opened, level, name)
        deeper.origins = indices[: len(sources)]
        return deeper

    def _fill(self, level: _Level) -> None:
        """Copy what is no directory, and note the directories in `level.below`."""
        if not self._layers:
            for entry in _entries(level.sources[0].fd):
                if entry.is_dir(follow_symlinks=False):
                    level.below.append((entry.name, [0]))
                else:
                    self._node(level.sources[0].fd, level, entry.name)
            return
        directories: dict[str, list[int]] = {}
        done: set[str] = set()
        for index, source in enumerate(level.sources):
            found, deleted = layer_entries(source.fd)
            for entry in found:
                name = entry.name
                if name in done:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    directories.setdefault(name, []).append(index)
                    continue
                done.add(name)
                if name not in directories:
                    self._node(source.fd, level, name)
            done |= deleted
        level.below += directories.items()

    # -- everything else

    def _node(self, source: int, level: _Level, name: str) -> None:
        target = level.target.fd
        status = os.lstat(name, dir_fd=source)
        if status.st_nlink > 1:
            identity = (status.st_dev, status.st_ino)
            first = self._links.setdefault(identity, (level, name))
            if first != (level, name):
                _link(first, level, name)
                # The next one is likely to lie near by.
                self._links[identity] = (level, name)
                return
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFREG:
            if not self._file(source, target, name, status):
                self.left_out += 1
                self._links.pop((status.st_dev, status.st_ino), None)
            return
        if kind == stat.S_IFLNK:
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        else:
            _make_node(status, target, name)
        self._finish_node(status, target, name)

    def _finish_node(self, status: os.stat_result, target: int, name: str) -> None:
        if (status.st_uid, status.st_gid) != self._me:
            try:
                os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
            except OSError as error:
                _accept_unmapped(error)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)

    def _file(self, source: int, target: int, name: str, status: os.stat_result) -> bool:
        """Copy a regular file; False where it may not be read and that is accepted."""
        try:
            original = os.open(name, _OPEN, dir_fd=source)
        except PermissionError:
            if self._lenient:
                return False
            raise
        try:
            mode = stat.S_IMODE(status.st_mode)
            copy = os.open(name, _CREATE, 0o600, dir_fd=target)
            try:
                if status.st_size:
                    self._content(original, copy, status)
                if (status.st_uid, status.st_gid) != self._me:
                    _give(copy, status)
                _copy_xattrs(original, copy)
                os.fchmod(copy, mode)  # chown(2) clears bits, and a directory's ACL takes some
                os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
            finally:
                os.close(copy)
        finally:
            os.close(original)
        return True

    def attributes(self, source: int, target: int) -> None:
        """Give the open file `target` owner, extended attributes, mode and times of `source`."""
        status = os.fstat(source)
        if (status.st_uid, status.st_gid) != self._me:
            _give(target, status)
        _copy_xattrs(source, target)
        os.fchmod(target, stat.S_IMODE(status.st_mode))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    # -- content

    def _content(self, source: int, target: int, status: os.stat_result) -> None:
        if self._clone:
            try:
                fcntl.ioctl(target, _FICLONE, source)
            except OSError as error:
                if error.errno not in _NOT_THIS_WAY:
                    raise
                self._clone = False
            else:
                return
        if status.st_blocks * 512 >= status.st_size:
            self._bytes(source, target, 0, status.st_size)
            return
        for start, end in extents(source, status.st_size):
            self._bytes(source, target, start, end)
        os.ftruncate(target, status.st_size)

    def _bytes(self, source: int, target: int, start: int, end: int) -> None:
        """Copy the bytes from `start` to `end`, or to the end of a file that shrank meanwhile."""
        while start < end:
            count = min(end - start, _CHUNK)
            if self._range:
                try:
                    done = os.copy_file_range(source, target, count, start, start)
                except OSError as error:
                    if error.errno not in _NOT_THIS_WAY:
                        raise
                    self._range = False
                    continue
            else:
                os.lseek(target, start, os.SEEK_SET)
                done = os.sendfile(target, source, start, count)
            if not done:
                return
            start += done


def _link(first: tuple[_Level, str], level: _Level, name: str) -> None:
    """Make `name` in a level another name of a copy made before.

    Ours is a copy that nobody else changes: no step of a path in it is a link.
    """
    there, old = first
    names = []
    while there.target.fd < 0 and there is not level:
        names.append(there.name)
        assert there.above is not None  # noqa: S101 - the root rests only while others are below
        there = there.above
    opened = os.dup(there.target.fd)
    try:
        while names:
            deeper = os.open(names.pop(), OPEN | os.O_PATH, dir_fd=opened)
            os.close(opened)
            opened = deeper
        os.link(old, name, src_dir_fd=opened, dst_dir_fd=level.target.fd, follow_symlinks=False)
    finally:
        os.close(opened)


def layer_entries(
    directory: int, *, literal: bool = False
) -> tuple[list[os.DirEntry[str]], set[str]]:
    """Return the entries of a layer's directory, and the names that it deletes below.

    `literal` is whether names that begin as the marks of archives do are names as any other here.
    """
    found, deleted = [], set()
    for entry in _entries(directory):
        if entry.name.startswith(_WHITEOUT) and not literal:
            deleted.add(entry.name[len(_WHITEOUT) :])
            continue
        if not entry.is_file(follow_symlinks=False) and _is_whiteout(entry):
            deleted.add(entry.name)
        else:
            found.append(entry)
    return found, deleted


def _entries(directory: int) -> list[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        return list(entries)


def _is_whiteout(entry: os.DirEntry[str]) -> bool:
    status = entry.stat(follow_symlinks=False)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(fd: int, *, literal: bool = False) -> bool:
    """Whether nothing of lower layers shows through the directory `fd`; for `literal` see above."""
    for name in _OPAQUE:
        try:
            if os.getxattr(fd, name) == b"y":
                return True
        except OSError:
            pass  # not there, or a file system without attributes
    if literal:
        return False
    try:
        os.lstat(_OPAQUE_FILE, dir_fd=fd)
    except FileNotFoundError:
        return False
    return True


def _make_node(status: os.stat_result, target: int, name: str) -> None:
    """Make a fifo, socket or device; an empty file for a device that the kernel refuses."""
    try:
        os.mknod(name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=target)
    except PermissionError:
        os.close(os.open(name, _CREATE, 0o600, dir_fd=target))


def _give(fd: int, status: os.stat_result) -> None:
    try:
        os.fchown(fd, status.st_uid, status.st_gid)
    except OSError as error:
        _accept_unmapped(error)


def _accept_unmapped(error: OSError) -> None:
    """An owner without an id in this namespace cannot be kept: the copy stays ours."""
    if error.errno != errno.EINVAL:
        raise error


def _copy_xattrs(source: int, target: int) -> None:
    """Copy extended attributes; last, since chown(2) clears file capabilities.

    Labels of the host's security policy and what speaks to overlay file systems stay behind.
    """
    try:
        names = os.listxattr(source)
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTE:
            raise
        return
    for name in names:
        policy = name.startswith("security.") and name != "security.capability"
        if policy or name.startswith(_UNION):
            continue
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTE:
                raise


def extents(fd: int, size: int) -> list[tuple[int, int]]:
    """Return where a sparse file has data (lseek(2), SEEK_DATA); the whole where it cannot say."""
    found = []
    position = 0
    try:
        while position < size:
            start = os.lseek(fd, position, os.SEEK_DATA)
            position = os.lseek(fd, start, os.SEEK_HOLE)
            found.append((start, position))
    except OSError as error:
        if error.errno != errno.ENXIO:  # no data behind `position`
            return [(0, size)]
    return found


def copy_tree(source: int, destination: int, *, lenient: bool = False) -> int:
    """Copy the directory `source` with all in it into the empty directory `destination`.

    Both are descriptors. With `lenient` what may not be read is left out, and the number of it
    returned. Raises OSError.
    """
    copier = Copier(lenient=lenient)
    copier.copy([source], destination)
    return copier.left_out


def merge(layers: list[str], destination: str) -> None:
    """Merge unpacked layers, topmost first, into the new directory `destination`.

    Raises OSError; then `destination` is gone again.
    """
    files.allow_all()
    old_umask = os.umask(0)
    sources: list[int] = []
    try:
        for path in layers:
            sources.append(os.open(path, OPEN))
            if is_opaque(sources[-1]):
                break
        os.mkdir(destination, 0o700)
        target = os.open(destination, OPEN)
        try:
            Copier(layers=True).copy(sources, target)
        except BaseException:
            remove_tree(destination)
            raise
        finally:
            os.close(target)
    finally:
        os.umask(old_umask)
        for fd in sources:
            os.close(fd)


def merge_once(paths: Paths, layers: list[str], destination: str, *, durable: bool = True) -> None:
    """Make `destination` the merged `layers`, topmost first, unless it is that already.

    It must be an empty directory, or one that an earlier call filled: what is in it then is the
    container's. Runs inside the user namespace. The caller holds the container's lock.
    Raises StoreError where it fails; then nothing is changed.
    """
    if holds_files(destination):
        return
    from rootless.runtime.userns.worker import call

    call(paths, _merge_and_rename, layers, destination, durable)


def _merge_and_rename(layers: list[str], destination: str, durable: bool) -> None:
    """In the user namespace: the work of `merge_once`."""
    temporary = f"{destination}.new"
    try:
        remove_tree(temporary)  # of somebody who was killed
        merge(layers, temporary)
        if durable:
            _sync_file_system(temporary)
        os.rename(temporary, destination)
    except OSError as error:
        where = f" ({error.filename})" if isinstance(error.filename, str) else ""
        raise StoreError(
            f"cannot copy the layers to {destination}: {error.strerror}{where}",
            f"make room, or name another directory with {named('root')}",
        ) from error


def _sync_file_system(path: str) -> None:
    """syncfs(2): the files reach the disk before the name that says that they are complete."""
    from rootless.linux.libc import check, libc

    fd = os.open(path, OPEN)
    try:
        check(libc.syncfs(fd), "syncfs", path)
    finally:
        os.close(fd)
