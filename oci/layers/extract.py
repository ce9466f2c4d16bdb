"""Entries of a layer's archive to a directory tree, each placed through its parent's descriptor.

Containment. No path of an archive is ever handed to the kernel whole: the extractor walks it step
by step with O_NOFOLLOW from the root's descriptor and keeps the descriptors of directories
(`_Places`). A symlink met on the way is read and resolved here, as if the layer were the root of
the file system: `..` stops there, absolute targets begin there. That equals openat2(2) with
RESOLVE_IN_ROOT, works on kernels before 5.6 and below seccomp filters that refuse openat2, and
yields the canonical path that the side file and the table of directories need. Names with `..`
are refused, a leading `/` is dropped. Files are made with O_EXCL, so nothing is written through
something already there.

The form on disk, which overlayfs (with `userxattr`) and fuse-overlayfs 1.10 (Debian 12) read:

- A whiteout `.wh.X` is the character device 0:0 `X`; any user may make one since Linux 5.8. Where
  that is refused (older kernels, an overlay or NFS below the store) it stays an empty file
  `.wh.X`, which fuse-overlayfs and the copy mode understand and native overlay does not: the
  result says `"whiteouts": "file"` then.
- An opaque directory (`.wh..wh..opq` in it) has the attribute `user.overlay.opaque` = `y`; native
  overlay reads it when mounted with `userxattr` (5.11), fuse-overlayfs always. Where attributes
  are refused (tmpfs before 6.6) the empty file `.wh..wh..opq` stays, with the same result.
- A layer's own file always wins over a whiteout of its name, in either order; a directory over a
  whiteout becomes opaque. Other aufs names (`.wh..wh.*`) are dropped.
- Devices are made where the kernel allows, else they are empty files with a warning; the side
  file (`layers.owners`) has the truth. In a user namespace the kernel never allows them.
- Attributes `user.overlay.*` and the like from the archive are dropped: an image does not speak
  to the union file system. So are `security.*` but capabilities: they are the host's policy.
- An owner that the user namespace does not know, as directories of companies hand out by the
  hundred million, becomes root; the side file has the true one, and a set-id bit is left out that
  would be root's then.
- Set-id bits and capabilities of files, and that others may write, are left out: they may reach
  this tree. `layers.withheld` puts them where they may not; the side file has the truth.

Of several entries with one path the last wins; a directory over a directory keeps its content.

Directories get their final owner, mode, attributes and time at the end, deepest first: until then
they stay writable, their times do not change again, and set-group-id bits (or a file system
mounted with `grpid`) do not give their group to what is made inside.
"""

from __future__ import annotations

import errno
import os
import stat

from rootless.oci.errors import LayerError
from rootless.oci.layers import withheld, xattrs
from rootless.oci.layers.mapped import Mapped, known
from rootless.oci.layers.owners import Truth
from rootless.oci.layers.places import Places, is_whiteout, split
from rootless.oci.layers.tar import (
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    FIFO,
    FILE,
    LINK,
    SYMLINK,
    show,
)
from rootless.oci.remove import remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from rootless.oci.layers.datalayer import DataLayer
    from rootless.oci.layers.places import Place
    from rootless.oci.layers.tar import Entry, Reader

WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
OPAQUE_XATTR = "user.overlay.opaque"

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SPECIAL = frozenset((b"", b".", b".."))
_WARNINGS = 100


