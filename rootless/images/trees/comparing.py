"""What differs between two trees of layers: the walk that `diff`, `commit` and `export` share.

What a layer has of its own counts as a change without a look at it, as docker has it: two layers
are compared by what lstat(2) tells only where one does not lie upon the other, as in a root that
was copied. Mount points that a start has made are nobody's change.
"""

from __future__ import annotations

import os
import stat

from rootless.errors import Error
from rootless.images.trees.views import Layer, View, is_same_kind
from rootless.linux import files
from rootless.oci.descent import WINDOW
from rootless.oci.errors import LayerError
from rootless.oci.layers import xattrs
from rootless.runtime.tree.operations import Marks
from rootless.values import OWNER_ATTRIBUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rootless.images.trees.views import Found
    from rootless.runtime.userns.shift import Owners

ADDED, CHANGED, DELETED, SAME = "A", "C", "D", "="

DEPTH = 255
"""Directories that a tree may be deep that is packed: as deep as archives (layers.tar.Limits)."""

LONGEST = 4095
"""Bytes of a path that is told: the kernel's PATH_MAX without its NUL."""


class Trees:
    """Two trees, each as the paths of its layers, topmost first, and mount points to overlook."""

    def __init__(self, new: list[str], old: list[str], mount_points: Iterable[str] = ()) -> None:
        self.new = new
        self.old = old
        self.mount_points = sorted(mount_points)
        """Paths in the new tree that may be there only because something is mounted on them."""
        self.owners: dict[str, Owners] = {}
        """Of layers whose owners on the disk are not those of the image: see views.Layer."""
        self.literal: set[str] = set()
        """Those in which names that begin with .wh. are files': see views.Layer."""
        self.recorded: dict[int | str, tuple[int, int]] | None = None
        """Owners of links and devices by inode and by path, where the topmost layer remembers
        owners that the disk could not have (runtime.supervision.ownership); None where not."""
        self.is_layer = True
        """Whether what is packed is to lie upon others, where such names would delete."""
        self.rooted = False
        """Whether the root itself has an entry in any case, for who has another one for it."""
        self.newest: int | None = None
        """Nanoseconds since 1970 that no packed file is younger than; None for as they are."""
        self.rough = False
        """Whether times that differ by parts of a second are the same: archives tell no more."""


class Change:
    """What became of one path."""

    __slots__ = ("before", "kind", "node", "path")

    def __init__(self, kind: str, path: str, node: Found | None, before: Found | None) -> None:
        self.kind = kind
        """ADDED, CHANGED, DELETED, or SAME."""
        self.path = path
        """Without a slash before it."""
        self.node = node
        """What it is; None for what was deleted."""
        self.before = before
        """What it was; None for what was added."""


class _Level:
    """A directory of both trees on the way, and the names in it that are still to come."""

    def __init__(self, new: View, old: View, path: str, names: Iterable[str]) -> None:
        self.new = new
        self.old = old
        self.path = path
        """With a slash at the end; empty for the root."""
        self.names = sorted(names, key=os.fsencode, reverse=True)
        self.change: Change | None = None
        """It itself, where it is only told if something in it is."""

        self._rests = False

    def rest(self, below: _Level, *, but: int) -> None:
        """Close what can be opened again from `below`, but for so many parts of the new tree."""
        self.new.rest(below.new, but=but)
        self.old.rest(below.old)
        self._rests = True

    def resume(self, below: _Level) -> None:
        """Open again what rests."""
        if self._rests:
            self.new.resume(below.new)
            self.old.resume(below.old)
            self._rests = False

    def close(self) -> None:
        self.new.close()
        self.old.close()


