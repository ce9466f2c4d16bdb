"""Trees of layers as tar streams: the changes for `commit`, everything for `export`.

Owners are those that files have in the containers' user namespace. Where it has one id only, and
for all that the disk could not be given, the side files of the layers say more (`layers.owners`);
what a container has changed keeps it as far as it left it as it was on the disk.
"""

from __future__ import annotations

import errno
import os
import stat

from rootless.errors import Error, StoreError
from rootless.images.trees.comparing import CHANGED, DELETED, Comparison
from rootless.oci.layers import tar, xattrs
from rootless.oci.layers.extract import WHITEOUT
from rootless.oci.layers.tar import Entry
from rootless.oci.layers.tarwriter import HOLES, Writer
from rootless.runtime.tree.copying import extents
from rootless.values import OWNER_ATTRIBUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from rootless.images.trees.comparing import Change, Trees
    from rootless.images.trees.ids import Ids
    from rootless.images.trees.views import Found, View
    from rootless.oci.layers.owners import Truth

_KINDS = {
    stat.S_IFREG: tar.FILE,
    stat.S_IFLNK: tar.SYMLINK,
    stat.S_IFCHR: tar.CHARACTER,
    stat.S_IFBLK: tar.BLOCK_DEVICE,
    stat.S_IFDIR: tar.DIRECTORY,
    stat.S_IFIFO: tar.FIFO,
}
"""All but sockets, which no archive has."""

_TOLD = 100
"""How many paths are told that no layer can have."""

_OPENED = (tar.FILE, tar.DIRECTORY)


def pack(output: int, trees: Trees, everything: bool, ids: Ids) -> tuple[int, list[str]]:
    """In the user namespace: write the changes, or the whole new tree.

    Return how many entries there are, and of those that no layer can have (`Trees.is_layer`) the
    first. Raises StoreError.
    """
    try:
        with Comparison(trees, everything=everything, packed=True) as comparison:
            ids.look(comparison.new)
            packer = Packer(output, comparison, ids, whole=everything, is_layer=trees.is_layer)
            packer.recorded, packer.newest = trees.recorded, trees.newest
            packer.rooted = trees.rooted
            return packer.run(), packer.left_out
    except BrokenPipeError:
        raise Error("cannot write the archive: nobody reads it any more") from None
    except OSError as error:
        where = f" ({error.filename})" if isinstance(error.filename, str) else ""
        raise StoreError(f"cannot write the archive: {error.strerror}{where}") from error


def _is_mark(path: bytes) -> bool:
    return any(step.startswith(WHITEOUT) for step in path.split(b"/"))


