"""A second view of an unpacked layer, with other owners: its skeleton.

Everything of the tree is there again, owned by other ids, but files of any size leave their content
where it is, as those of `layers.datalayer` do. So no byte of them is copied, and the same layer can
be shown by a user namespace that maps the ids otherwise. `whole` copies the content after all, for
what cannot follow such files: fuse-overlayfs, and kernels before 6.16.

A skeleton's directory:

    fs/            the tree, in the form that `layers.extract` describes
    data           where the content is, see `layers.datalayer`; not where all of it was copied
    skeleton.json  {"version": 1, "layer": the layer's directory, "bytes": on the disk, about}

The tree is walked by descriptors without following a link, and no deeper directory holds more of
them than the root: the way back is `..`, which has to be the directory that we came from.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from zlib import crc32

from rootless.oci import jsonio
from rootless.oci.digest import CHUNK
from rootless.oci.layers import datalayer, owners, xattrs
from rootless.oci.layers.extract import OPAQUE_XATTR
from rootless.oci.remove import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

RECORD = "skeleton.json"
VERSION = 1

_BLOCK = 4096
"""What a small file, a directory or the attributes of a file take on most file systems."""

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_ANSWER = struct.Struct("<qi")
"""Of a child: the bytes that it has written, and the error."""

_ACLS = ("system.posix_acl_access", "system.posix_acl_default")
_ACL_ENTRY = struct.Struct("<HHI")  # linux/posix_acl_xattr.h: tag, permissions, id
_ACL_USER, _ACL_GROUP = 2, 8


class Place:
    """Where the content of a layer's files is for overlay."""

    def __init__(self, layer: str, own: str) -> None:
        """`layer` is the layer's directory, `own` the directory of the layers of the own store.

        Content is sought in all data-only layers of a mount, so the same path must not mean one
        file in this store and another file in another one: paths into others begin with the name
        of their directory of layers.
        """
        layers, chain = os.path.split(layer)
        try:
            behind = os.readlink(f"{layer}/{datalayer.LINK}")
        except OSError:
            behind = ""
        self.is_behind = bool(behind)
        """Whether it is a layer that leaves content in another store itself."""
        self.data, self.below = layers, f"/{chain}/fs/"
        """The data-only layer, and where the layer's tree is in it."""
        if behind or layers != own:
            self.data, name = os.path.split(behind or layers)
            self.below = f"/{name}/{chain}/fs/"


class _Level:
    """A directory on the way."""

    __slots__ = ("below", "path", "source", "target")

    def __init__(self, path: bytes, source: os.stat_result, target: os.stat_result) -> None:
        self.path = path
        """Relative to the tree, with a slash at the end; empty for the root."""
        self.source = (source.st_dev, source.st_ino)
        self.target = (target.st_dev, target.st_ino)
        self.below: list[str] = []


class _Done:
    """A directory whose times are still to be set, because what is made in it changes them."""

    __slots__ = ("depth", "name", "times")

    def __init__(self, depth: int, name: str, status: os.stat_result) -> None:
        self.depth = depth
        self.name = name
        self.times = (status.st_atime_ns, status.st_mtime_ns)


class _Ids(dict[int, int]):
    """New ids by old ones, each worked out once."""

    def __init__(self, find: Callable[[int], int]) -> None:
        self._find = find

    def __missing__(self, number: int) -> int:
        self[number] = self._find(number)
        return self[number]