class Extractor:
    """Writes the layer that `reader` reads below `root`, a descriptor that stays the caller's.

    `owners` is `chown` (as root of a user namespace with many ids, or real root) or `record` (one
    uid: nothing is chowned, the truth is kept in `truths`). Needs umask 0. `data`: where files may
    leave their content. `literal`: names that begin with .wh. are files' like others, as in an
    archive that is no layer. `upon`: files are there already, and stay where the archive has none.
    """

    def __init__(
        self,
        root: int,
        reader: Reader,
        *,
        owners: str,
        data: DataLayer | None = None,
        literal: bool = False,
        upon: bool = False,
    ) -> None:
        self._reader = reader
        self._literal = literal
        self._data = data
        self._places = Places(root, self._over_whiteout, depth=reader.limits.depth)
        self._record = owners == "record"
        # What is made in a directory with a set-group-id bit is not ours: every owner is said then.
        self._me = (-1, -1) if upon else (os.geteuid(), os.getegid())
        self._mapped = Mapped()
        self._foreign = 0
        self._stranger = ""
        """An entry whose owner is not mapped, and who that is."""
        self._directories: dict[bytes, Entry] = {}
        self._deleted: set[bytes] = set()
        """Whiteouts that had to stay files."""
        self._devices_refused = False
        self._replaced = False
        """Whether a directory was removed again, so that tables may speak of what is gone."""
        self.truths: dict[bytes, Truth] = {}
        self.whiteouts = "device"
        self.warnings: list[str] = []
        self.warned = 0

    def run(self) -> None:
        """Write all entries. Raises LayerError, which names the entry."""
        reader = self._reader
        try:
            self._entries()
            self._finish()
        except OSError as error:
            _explain(reader.last, error)
        except ValueError as error:
            hint = reader.limits.hint(error)
            raise LayerError(f"unpack {show(reader.last)}: {error}", hint) from error
        finally:
            self._places.close()
        if self._foreign:
            self._warn(
                f"{self._foreign} files have owners outside of your subordinate ids, such as "
                f"{self._stranger}: they are root's here, and keep their owners for push and save "
                "(see rootless doctor)"
            )
        reader.drain()

    def _entries(self) -> None:
        makers = {
            FILE: self._file,
            LINK: self._link,
            SYMLINK: self._symlink,
            CHARACTER: self._device,
            BLOCK_DEVICE: self._device,
            DIRECTORY: self._directory,
            FIFO: self._fifo,
        }
        following = self._reader.next
        place = self._places.find
        while (entry := following()) is not None:
            parent, _, base = entry.name.rpartition(b"/")
            if base in _SPECIAL:
                parent, base = split(entry.name)
                if not base and entry.type != DIRECTORY:
                    raise ValueError("the root of a layer can only be a directory")
            at = place(parent)
            if base[:4] == WHITEOUT and not self._literal:
                self._whiteout(at, base)
            else:
                makers[entry.type](entry, at, base)

    @property
    def directories(self) -> set[bytes]:
        """Directories that the archive has entries for, by canonical path; others are only ways."""
        return {*self._directories}

    # -- kinds -----------------------------------------------------------------------------

    def _file(self, entry: Entry, at: Place, base: bytes) -> None:
        left_out = withheld.bits(entry.mode, ours=self._is_ours(entry))
        mode = entry.mode & ~left_out
        if self._record:
            mode |= 0o400  # so that push and save can read it without a namespace
        # With attributes to set it must be writable until then, whoever we are.
        first = mode & 0o777 if entry.xattrs is None else 0o600
        try:
            fd = os.open(base, _CREATE, first, dir_fd=at.fd)
        except FileExistsError:
            self._make_way(at, base)
            fd = os.open(base, _CREATE, first, dir_fd=at.fd)
        try:
            if entry.sparse is not None:
                self._write_sparse(entry, fd)
            elif (
                entry.size
                and self._data is not None
                and not (left_out or withheld.has_capability(entry))
            ):
                self._data.write(self._reader, fd, at.path + base, entry.size)
            elif entry.size:
                self._reader.write_to(fd)
            if self._replaced:
                self.truths.pop(at.path + base, None)  # of what went with its directory
            if mode != entry.mode or (self._record and (entry.uid or entry.gid)):
                self._note(entry, at.path + base, mode)
            if self._record:
                xattrs.tell_owner(fd, entry.uid, entry.gid)
            if not self._record and (owner := self._owner(entry, at.path + base)) != self._me:
                os.fchown(fd, *owner)
            if entry.xattrs is not None:
                self._withhold_capability(entry, at.path + base)
                self._set_xattrs(entry, at.path + base, fd)
            if mode != first:
                os.fchmod(fd, mode)
            os.utime(fd, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(fd)

    def _write_sparse(self, entry: Entry, fd: int) -> None:
        for offset, length in entry.sparse or ():
            os.lseek(fd, offset, os.SEEK_SET)
            self._reader.write_part(fd, length)
        os.ftruncate(fd, entry.size)

    def _directory(self, entry: Entry, at: Place, base: bytes) -> None:
        if base:
            mode = entry.mode & 0o755 | 0o700
            try:
                os.mkdir(base, mode, dir_fd=at.fd)
            except FileExistsError:
                self._directory_over(at, base, mode)
        self._directories[at.path + base] = entry

    def _directory_over(self, at: Place, base: bytes, mode: int) -> None:
        status = os.lstat(base, dir_fd=at.fd)
        if stat.S_ISDIR(status.st_mode):
            os.chmod(base, mode, dir_fd=at.fd)
        elif is_whiteout(status):
            self._over_whiteout(at, base)
            os.chmod(base, mode, dir_fd=at.fd)
        else:
            self._make_way(at, base)
            os.mkdir(base, mode, dir_fd=at.fd)

    def _symlink(self, entry: Entry, at: Place, base: bytes) -> None:
        try:
            os.symlink(entry.link, base, dir_fd=at.fd)
        except FileExistsError:
            self._make_way(at, base)
            os.symlink(entry.link, base, dir_fd=at.fd)
        self._finish_node(entry, at, base, entry.mode)

    def _fifo(self, entry: Entry, at: Place, base: bytes) -> None:
        try:
            os.mkfifo(base, entry.mode, dir_fd=at.fd)
        except FileExistsError:
            self._make_way(at, base)
            os.mkfifo(base, entry.mode, dir_fd=at.fd)
        self._finish_node(entry, at, base, entry.mode)

    def _device(self, entry: Entry, at: Place, base: bytes) -> None:
        number = os.makedev(entry.major, entry.minor)
        kind = stat.S_IFCHR if entry.type == CHARACTER else stat.S_IFBLK
        # The character device 0:0 would be a whiteout.
        if not self._devices_refused and number:
            try:
                self._mknod(entry, at, base, kind, number)
            except PermissionError:
                self._devices_refused = True
            else:
                self._finish_node(entry, at, base, entry.mode)
                return
        entry.type = FILE
        entry.size = 0
        self._file(entry, at, base)
        truth = self._note(entry, at.path + base)
        truth.kind = "c" if kind == stat.S_IFCHR else "b"
        truth.device = (entry.major, entry.minor)
        if not (at.path + base).startswith(b"dev/"):  # in whose place each container has its own
            self._warn(f"device {show(entry.name)} is an empty file: the kernel makes none here")

    def _mknod(self, entry: Entry, at: Place, base: bytes, kind: int, number: int) -> None:
        try:
            os.mknod(base, kind | entry.mode, number, dir_fd=at.fd)
        except FileExistsError:
            self._make_way(at, base)
            os.mknod(base, kind | entry.mode, number, dir_fd=at.fd)

    def _link(self, entry: Entry, at: Place, base: bytes) -> None:
        """A further name of a file that this layer already has."""
        parent, name = split(entry.link)
        what = f"hard link to {show(entry.link)}"
        try:
            source = self._places.look(parent)
            status = os.lstat(name, dir_fd=source.fd) if name else None
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ValueError(f"{what}, which is not in the archive before it") from error
        if status is None or stat.S_ISDIR(status.st_mode) or is_whiteout(status):
            raise ValueError(f"{what}, which is no file")
        try:
            self._hard_link(source, name, at, base)
        except FileExistsError:
            if os.path.samestat(status, os.lstat(base, dir_fd=at.fd)):
                return
            self._make_way(at, base)
            self._hard_link(source, name, at, base)
        truth = self.truths.get(source.path + name)
        if truth is not None:
            self.truths[at.path + base] = truth
        elif self._replaced:
            self.truths.pop(at.path + base, None)

    @staticmethod
    def _hard_link(source: Place, name: bytes, at: Place, base: bytes) -> None:
        os.link(name, base, src_dir_fd=source.fd, dst_dir_fd=at.fd, follow_symlinks=False)

    # -- whiteouts -------------------------------------------------------------------------

    def _whiteout(self, at: Place, base: bytes) -> None:
        """Note that the layer deletes a name, or everything in a directory, of those below."""
        if base == OPAQUE:
            self._make_opaque(at.fd)
            return
        if base.startswith(WHITEOUT + WHITEOUT):
            return
        name = base[len(WHITEOUT) :]
        if name in _SPECIAL:
            raise ValueError("it is a whiteout of no name")
        try:
            status = os.lstat(name, dir_fd=at.fd)
        except FileNotFoundError:
            self._delete(at, name)
            return
        if stat.S_ISDIR(status.st_mode):
            self._make_opaque_below(at, name)

    def _delete(self, at: Place, name: bytes) -> None:
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=at.fd)
        except OSError as error:
            if error.errno not in xattrs.REFUSED:
                raise
            self._deleted.add(at.path + name)
            self._plain(at.fd, WHITEOUT + name)

    def _over_whiteout(self, at: Place, name: bytes) -> None:
        """A directory where the layer deleted something before: nothing below shines through."""
        os.unlink(name, dir_fd=at.fd)
        os.mkdir(name, 0o755, dir_fd=at.fd)
        self._make_opaque_below(at, name)

    def _make_opaque_below(self, at: Place, name: bytes) -> None:
        fd = os.open(name, _OPEN_DIRECTORY, dir_fd=at.fd)
        try:
            self._make_opaque(fd)
        finally:
            os.close(fd)

    def _make_opaque(self, fd: int) -> None:
        try:
            os.setxattr(fd, OPAQUE_XATTR, b"y")
        except OSError as error:
            if error.errno not in xattrs.REFUSED:
                raise
            self._plain(fd, OPAQUE)

    def _plain(self, directory: int, name: bytes) -> None:
        """Leave a whiteout as the archive has it."""
        if self.whiteouts == "device":
            self._warn("whiteouts stay files here: native overlay cannot use this layer")
            self.whiteouts = "file"
        try:
            os.close(os.open(name, _CREATE, 0o600, dir_fd=directory))
        except FileExistsError:
            pass

    # -- what is common --------------------------------------------------------------------

    def _make_way(self, at: Place, base: bytes) -> None:
        """Remove what an earlier entry, or a whiteout, left at this name."""
        path = at.path + base
        mode = remove(base, at.fd)
        self.truths.pop(path, None)
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            self._replaced = True
            self._places.forget(path)

    def _finish_node(self, entry: Entry, at: Place, base: bytes, mode: int) -> None:
        """Owner, set-id bits and time of what was never open."""
        if self._replaced:
            self.truths.pop(at.path + base, None)
        if self._record:
            if entry.uid or entry.gid:
                self._note(entry, at.path + base)
        elif (owner := self._owner(entry, at.path + base)) != self._me:
            os.chown(base, *owner, dir_fd=at.fd, follow_symlinks=False)
            if mode & 0o7000 and entry.type != SYMLINK:
                os.chmod(base, mode, dir_fd=at.fd)
        os.utime(base, ns=(entry.mtime, entry.mtime), dir_fd=at.fd, follow_symlinks=False)

    def _is_ours(self, entry: Entry) -> bool:
        """Whether an entry's group on the disk is ours, with others in it perhaps."""
        return self._record or self._mapped.owner(entry)[1] == self._me[1]

    def _owner(self, entry: Entry, path: bytes) -> tuple[int, int]:
        """Who is to own an entry on the disk; the side file is told of an owner that cannot."""
        owner = self._mapped.owner(entry)
        if owner != (entry.uid, entry.gid):
            self._foreign += 1
            self._stranger = self._stranger or f"{show(path)} of {entry.uid}:{entry.gid}"
            truth = self._note(entry, path)
            if entry.type != DIRECTORY:
                truth.unfit = stat.S_ISUID * (owner[0] != entry.uid) | stat.S_ISGID * (
                    owner[1] != entry.gid
                )
        return owner

    def _withhold_capability(self, entry: Entry, path: bytes) -> None:
        """Leave a file's capabilities to the second tree: only the side file tells of them."""
        held = [pair for pair in entry.xattrs or () if pair[0] == xattrs.CAPABILITY]
        if held:
            name, value = held[-1]
            self._note(entry, path).xattrs = {os.fsdecode(name): value}
            entry.xattrs = [pair for pair in entry.xattrs or () if pair[0] != name]

    def _set_xattrs(self, entry: Entry, path: bytes, fd: int) -> None:
        refused = xattrs.set_all(fd, entry.xattrs or [])
        if not refused:
            return
        names = ", ".join(show(name) for name, _ in refused)
        self._warn(f"{show(entry.name)}: cannot set the attributes {names} here")
        truth = self._note(entry, path)
        more = {os.fsdecode(name): value for name, value in refused}
        truth.xattrs = {**(truth.xattrs or {}), **more}

    def _note(self, entry: Entry, path: bytes, mode: int = -1) -> Truth:
        """Put the truth of an entry into the side file's table; `mode` is what the disk got."""
        truth = self.truths.get(path)
        if truth is None:
            truth = self.truths[path] = Truth(*known(entry))
        if mode not in (-1, entry.mode):
            truth.mode = entry.mode
        return truth

    def make_second(self, root: int, directory: str) -> int:
        """Make the second tree of the layer at `directory` (layers.withheld), once `run` is done.

        Return how many files it names. Raises LayerError.
        """

        def refused(path: bytes) -> None:
            self._warn(f"{show(path)}: cannot set the attributes 'security.capability' here")

        try:
            return withheld.write(root, directory, self.truths, refused)
        except OSError as error:
            _explain(os.fsencode(withheld.DIRECTORY), error)

    def _warn(self, text: str) -> None:
        self.warned += 1
        if len(self.warnings) < _WARNINGS:
            self.warnings.append(text)

    # -- the end ---------------------------------------------------------------------------

    def _finish(self) -> None:
        """Give directories what they had to wait for, deepest first."""
        for path in self._deleted:
            self._settle(path)
        for path in sorted(self._directories, reverse=True):
            self._reader.last = path or b"."
            parent, _, base = path.rpartition(b"/")
            if not self._replaced or self._kind(path) == stat.S_IFDIR:
                at = self._places.find(parent)
                self._finish_directory(self._directories[path], at, base or b".")
        if self._replaced:
            for path in [path for path in self.truths if not self._kind(path)]:
                del self.truths[path]

    def _finish_directory(self, entry: Entry, at: Place, base: bytes) -> None:
        ours = self._is_ours(entry)
        mode = entry.mode & ~withheld.bits(entry.mode, directory=True, ours=ours)
        path = at.path + base if base != b"." else base
        if self._record:
            mode |= 0o500
        if mode != entry.mode or (self._record and (entry.uid or entry.gid)):
            self._note(entry, path, mode)
        if not self._record and (owner := self._owner(entry, path)) != self._me:
            os.chown(base, *owner, dir_fd=at.fd, follow_symlinks=False)
        if entry.xattrs is not None or (self._record and (entry.uid or entry.gid)):
            fd = os.open(base, _OPEN_DIRECTORY, dir_fd=at.fd)
            try:
                if self._record:
                    xattrs.tell_owner(fd, entry.uid, entry.gid)
                if entry.xattrs is not None:
                    self._set_xattrs(entry, path, fd)
            finally:
                os.close(fd)
        # Else it was made with this mode, in a directory that gives none of its own to others.
        if mode & ~0o055 != 0o700 or base == b"." or self._me[0] < 0:
            os.chmod(base, mode, dir_fd=at.fd)
        os.utime(base, ns=(entry.mtime, entry.mtime), dir_fd=at.fd, follow_symlinks=False)

    def _settle(self, path: bytes) -> None:
        """Let a layer's own file win over its whiteout that stayed a file."""
        kind = self._kind(path)
        if kind:
            parent, _, base = path.rpartition(b"/")
            at = self._places.find(parent)
            remove(WHITEOUT + base, at.fd)
            if kind == stat.S_IFDIR:
                self._make_opaque_below(at, base)

    def _kind(self, path: bytes) -> int:
        """The type bits of what is at a canonical path now; 0 where there is nothing."""
        parent, base = split(path)
        try:
            at = self._places.look(parent)
            if at.path != parent + b"/" * bool(parent):
                return 0  # a symlink by now, and elsewhere
            return stat.S_IFMT(os.lstat(base or b".", dir_fd=at.fd).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return 0


def _explain(name: bytes, error: OSError) -> NoReturn:
    """Raise a LayerError for what the kernel refused."""
    hint = ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "free some space, or name another directory with --root"
    message = f"unpack {show(name)}: {os.strerror(error.errno or errno.EIO)}"
    raise LayerError(message, hint) from error
