"""A second view of unpacked layers, with other owners: their skeleton.

All that the layers show together is there again as one tree, owned by other ids, but files of any
size leave their content where it is, as those of `layers.datalayer` do. So no byte of them is
copied, and the same layers can be shown by a user namespace that maps the ids otherwise. `whole`
copies the content after all, for what cannot follow such files: fuse-overlayfs, and kernels before
6.16.

It is one tree, because with `userxattr` overlay follows such files in its lowest layer only
("relax redirect/metacopy requirements for lower -> data redirect", Linux 6.16).

A skeleton's directory:

    fs/            the tree; it has no marks of deletion
    data, data.1   where the content is, see `layers.datalayer`; not where all of it was copied
    skeleton.json  {"version": 1, "layers": their directories, lowest first,
                    "bytes": on the disk, about}

The trees are walked by descriptors without following a link, and however deep they are, no more of
them are open than there are layers: the way back is `..`, which has to be the directory that we
came from, or the directory where a layer ended.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from zlib import crc32

from rootless.oci import jsonio
from rootless.oci.layers import datalayer, owners, xattrs
from rootless.oci.layers.content import copy_content
from rootless.oci.layers.extract import OPAQUE, OPAQUE_XATTR, WHITEOUT
from rootless.oci.layers.places import is_whiteout
from rootless.oci.remove import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.oci.layers.datalayer import Place

RECORD = "skeleton.json"
VERSION = 1

_WHITEOUT = os.fsdecode(WHITEOUT)

_BLOCK = 4096
"""What a small file, a directory or the attributes of a file take on most file systems."""

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_ANSWER = struct.Struct("<qi")
"""Of a child: the bytes that it has written, and the error."""

_ACLS = ("system.posix_acl_access", "system.posix_acl_default")
_CAPABILITY = os.fsdecode(xattrs.CAPABILITY)
_ACL_ENTRY = struct.Struct("<HHI")  # linux/posix_acl_xattr.h: tag, permissions, id
_ACL_USER, _ACL_GROUP = 2, 8


class _Level:
    """A directory on the way."""

    __slots__ = ("below", "parked", "path", "sources", "target")

    def __init__(self, path: bytes) -> None:
        self.path = path
        """Relative to the tree, with a slash at the end; empty for the root."""
        self.sources: list[tuple[int, tuple[int, int]]] = []
        """The layers that have a part in it, topmost first, and which directory it is there."""
        self.target = (0, 0)
        self.below: list[tuple[str, list[int]]] = []
        """The directories in it, and the layers that have a part in each."""
        self.parked: dict[int, int] = {}
        """Descriptors of the layers that have none in the directory that was entered from it."""


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
        layers: list[str],
        places: list[Place],
        ids: tuple[Callable[[int], int], Callable[[int], int]],
        *,
        whole: bool = False,
    ) -> None:
        """`layers` are their directories, topmost first, `places` where the content of each is.

        `ids` tell the new uid and gid of those that the trees have; they raise OSError.
        """
        self._layers = layers
        self._places = places
        self._uid, self._gid = map(_Ids, ids)
        self._whole = whole
        self._modes: list[dict[bytes, int]] = []
        """Of each layer the modes that the tree on the disk does not have, by path."""
        self._capabilities: list[dict[bytes, bytes]] = []
        """The same of files' capabilities (layers.withheld)."""
        for layer in layers:
            self._read_truths(layer)
        self._links = ""
        """A directory for the time being, with each file of several names, by its inode."""
        self._sources: list[tuple[int, int]] = []
        """The layers that have a part in the present directory, topmost first: its descriptors."""
        self._target = -1
        self._index = 0
        """The layer whose files are made; its directory is the working directory."""
        self._share, self._shares = 0, 1
        self._bytes = 0

    def _read_truths(self, layer: str) -> None:
        modes, capabilities = {}, {}
        for path, truth in owners.read(layer):
            if truth.mode >= 0:
                modes[os.fsencode(path)] = truth.mode & ~truth.unfit
            if truth.xattrs and _CAPABILITY in truth.xattrs:
                capabilities[os.fsencode(path)] = truth.xattrs[_CAPABILITY]
        self._modes.append(modes)
        self._capabilities.append(capabilities)

    def run(self, directory: str, shares: int = 1) -> None:
        """Fill the empty `directory`, in so many processes. Raises OSError."""
        for name in ("fs", "links"):
            os.mkdir(f"{directory}/{name}", 0o700)
        # As for layers: what the store gives on to new files is none of theirs.
        os.chmod(f"{directory}/fs", 0o700)
        for name in _ACLS:
            try:
                os.removexattr(f"{directory}/fs", name)
            except OSError:
                pass  # ENODATA, or a file system without ACLs
        self._links = f"{directory}/links"
        self._shares = shares
        others = [self._fork(directory, share) for share in range(1, shares)]
        try:
            done = self._walk(f"{directory}/fs")
        finally:
            results = [_result(*other) for other in others]
        for size, number in results:
            if number:
                raise OSError(number, os.strerror(number), directory)
            self._bytes += size
        self._set_times(f"{directory}/fs", done)
        remove_tree(self._links)
        for number, data in enumerate([] if self._whole else datalayer.data_of(self._places)):
            os.symlink(data, f"{directory}/{datalayer.link_name(number)}")
        layers = self._layers[::-1]
        record = {"version": VERSION, "layers": layers, "bytes": self._bytes}
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
        done: list[_Done] = []
        stack: list[_Level] = []
        try:
            self._target = os.open(root, _OPEN_DIRECTORY)
            for index, layer in enumerate(self._layers):
                fd = os.open(f"{layer}/fs", _OPEN_DIRECTORY)
                self._sources.append((index, fd))
                if len(self._layers) > 1 and _is_opaque(fd):
                    break
            stack.append(self._begin(b"", "", 0, done))
            while stack:
                level = stack[-1]
                if level.below:
                    name, indices = level.below.pop()
                    try:
                        os.mkdir(name, 0o700, dir_fd=self._target)
                    except FileExistsError:
                        pass  # another process was here before
                    self._enter(level, name, indices)
                    path = b"%b%b/" % (level.path, os.fsencode(name))
                    stack.append(self._begin(path, name, len(stack), done))
                    continue
                stack.pop()
                if stack:
                    self._ascend(stack[-1])
            return done
        finally:
            parked = [fd for level in stack for fd in level.parked.values()]
            for fd in (*parked, *(fd for _, fd in self._sources), self._target):
                os.close(fd)

    def _begin(self, path: bytes, name: str, depth: int, done: list[_Done]) -> _Level:
        """Fill the directory that was entered."""
        level = _Level(path)
        level.sources = [(index, _identity(fd)) for index, fd in self._sources]
        level.target = _identity(self._target)
        top, source = self._sources[0]
        status = os.fstat(source)
        done.append(_Done(depth, name, status))
        self._fill(level)
        if self._is_ours(path):
            self._bytes += _BLOCK
            self._index = top
            self._finish_open(source, self._target, status, path[:-1] or b".")
        return level

    def _enter(self, level: _Level, name: str, indices: list[int]) -> None:
        """Enter a directory in the layers that have a part in it, down to one that hides more."""
        entered: list[tuple[int, int]] = []
        hidden = False
        for index, fd in self._sources:
            if hidden or index not in indices:
                level.parked[index] = fd
                continue
            entered.append((index, _moved(fd, name)))
            hidden = index != indices[-1] and _is_opaque(entered[-1][1])
        self._sources = entered
        self._target = _moved(self._target, name)

    def _ascend(self, above: _Level) -> None:
        back = {index: _moved(fd, "..") for index, fd in self._sources}
        self._sources = [
            (index, back[index] if index in back else above.parked.pop(index))
            for index, _ in above.sources
        ]
        self._target = _moved(self._target, "..")
        now = [(index, _identity(fd)) for index, fd in self._sources]
        if now != above.sources or _identity(self._target) != above.target:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), os.fsdecode(above.path))

    def _is_ours(self, path: bytes) -> bool:
        """Whether this process has to make it, of all that share the work."""
        return self._shares == 1 or crc32(path) % self._shares == self._share

    def _fill(self, level: _Level) -> None:
        """Make what is no directory and ours, and note the directories."""
        directories: dict[str, list[int]] = {}
        done: set[str] = set()
        for index, source in self._sources:
            deleted: set[str] = set()
            self._index = index
            os.fchdir(source)
            with os.scandir(source) as entries:
                for entry in entries:
                    name = entry.name
                    if name.startswith(_WHITEOUT):
                        deleted.add(name[len(_WHITEOUT) :])
                    elif name in done:
                        continue
                    elif entry.is_dir(follow_symlinks=False):
                        directories.setdefault(name, []).append(index)
                    elif self._entry(level, entry, known=name in directories):
                        done.add(name)
                    else:
                        deleted.add(name)
            done |= deleted
        level.below += directories.items()

    def _entry(self, level: _Level, entry: os.DirEntry[str], *, known: bool) -> bool:
        """Make what is ours and not hidden by a directory; False for a mark of deletion."""
        path = level.path + os.fsencode(entry.name)
        is_ours = self._is_ours(path)
        if not is_ours and (entry.is_file(follow_symlinks=False) or entry.is_symlink()):
            return True
        status = entry.stat(follow_symlinks=False)
        if is_whiteout(status):
            return False
        if known or not is_ours:
            return True
        if status.st_nlink > 1:
            self._linked(entry.name, path, status)
        else:
            self._node(entry.name, path, status)
        return True

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
        known = f"{self._links}/{self._index}-{status.st_ino}"
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
            os.symlink(os.readlink(name), name, dir_fd=self._target)
        else:
            kind = stat.S_IFMT(status.st_mode)
            os.mknod(name, kind | 0o600, status.st_rdev, dir_fd=self._target)
        owner = self._uid[status.st_uid], self._gid[status.st_gid]
        os.chown(name, *owner, dir_fd=self._target, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            mode = self._modes[self._index].get(path, stat.S_IMODE(status.st_mode))
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
        layer, place = self._layers[self._index], self._places[self._index]
        elsewhere = datalayer.content(layer, fd) if place.is_behind else -1
        try:
            copy_content(fd if elsewhere < 0 else elsewhere, copy, size)
        finally:
            if elsewhere >= 0:
                os.close(elsewhere)
        self._bytes += status.st_blocks * 512

    def _refer(self, name: str, copy: int, path: bytes, size: int) -> bool:
        """Let the new file leave its content where it is; False where it has to be copied."""
        if self._whole or size <= datalayer.SMALL:
            return False
        place = self._places[self._index]
        target = os.fsencode(place.below) + path
        if place.is_behind:
            try:
                os.getxattr(name, datalayer.METACOPY, follow_symlinks=False)
                known = os.getxattr(name, datalayer.REDIRECT, follow_symlinks=False)
            except OSError:
                return False  # it has its content in this store
            target = b"/%b%b" % (target.split(b"/")[1], known)
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
        capability = self._capabilities[self._index].get(path)
        if capability is not None and _CAPABILITY not in names:
            self._attribute(capability, copy, _CAPABILITY)
        mode = self._modes[self._index].get(path, stat.S_IMODE(status.st_mode))
        if names or mode & 0o7000 or not stat.S_ISREG(status.st_mode):
            os.fchmod(copy, mode)
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _attribute(self, value: bytes, copy: int, name: str) -> None:
        if name in _ACLS:
            value = self._acl(value)
        elif name == _CAPABILITY:
            # Of version 3, of the root that the other map shows: else it would show it as a
            # capability of somebody else (capabilities(7)).
            head = value[:3] + b"\x03" + value[4:20]
            value = head + struct.pack("<I", self._uid[0])
        elif name.startswith(("user.overlay.", "security.")):
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


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _is_opaque(directory: int) -> bool:
    """Whether nothing of lower layers shows through."""
    try:
        return os.getxattr(directory, OPAQUE_XATTR) == b"y"
    except OSError:
        pass  # not there, or a file system without attributes
    try:
        os.lstat(OPAQUE, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True


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
