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

from rootless.oci import jsonio
from rootless.oci.digest import CHUNK
from rootless.oci.layers import datalayer, owners, xattrs
from rootless.oci.layers.extract import OPAQUE_XATTR

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

    __slots__ = ("below", "path", "source", "status", "target")

    def __init__(self, path: bytes, source: int, target: int) -> None:
        self.path = path
        """Relative to the tree, with a slash at the end; empty for the root."""
        self.status = os.fstat(source)
        made = os.fstat(target)
        self.source = (self.status.st_dev, self.status.st_ino)
        self.target = (made.st_dev, made.st_ino)
        self.below: list[str] = []


class Maker:
    """Makes one skeleton, inside the user namespace. Needs umask 0."""

    def __init__(
        self,
        layer: str,
        place: Place,
        ids: tuple[Callable[[int], int], Callable[[int], int]],
        *,
        whole: bool = False,
    ) -> None:
        """`ids` tell the new uid and gid of those that the tree has."""
        self._layer = layer
        self._place = place
        self._below = os.fsencode(place.below)
        self._uid, self._gid = ids
        self._whole = whole
        self._modes = {
            os.fsencode(path): truth.mode for path, truth in owners.read(layer) if truth.mode >= 0
        }
        """Modes that the tree on the disk does not have, by path."""
        self._links: dict[int, bytes] = {}
        """Inode of each file with several names -> the first one."""
        self._root = -1
        self._source = self._target = -1
        self._refers = False
        self._bytes = 0

    def run(self, directory: str) -> None:
        """Fill the empty `directory`. Raises OSError."""
        os.mkdir(f"{directory}/fs", 0o700)
        self._source = os.open(f"{self._layer}/fs", _OPEN_DIRECTORY)
        try:
            self._root = os.open(f"{directory}/fs", _OPEN_DIRECTORY)
            try:
                self._target = os.dup(self._root)
                self._walk()
            finally:
                for fd in (self._root, self._target):
                    os.close(fd)
        finally:
            os.close(self._source)
        if self._refers:
            os.symlink(self._place.data, f"{directory}/{datalayer.LINK}")
        record = {"version": VERSION, "layer": self._layer, "bytes": self._bytes}
        with open(f"{directory}/{RECORD}", "xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(jsonio.dump_bytes(record))

    # -- directories

    def _walk(self) -> None:
        stack = [_Level(b"", self._source, self._target)]
        self._fill(stack[0])
        while stack:
            level = stack[-1]
            if level.below:
                name = level.below.pop()
                os.mkdir(name, 0o700, dir_fd=self._target)
                self._enter(name)
                path = b"%b%b/" % (level.path, os.fsencode(name))
                stack.append(_Level(path, self._source, self._target))
                self._fill(stack[-1])
                continue
            # Last, so that nothing changes its times again and a read-only one can be filled.
            self._finish_open(self._source, self._target, level.status, level.path[:-1] or b".")
            stack.pop()
            if stack:
                self._ascend(stack[-1])

    def _ascend(self, above: _Level) -> None:
        self._enter("..")
        for fd, known in ((self._source, above.source), (self._target, above.target)):
            status = os.fstat(fd)
            if (status.st_dev, status.st_ino) != known:
                raise OSError(errno.ESTALE, "somebody moves directories", self._layer)

    def _enter(self, name: str) -> None:
        fd = os.open(name, _OPEN_DIRECTORY, dir_fd=self._source)
        os.close(self._source)
        self._source = fd
        fd = os.open(name, _OPEN_DIRECTORY, dir_fd=self._target)
        os.close(self._target)
        self._target = fd

    def _fill(self, level: _Level) -> None:
        """Make what is no directory, and note the directories."""
        self._bytes += _BLOCK
        with os.scandir(self._source) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    level.below.append(entry.name)
                    continue
                status = entry.stat(follow_symlinks=False)
                path = level.path + os.fsencode(entry.name)
                if status.st_nlink > 1 and self._link(entry.name, path, status):
                    continue
                if stat.S_ISREG(status.st_mode):
                    self._file(entry.name, path, status)
                else:
                    self._node(entry.name, path, status)

    # -- everything else

    def _link(self, name: str, path: bytes, status: os.stat_result) -> bool:
        """Make a further name of a file that is there; False where it is the first."""
        first = self._links.setdefault(status.st_ino, path)
        if first == path:
            return False
        try:
            # Of our own tree, which nobody else changes: no step of the path is a link.
            os.link(
                first,
                name,
                src_dir_fd=self._root,
                dst_dir_fd=self._target,
                follow_symlinks=False,
            )
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EMLINK):
                raise
            return False  # a file of its own, then
        return True

    def _node(self, name: str, path: bytes, status: os.stat_result) -> None:
        """A symbolic link, a whiteout, a named pipe or a socket."""
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=self._source), name, dir_fd=self._target)
        else:
            kind = stat.S_IFMT(status.st_mode)
            os.mknod(name, kind | 0o600, status.st_rdev, dir_fd=self._target)
        owner = self._uid(status.st_uid), self._gid(status.st_gid)
        os.chown(name, *owner, dir_fd=self._target, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            mode = self._modes.get(path, stat.S_IMODE(status.st_mode))
            os.chmod(name, mode, dir_fd=self._target)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(name, ns=times, dir_fd=self._target, follow_symlinks=False)

    def _file(self, name: str, path: bytes, status: os.stat_result) -> None:
        fd = os.open(name, _OPEN, dir_fd=self._source)
        try:
            copy = os.open(name, _CREATE, 0o600, dir_fd=self._target)
            try:
                self._content(fd, copy, path, status)
                self._finish_open(fd, copy, status, path)
            finally:
                os.close(copy)
        finally:
            os.close(fd)

    def _content(self, fd: int, copy: int, path: bytes, status: os.stat_result) -> None:
        size = status.st_size
        if not size:
            return
        if size <= datalayer.SMALL:
            os.write(copy, os.read(fd, size))
            self._bytes += _BLOCK
            return
        if not self._whole and self._refer(fd, copy, path):
            os.ftruncate(copy, size)
            self._refers = True
            self._bytes += _BLOCK
            return
        elsewhere = datalayer.content(self._layer, fd) if self._place.is_behind else -1
        try:
            _copy(fd if elsewhere < 0 else elsewhere, copy, size)
        finally:
            if elsewhere >= 0:
                os.close(elsewhere)
        self._bytes += status.st_blocks * 512

    def _refer(self, fd: int, copy: int, path: bytes) -> bool:
        """Let the new file leave its content where it is; False where it has to be copied."""
        target = self._below + path
        if self._place.is_behind:
            try:
                os.getxattr(fd, datalayer.METACOPY)
                known = os.getxattr(fd, datalayer.REDIRECT)
            except OSError:
                return False  # it has its content in this store
            target = self._below.split(b"/")[1].join((b"/", known))
        return datalayer.refer(copy, target)

    # -- attributes

    def _finish_open(self, fd: int, copy: int, status: os.stat_result, path: bytes) -> None:
        """Owner, attributes, mode, times: chown(2) and write(2) clear what comes after them."""
        os.fchown(copy, self._uid(status.st_uid), self._gid(status.st_gid))
        try:
            names = os.listxattr(fd)
        except OSError as error:
            if error.errno not in xattrs.REFUSED:
                raise
            names = []
        for name in names:
            self._attribute(fd, copy, name)
        os.fchmod(copy, self._modes.get(path, stat.S_IMODE(status.st_mode)))
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _attribute(self, fd: int, copy: int, name: str) -> None:
        value = os.getxattr(fd, name)
        if name in _ACLS:
            value = self._acl(value)
        elif name == os.fsdecode(xattrs.CAPABILITY):
            # Of version 3, of the root that the other map shows: else it would show it as a
            # capability of somebody else (capabilities(7)).
            head = value[:3] + b"\x03" + value[4:20]
            value = head + struct.pack("<I", self._uid(0))
        elif name.startswith(("user.overlay.", "security.")) and name != OPAQUE_XATTR:
            return
        os.setxattr(copy, name, value)

    def _acl(self, value: bytes) -> bytes:
        """An access control list with its users and groups as the others have them."""
        found = value[:4]
        for tag, rights, number in _ACL_ENTRY.iter_unpack(value[4:]):
            if tag == _ACL_USER:
                number = self._uid(number)  # noqa: PLW2901 - the same entry
            elif tag == _ACL_GROUP:
                number = self._gid(number)  # noqa: PLW2901
            found += _ACL_ENTRY.pack(tag, rights, number)
        return found


def _copy(source: int, target: int, size: int) -> None:
    """Copy a whole file, as a reflink where the file system has them (copy_file_range(2))."""
    offset = 0
    while offset < size:
        try:
            done = os.copy_file_range(source, target, size - offset, offset, offset)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM):
                raise
            data = os.pread(source, CHUNK, offset)
            done = os.pwrite(target, data, offset)
        if not done:
            break
        offset += done