class Comparison:
    """A walk through both trees at once, inside the user namespace. A context manager."""

    def __init__(self, trees: Trees, *, everything: bool = False, packed: bool = False) -> None:
        """With `everything` what is SAME is told as well, and what was deleted is not.

        `packed` is for who opens what he is told.
        """
        files.allow_all()
        paths = (*trees.new, *trees.old)
        known = {
            path: Layer(path, trees.owners.get(path), literal=path in trees.literal)
            for path in paths
        }
        self._stack = {known[path] for path in trees.new}
        self.new = View.of(known[path] for path in trees.new)
        self.old = View.of(known[path] for path in trees.old)
        self._everything = everything
        self._packed = packed
        self._window = max(2, 4 * WINDOW // (len(self.new.parts) + len(self.old.parts)))
        self._levels: list[_Level] = []
        self._rough = trees.rough
        self._recorded = trees.recorded is not None
        self._mount_points = {path.strip("/") for path in trees.mount_points}
        self._above = {above for path in self._mount_points for above in _parents(path)}
        self._pending: list[Change] = []
        """Directories on the way that are as they were, unless something in them is not."""

    def __enter__(self) -> Comparison:
        return self

    def __exit__(self, *_: object) -> None:
        for level in self._levels[::-1]:
            level.close()
        self.new.close()
        self.old.close()

    def changes(self) -> Iterator[Change]:
        """Tell them, directories before what is in them, names in order. Raises OSError.

        A change holds while the next one is not asked for.
        """
        levels = self._levels
        self._enter(self.new, self.old, "")
        while levels:
            level = levels[-1]
            if not level.names:
                self._leave(levels.pop())
                continue
            name = level.names.pop()
            here, there = level.new.entries().get(name), level.old.entries().get(name)
            where = level.path + name
            if here is None:
                yield from self._tell(Change(DELETED, where, None, there))
            elif there is not None and here.layers == there.layers and not self._everything:
                continue
            elif here.is_directory:
                yield from self._directory(level, Change(SAME, where, here, there))
            elif (kind := self._kind(here, there)) != SAME or self._everything:
                yield from self._tell(Change(kind, where, here, there))

    def _enter(self, new: View, old: View, path: str) -> None:
        """Go down into a directory; its views belong to the walk now."""
        levels = self._levels
        levels.append(_Level(new, old, path, ()))
        if len(levels) - 1 > DEPTH and self._packed:
            raise LayerError(f"{_cut(path)!r} lies deeper than {DEPTH} directories")
        if len(os.fsencode(path)) > LONGEST:
            raise LayerError(f"{_cut(path)!r} has a path of more than {LONGEST} bytes")
        mine, theirs = new.entries(), old.entries()
        names = mine.keys() if self._everything else mine.keys() | theirs.keys()
        levels[-1] = _Level(new, old, path, names - self._made(new, old, path))
        if len(levels) > self._window:
            # Who packs opens a directory that waits to be told where its own is the topmost layer.
            levels[-1 - self._window].rest(levels[-self._window], but=int(self._packed))

    def _leave(self, level: _Level) -> None:
        if level.change is not None and self._pending and self._pending[-1] is level.change:
            self._pending.pop()
        if self._levels:
            self._levels[-1].resume(level)
            level.close()

    def _kind(self, here: Found, there: Found | None) -> str:
        if there is None:
            return ADDED
        try:
            return CHANGED if self._differs(here, there) else SAME
        except FileNotFoundError:
            return CHANGED  # it has gone while we looked: a container may run

    def _directory(self, above: _Level, change: Change) -> Iterator[Change]:
        here, there = change.node, change.before
        assert here is not None  # noqa: S101 - who calls this has looked
        both = there is not None and there.is_directory
        try:
            mine = above.new.enter(here.name)
        except FileNotFoundError:
            return  # it has gone meanwhile: a container may run
        theirs = above.old.enter(here.name) if both else View([])
        self._enter(mine, theirs, f"{change.path}/")
        level = self._levels[-1]
        touched = bool(self._made(mine, theirs, level.path)) if both else False
        if there is None:
            change.kind = ADDED
        elif self._differs(here, there, times=not touched):
            change.kind = CHANGED
        if change.kind != SAME or self._everything:
            yield from self._tell(change)
        else:
            level.change = change
            self._pending.append(change)

    def _differs(self, here: Found, there: Found, *, times: bool = True) -> bool:
        """Whether a name means something else than before."""
        if here.layer is there.layer:
            return False
        if not is_same_kind(here, there) or (not here.is_directory and there.layer in self._stack):
            return True
        if times and not _is_same_time(here, there, rough=self._rough):
            return True
        if _identity(here) != _identity(there):
            return True
        return self._recorded and _wished(here) != _wished(there)

    def _tell(self, change: Change) -> Iterator[Change]:
        for directory in self._pending:
            directory.kind = CHANGED  # as docker: something in it did
            yield directory
        self._pending.clear()
        yield change

    def _made(self, new: View, old: View, path: str) -> set[str]:
        """The names in a directory that are only mount points, or ways to them."""
        if path and path[:-1] not in self._above:
            return set()
        return {
            name
            for name, here in new.entries().items()
            if name not in old.entries() and self._is_made(new, here, path + name)
        }

    def _is_made(self, new: View, here: Found, path: str) -> bool:
        if path not in self._mount_points and path not in self._above:
            return False
        if stat.S_ISLNK(here.status.st_mode):
            return here.link() == Marks.MOUNTS
        if not here.is_directory:
            return stat.S_ISREG(here.status.st_mode) and not here.status.st_size
        with new.enter(here.name) as inside:
            entries = inside.entries().values()
            return (bool(entries) or path in self._mount_points) and all(
                self._is_made(inside, one, f"{path}/{one.name}") for one in entries
            )


def _cut(path: str) -> str:
    return path if len(path) <= 100 else path[:100] + "…"


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _is_same_time(one: Found, other: Found, *, rough: bool) -> bool:
    """Whether both were written at the same time. Of symbolic links nobody minds the times."""
    if stat.S_ISLNK(one.status.st_mode):
        return True
    mine, theirs = (divmod(each.status.st_mtime_ns, 1_000_000_000) for each in (one, other))
    cut = rough and not (mine[1] and theirs[1])
    return mine[0] == theirs[0] and (cut or mine[1] == theirs[1])


def _identity(found: Found) -> object:
    """What has to be equal of two that are the same, but for times."""
    status = found.status
    mode = status.st_mode
    what: object = status.st_rdev
    if stat.S_ISLNK(mode):
        what = found.link()
    attributes: object = ()
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        fd = found.open(os.O_RDONLY | os.O_NONBLOCK)
        try:
            attributes = xattrs.read_all(fd)
        finally:
            os.close(fd)
    size = status.st_size if stat.S_ISREG(mode) else 0
    return (mode, found.owner, size, what, attributes)


def _wished(found: Found) -> bytes:
    """Whose a directory was to be where the disk cannot tell; empty for nothing."""
    fd = found.open(os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.getxattr(fd, OWNER_ATTRIBUTE)
    except OSError:
        return b""
    finally:
        os.close(fd)


def listed(trees: Trees) -> list[list[str]]:
    """In the user namespace: each change as its letter and its path, sorted by path."""
    try:
        with Comparison(trees) as comparison:
            found = [[change.kind, f"/{change.path}"] for change in comparison.changes()]
    except OSError as error:
        raise Error(f"cannot compare the files: {error.strerror} ({error.filename})") from error
    return sorted(found, key=lambda pair: os.fsencode(pair[1]))