class Packer:
    """Writes what a comparison tells."""

    def __init__(
        self, output: int, comparison: Comparison, ids: Ids, *, whole: bool, is_layer: bool
    ) -> None:
        self._writer = Writer(output)
        self._comparison = comparison
        self._ids = ids
        self._whole = whole
        """Whether it is all of the tree, not a layer upon others."""
        self._is_layer = is_layer
        self.recorded: dict[int | str, tuple[int, int]] | None = None
        """See Trees.recorded."""
        self.newest: int | None = None
        """See Trees.newest."""
        self.rooted = False
        """See Trees.rooted."""
        self.left_out: list[str] = []
        """Paths that mean something else in a layer; the first of them."""
        self._links: dict[tuple[str, int], Entry] = {}
        """Layer and inode of each file with several names -> what was written of it."""

    def run(self) -> int:
        """Write the archive; return the number of its entries. Raises OSError."""
        usual = (stat.S_IFDIR | 0o755, 0, 0)
        mine = self._comparison.new.identity or usual
        theirs = self._comparison.old.identity or usual
        # Who unpacks it gives the root the usual mode, unless it is told.
        unusual = mine != usual
        if mine != theirs or (unusual and self._whole) or self.rooted:
            self._root(self._comparison.new)
        for change in self._comparison.changes():
            if unusual and not self._writer.entries:
                self._root(self._comparison.new)
            try:
                self._change(change)
            except FileNotFoundError:
                pass  # it has gone meanwhile: the container runs
        self._writer.close()
        return self._writer.entries

    def _root(self, view: View) -> None:
        layer, directory = view.parts[0]
        status = os.fstat(directory.fd)
        entry = _entry(b".", tar.DIRECTORY, status)
        entry.uid, entry.gid = layer.owner(status)
        entry.xattrs = xattrs.read_all(directory.fd)
        _correct(entry, layer.truths.get("."))
        if self.recorded is not None and (asked := _asked(directory.fd)):
            entry.uid, entry.gid = _merged(entry, asked)
        self._write(entry)

    def _change(self, change: Change) -> None:
        path = os.fsencode(change.path)
        here = change.node
        if self._is_layer and WHITEOUT in path and _is_mark(path):
            if here is not None and len(self.left_out) < _TOLD:
                self.left_out.append(change.path)
            return
        if here is not None and stat.S_IFMT(here.status.st_mode) in _KINDS:
            self._add(path, here, change.before)
        elif change.kind in (DELETED, CHANGED) and not self._whole:
            # A socket, too, hides what was there.
            above, _, name = path.rpartition(b"/")
            marker = above + b"/" * bool(above) + WHITEOUT + name
            self._writer.add(Entry(marker, tar.FILE, (0o600, 0, 0), 0, 0))

    def _add(self, path: bytes, here: Found, before: Found | None) -> None:
        kind = _KINDS[stat.S_IFMT(here.status.st_mode)]
        file = (here.layer.path, here.status.st_ino)
        if kind == tar.FILE and here.status.st_nlink > 1 and (first := self._links.get(file)):
            entry = _entry(path, tar.LINK, here.status)
            entry.link = first.name
            entry.mode, entry.uid, entry.gid = first.mode, first.uid, first.gid
            self._write(entry)
            return
        if kind not in _OPENED:
            entry = _entry(path, kind, here.status)
            if kind == tar.SYMLINK:
                entry.link = os.fsencode(here.link())
            self._tell_truth(entry, here, before)
            known = self.recorded or {}
            asked = known.get(here.status.st_ino) or known.get(os.fsdecode(path))
            if asked and not here.layer.unpacked:
                entry.uid, entry.gid = _merged(entry, asked)
            self._write(entry)
            return
        fd = here.open(os.O_RDONLY | os.O_NONBLOCK)
        opened = [fd]
        try:
            status = os.fstat(fd)
            if stat.S_IFMT(status.st_mode) != stat.S_IFMT(here.status.st_mode):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), here.name)
            entry = _entry(path, kind, status)
            entry.xattrs = xattrs.read_all(fd)
            if kind == tar.FILE:
                if (elsewhere := here.content(fd)) >= 0:
                    opened.append(elsewhere)
                entry.size = status.st_size
                entry.sparse = _holes(opened[-1], status)
            self._tell_truth(entry, here, before)
            if self.recorded is not None and not here.layer.unpacked and (asked := _asked(fd)):
                entry.uid, entry.gid = _merged(entry, asked)
            self._write(entry, opened[-1])
            if kind == tar.FILE and here.status.st_nlink > 1:
                self._links[file] = entry
        finally:
            for one in opened:
                os.close(one)

    def _write(self, entry: Entry, fd: int = -1) -> None:
        if self.newest is not None:
            entry.mtime = min(entry.mtime, self.newest)
        self._writer.add(entry, fd)

    def _tell_truth(self, entry: Entry, here: Found, before: Found | None) -> None:
        """Give an entry what the disk could not be given, and the owner that the container saw."""
        path = os.fsdecode(entry.name)
        if here.layer.unpacked:
            _correct(entry, here.layer.truths.get(path))
            return
        now, then = here.status, before.status if before else None
        if here.layer.is_exact:
            entry.uid, entry.gid = here.owner
        if then is None or stat.S_IFMT(now.st_mode) != stat.S_IFMT(then.st_mode):
            self._show(entry, here)
            return
        kept = here.owner == (then.st_uid, then.st_gid)
        if not kept:
            self._show(entry, here)
        same_content = (now.st_size, now.st_mtime_ns) == (then.st_size, then.st_mtime_ns)
        truth = before.layer.truths.get(path) if before else None
        _correct(
            entry,
            truth,
            # What the container could see there and has not any more, chown(2) has taken away.
            seen=_seen(before) if before and truth is not None and truth.xattrs else set(),
            owner=kept,
            mode=now.st_mode == then.st_mode,
            content=same_content or not stat.S_ISREG(now.st_mode),
        )

    def _show(self, entry: Entry, here: Found) -> None:
        """Give an entry that the container has made the owner that it saw."""
        if not here.layer.is_exact:
            entry.uid, entry.gid = self._ids.shown(entry.uid, entry.gid)