class Maker:
    """Makes one skeleton, inside the user namespace. Needs umask 0.

    Most of the time is the kernel's, for making the files: so several processes share the work,
    each with the files whose names are its own.
    """

    def __init__(
        self,
        layer: str,
        place: Place,
        ids: tuple[Callable[[int], int], Callable[[int], int]],
        *,
        whole: bool = False,
    ) -> None:
        """`ids` tell the new uid and gid of those that the tree has; they raise OSError."""
        self._layer = layer
        self._place = place
        self._below = os.fsencode(place.below)
        self._uid, self._gid = map(_Ids, ids)
        self._whole = whole
        self._modes = {
            os.fsencode(path): truth.mode for path, truth in owners.read(layer) if truth.mode >= 0
        }
        """Modes that the tree on the disk does not have, by path."""
        self._links = ""
        """A directory for the time being, with each file of several names, by its inode."""
        self._source = self._target = -1
        self._share, self._shares = 0, 1
        self._bytes = 0

    def run(self, directory: str, shares: int = 1) -> None:
        """Fill the empty `directory`, in so many processes. Raises OSError."""
        for name in ("fs", "links"):
            os.mkdir(f"{directory}/{name}", 0o700)
        self._links = f"{directory}/links"
        self._shares = shares
        others = [self._fork(directory, share) for share in range(1, shares)]
        try:
            done = self._walk(f"{directory}/fs")
        finally:
            results = [_result(*other) for other in others]
        for size, number in results:
            if number:
                raise OSError(number, os.strerror(number), self._layer)
            self._bytes += size
        self._set_times(f"{directory}/fs", done)
        remove_tree(self._links)
        if not self._whole:
            os.symlink(self._place.data, f"{directory}/{datalayer.LINK}")
        record = {"version": VERSION, "layer": self._layer, "bytes": self._bytes}
        with open(f"{directory}/{RECORD}", "xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(jsonio.dump_bytes(record))

    def _fork(self, directory: str, share: int) -> tuple[int, int]:
        """Have a child do its share; return its pid and the pipe that its answer comes through."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writing)
            return pid, reading
        number = errno.EIO
        try:
            self._share = share
            self._walk(f"{directory}/fs")
            number = 0
        except OSError as error:
            number = error.errno or errno.EIO
        finally:
            os.write(writing, _ANSWER.pack(self._bytes, number))
            os._exit(0)

    # -- directories

    def _walk(self, root: str) -> list[_Done]:
        """Make what is ours; return the directories in the order in which they were entered."""
        self._source = os.open(f"{self._layer}/fs", _OPEN_DIRECTORY)
        self._target = os.open(root, _OPEN_DIRECTORY)
        try:
            # As for layers: what the store gives on to new files is none of theirs.
            os.fchmod(self._target, 0o700)
            for name in _ACLS:
                try:
                    os.removexattr(self._target, name)
                except OSError:
                    pass  # ENODATA, or a file system without ACLs
            done: list[_Done] = []
            stack = [self._begin(b"", "", 0, done)]
            while stack:
                level = stack[-1]
                if level.below:
                    name = level.below.pop()
                    try:
                        os.mkdir(name, 0o700, dir_fd=self._target)
                    except FileExistsError:
                        pass  # another process was here before
                    self._enter(name)
                    path = b"%b%b/" % (level.path, os.fsencode(name))
                    stack.append(self._begin(path, name, len(stack), done))
                    continue
                stack.pop()
                if stack:
                    self._ascend(stack[-1])
            return done
        finally:
            os.close(self._source)
            os.close(self._target)

    def _begin(self, path: bytes, name: str, depth: int, done: list[_Done]) -> _Level:
        """Fill the directory that was entered."""
        status, made = os.fstat(self._source), os.fstat(self._target)
        level = _Level(path, status, made)
        done.append(_Done(depth, name, status))
        os.fchdir(self._source)
        self._fill(level)
        if self._is_ours(path):
            self._bytes += _BLOCK
            self._finish_open(self._source, self._target, status, path[:-1] or b".")
        return level

    def _ascend(self, above: _Level) -> None:
        self._enter("..")
        for fd, known in ((self._source, above.source), (self._target, above.target)):
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) != known:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), self._layer)

    def _enter(self, name: str) -> None:
        fd = os.open(name, _OPEN_DIRECTORY, dir_fd=self._source)
        os.close(self._source)
        self._source = fd
        fd = os.open(name, _OPEN_DIRECTORY, dir_fd=self._target)
        os.close(self._target)
        self._target = fd

    def _is_ours(self, path: bytes) -> bool:
        """Whether this process has to make it, of all that share the work."""
        return self._shares == 1 or crc32(path) % self._shares == self._share

    def _fill(self, level: _Level) -> None:
        """Make what is no directory and ours, and note the directories."""
        with os.scandir(self._source) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    level.below.append(entry.name)
                    continue
                path = level.path + os.fsencode(entry.name)
                if not self._is_ours(path):
                    continue
                status = entry.stat(follow_symlinks=False)
                if status.st_nlink > 1:
                    self._linked(entry.name, path, status)
                else:
                    self._node(entry.name, path, status)

    def _set_times(self, root: str, done: list[_Done]) -> None:
        """Give the directories their times, the deepest first."""
        at = os.open(root, _OPEN_DIRECTORY)
        try:
            stack: list[_Done] = []
            for one in [*done[1:], None]:
                while stack and (one is None or stack[-1].depth >= one.depth):
                    os.utime(at, ns=stack.pop().times)
                    at = _moved(at, "..")
                if one is not None:
                    stack.append(one)
                    at = _moved(at, one.name)
            os.utime(at, ns=done[0].times)
        finally:
            os.close(at)

    # -- everything else

    def _linked(self, name: str, path: bytes, status: os.stat_result) -> None:
        """A file of several names. Who is first, of all processes, makes it."""
        known = f"{self._links}/{status.st_ino}"
        try:
            os.link(known, name, dst_dir_fd=self._target, follow_symlinks=False)
        except FileNotFoundError:
            self._node(name, path, status)
        else:
            return
        try:
            os.link(name, known, src_dir_fd=self._target, follow_symlinks=False)
        except FileExistsError:
            os.unlink(name, dir_fd=self._target)
            os.link(known, name, dst_dir_fd=self._target, follow_symlinks=False)

    def _node(self, name: str, path: bytes, status: os.stat_result) -> None:
        """A file, a symbolic link, a whiteout, a named pipe or a socket."""
        if stat.S_ISREG(status.st_mode):
            self._file(name, path, status)
            return
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=self._source), name, dir_fd=self._target)
        else:
            kind = stat.S_IFMT(status.st_mode)
            os.mknod(name, kind | 0o600, status.st_rdev, dir_fd=self._target)
        owner = self._uid[status.st_uid], self._gid[status.st_gid]
        os.chown(name, *owner, dir_fd=self._target, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            mode = self._modes.get(path, stat.S_IMODE(status.st_mode))
            os.chmod(name, mode, dir_fd=self._target)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(name, ns=times, dir_fd=self._target, follow_symlinks=False)

    def _file(self, name: str, path: bytes, status: os.stat_result) -> None:
        copy = os.open(name, _CREATE, status.st_mode & 0o777, dir_fd=self._target)
        try:
            # What is only referred to need not be opened: its directory is the working directory.
            source: int | str = name
            if not self._refer(name, copy, path, status.st_size):
                source = os.open(name, _OPEN)
                self._copy(source, copy, status)
            try:
                self._finish_open(source, copy, status, path)
            finally:
                if isinstance(source, int):
                    os.close(source)
        finally:
            os.close(copy)

    def _copy(self, fd: int, copy: int, status: os.stat_result) -> None:
        size = status.st_size
        if size <= datalayer.SMALL:
            os.write(copy, os.read(fd, size))
            self._bytes += _BLOCK if size else 0
            return
        elsewhere = datalayer.content(self._layer, fd) if self._place.is_behind else -1
        try:
            _copy(fd if elsewhere < 0 else elsewhere, copy, size)
        finally:
            if elsewhere >= 0:
                os.close(elsewhere)
        self._bytes += status.st_blocks * 512

    def _refer(self, name: str, copy: int, path: bytes, size: int) -> bool:
        """Let the new file leave its content where it is; False where it has to be copied."""
        if self._whole or size <= datalayer.SMALL:
            return False
        target = self._below + path
        if self._place.is_behind:
            try:
                os.getxattr(name, datalayer.METACOPY, follow_symlinks=False)
                known = os.getxattr(name, datalayer.REDIRECT, follow_symlinks=False)
            except OSError:
                return False  # it has its content in this store
            target = b"/%b%b" % (self._below.split(b"/")[1], known)
        if not datalayer.refer(copy, target):
            return False
        os.ftruncate(copy, size)
        self._bytes += _BLOCK
        return True

    # -- attributes

    def _finish_open(
        self, source: int | str, copy: int, status: os.stat_result, path: bytes
    ) -> None:
        """Owner, attributes, mode, times: chown(2) and write(2) clear what comes after them."""
        os.fchown(copy, self._uid[status.st_uid], self._gid[status.st_gid])
        follow = isinstance(source, int)
        try:
            names = os.listxattr(source, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in xattrs.REFUSED:
                raise
            names = []
        for name in names:
            self._attribute(os.getxattr(source, name, follow_symlinks=follow), copy, name)
        mode = self._modes.get(path, stat.S_IMODE(status.st_mode))
        if names or mode & 0o7000 or not stat.S_ISREG(status.st_mode):
            os.fchmod(copy, mode)
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _attribute(self, value: bytes, copy: int, name: str) -> None:
        if name in _ACLS:
            value = self._acl(value)
        elif name == os.fsdecode(xattrs.CAPABILITY):
            # Of version 3, of the root that the other map shows: else it would show it as a
            # capability of somebody else (capabilities(7)).
            head = value[:3] + b"\x03" + value[4:20]
            value = head + struct.pack("<I", self._uid[0])
        elif name.startswith(("user.overlay.", "security.")) and name != OPAQUE_XATTR:
            return
        os.setxattr(copy, name, value)

    def _acl(self, value: bytes) -> bytes:
        """An access control list with its users and groups as the others have them."""
        found = value[:4]
        for tag, rights, number in _ACL_ENTRY.iter_unpack(value[4:]):
            if tag == _ACL_USER:
                number = self._uid[number]  # noqa: PLW2901 - the same entry
            elif tag == _ACL_GROUP:
                number = self._gid[number]  # noqa: PLW2901
            found += _ACL_ENTRY.pack(tag, rights, number)
        return found


def _moved(at: int, name: str) -> int:
    """Close the directory `at` for the one that is `name` in it."""
    fd = os.open(name, _OPEN_DIRECTORY, dir_fd=at)
    os.close(at)
    return fd


def _result(pid: int, reading: int) -> tuple[int, int]:
    """Wait for a child; return the bytes that it has written and the error, 0 for none."""
    with open(reading, "rb", buffering=0) as file:
        answer = file.readall()
    os.waitpid(pid, 0)
    return _ANSWER.unpack(answer) if len(answer) == _ANSWER.size else (0, errno.EIO)


def _copy(source: int, target: int, size: int) -> None:
    """Copy a whole file, as a reflink where the file system has them; holes stay holes."""
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
            end = os.lseek(source, at, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break  # no data any more
            end = size  # it cannot say
        while at < end and (done := _copy_part(source, target, at, end - at)):
            at += done
        at = end
    os.ftruncate(target, size)


def _copy_part(source: int, target: int, at: int, count: int) -> int:
    try:
        return os.copy_file_range(source, target, min(count, 1 << 30), at, at)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM):
            raise
        return os.pwrite(target, os.pread(source, min(count, CHUNK), at), at)