_UNCHANGED = 0xFFFFFFFF
_ORIGIN = "user.overlay.origin"


def _asked(fd: int) -> tuple[int, int] | None:
    """Return the owner that an open file was to have (runtime.supervision.ownership).

    None where nobody asked, and where a new file was given to root: then it was given the owner
    that another file showed, in whose place it is now, as `sed -i` does. Which owner that really
    has, nobody could show with one id. A file that was there before has overlay's mark of it.
    """
    try:
        uid, _, gid = os.getxattr(fd, OWNER_ATTRIBUTE).partition(b":")
        asked = int(uid), int(gid)
    except (OSError, ValueError):
        return None
    if asked == (0, 0):
        try:
            os.getxattr(fd, _ORIGIN)
        except OSError:
            return None
    return asked


def _seen(found: Found) -> set[str]:
    """Return the names of the attributes that a file has on the disk."""
    try:
        fd = found.open(os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return set()
    try:
        return {os.fsdecode(name) for name, _ in xattrs.read_all(fd)}
    finally:
        os.close(fd)


def _merged(entry: Entry, asked: tuple[int, int]) -> tuple[int, int]:
    """Return the owner of an entry, of which a half may not have been asked for."""
    uid, gid = asked
    return (
        entry.uid if uid == _UNCHANGED else uid,
        entry.gid if gid == _UNCHANGED else gid,
    )


def _entry(path: bytes, kind: bytes, status: os.stat_result) -> Entry:
    ids = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    entry = Entry(path, kind, ids, 0, status.st_mtime_ns)
    if kind in (tar.CHARACTER, tar.BLOCK_DEVICE):
        entry.major, entry.minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    return entry


def _holes(fd: int, status: os.stat_result) -> list[tuple[int, int]] | None:
    """Where a file has data, if its holes are too large to be written out."""
    if status.st_size - status.st_blocks * 512 < HOLES:
        return None
    return [(start, end - start) for start, end in extents(fd, status.st_size)]


def _correct(
    entry: Entry,
    truth: Truth | None,
    *,
    owner: bool = True,
    mode: bool = True,
    content: bool = True,
    seen: Container[str] = (),
) -> None:
    """Put in what the side file says, of each group that holds still.

    But for attributes that were `seen` on the disk, which tells of them itself.
    """
    if truth is None:
        return
    if owner:
        entry.uid, entry.gid = truth.uid, truth.gid
    if mode and truth.mode >= 0:
        entry.mode = truth.mode
    if content and truth.kind and entry.type == tar.FILE and not entry.size:
        entry.type = tar.CHARACTER if truth.kind == "c" else tar.BLOCK_DEVICE
        entry.major, entry.minor = truth.device
    if content and truth.xattrs:
        known = {os.fsdecode(name) for name, _ in entry.xattrs or ()}
        more = [
            (os.fsencode(name), value)
            for name, value in truth.xattrs.items()
            if name not in known and name not in seen
        ]
        entry.xattrs = [*(entry.xattrs or ()), *more]
