"""Where a COPY puts its files: the destination in the stage's own tree, and the tar of the layer.

A layer has the directories above what it brings as well, as they are below: whoever unpacked it
alone would make them anew with other modes.

A link to a directory that is where a directory is to come stays, and what is in the directory goes
to where the link leads: in images with /lib -> usr/lib all else would lose their programs. BuildKit
fails there, and replaces the link where an archive is unpacked.
"""

from __future__ import annotations

import os
import posixpath
import stat

from rootless.build.files.trees import resolve
from rootless.errors import UsageError
from rootless.oci.layers import tar, xattrs
from rootless.oci.layers.extract import WHITEOUT
from rootless.oci.layers.tar import Entry
from rootless.oci.layers.tarwriter import HOLES, Writer
from rootless.runtime.tree.copying import extents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.files.gathering import Group
    from rootless.build.files.layered import LayersTree
    from rootless.build.files.modes import Manner
    from rootless.build.files.trees import Node, Tree

_KINDS = {
    stat.S_IFREG: tar.FILE,
    stat.S_IFLNK: tar.SYMLINK,
    stat.S_IFDIR: tar.DIRECTORY,
    stat.S_IFIFO: tar.FIFO,
    stat.S_IFCHR: tar.CHARACTER,
    stat.S_IFBLK: tar.BLOCK_DEVICE,
}
_SETID = stat.S_ISUID | stat.S_ISGID
_REMOVE = "remove it in a step before, or copy to another path"


class Source:
    """What was gathered of one tree."""

    def __init__(self, tree: Tree, groups: list[Group], *, trusted: bool) -> None:
        self.tree = tree
        self.groups = groups
        self.trusted = trusted
        """Whether owners and set-id bits are those of the source: it is a stage's."""
        self.unpacked = False
        """Whether it was an archive, which replaces what it finds and keeps its modes."""
        self.directories: set[str] = set()
        """Directories that the archive has entries for: others are only there for what is in them,
        and stay as they are below."""


class Placing:
    """One layer in the making, inside the user namespace."""

    def __init__(self, output: int, below: LayersTree, manner: Manner) -> None:
        self._writer = Writer(output)
        self._below = below
        self._manner = manner
        self._told: set[str] = set()
        """Directories that the layer has already."""
        self._written: set[str] = set()
        """What is no directory, of what the layer has."""
        self._found: dict[str, bool] = {"": True}
        """Directories, and whether they are there below."""
        self._links: dict[tuple[int, int], bytes] = {}
        self._source: Source | None = None
        self.changed = False
        """Whether a file was another by the time it was read."""

    def copy(self, sources: list[Source], destination: str) -> int:
        """Write what was gathered; return how many entries there are. Raises UsageError, OSError.

        `destination` is absolute; with a slash at its end it is a directory.
        """
        several = sum(len(one.groups) for one in sources if not one.unpacked) > 1
        slash = destination.endswith("/")
        if self._manner.linked:
            target = posixpath.normpath(destination).strip("/")
            into = slash or not target
        else:
            target = resolve(self._below, destination)
            there = self._below.look(target)
            into = slash or (there is not None and there.is_directory) or not target
        if several and not (into or self._manner.parents):
            raise UsageError(
                f"several sources go into a directory, and {destination!r} does not end in a slash",
                f"write it as {f'{destination}/'!r}",
            )
        for source in sources:
            self._source = source
            self._links = {}
            for group in source.groups:
                self._group(source.tree, group, target, into=into)
        return self.finish()

    def make_directory(self, path: str, mode: int = 0o755) -> int:
        """Write a directory, if it is not there, and those above it; return the number of entries.

        Raises UsageError where something else is there.
        """
        target = resolve(self._below, path)
        self._directories(target, mode)
        if not self._made:
            return 0
        return self.finish()

    _made = False

    def finish(self) -> int:
        """Write the end of the tar."""
        self._writer.close()
        return self._writer.entries

    def _group(self, tree: Tree, group: Group, target: str, *, into: bool) -> None:
        parents = self._manner.parents
        if parents:
            self._directories(target)
        ways = {"": target}
        for path, node in group.above:
            ways[path] = self._led(_below(ways, path))
            self._parent(tree, ways[path], node)
        if not group.top.is_directory:
            place = _below(ways, group.name) if into or parents else target
            self._directories(posixpath.dirname(place))
            if stat.S_ISSOCK(group.top.status.st_mode):
                raise UsageError(f"{group.name!r} is a socket, which no image can have")
            self._entry(tree, place, group.top)
            return
        if parents and group.name:
            target = ways.get(group.name) or _below(ways, group.name)
        self._directories(target)
        ways = {"": target}
        for below, node in group.below:
            place = _below(ways, below)
            if node.is_directory:
                ways[below] = self._led(place)
                if ways[below] != place or self._is_way(below):
                    self._directories(ways[below])
                    continue
            self._entry(tree, place, node)

    def _led(self, place: str) -> str:
        """Return where a directory goes: to where a link leads to one, else where it is to be."""
        if self._manner.linked or place in self._told or place in self._written:
            return place
        if self._is_there(place) or not self._is_there(posixpath.dirname(place)):
            return place
        node = self._below.look(place)
        if node is None or not node.is_link:
            return place
        real = resolve(self._below, place)
        there = self._below.look(real)
        return real if there is not None and there.is_directory else place

    def _is_way(self, path: str) -> bool:
        """Whether a directory of an archive is only there for what is in it."""
        source = self._source
        return source is not None and source.unpacked and path not in source.directories

    def _parent(self, tree: Tree, place: str, node: Node) -> None:
        """Write a directory that a source is in, unless there is one already."""
        if place not in self._told and not self._is_there(place):
            self._directories(posixpath.dirname(place))
            self._entry(tree, place, node)

    def _is_there(self, path: str) -> bool:
        """Whether there is a directory below; the answer is remembered."""
        if path not in self._found:
            above = posixpath.dirname(path)
            node = self._below.look(path) if self._is_there(above) else None
            self._found[path] = node is not None and node.is_directory
        return self._found[path]

    def _directories(self, path: str, mode: int = 0o755) -> None:
        """Write a directory and those above it, as they are below or new ones."""
        way = ""
        for step in path.split("/") if path else ():
            way = f"{way}/{step}" if way else step
            if way in self._told:
                continue
            self._told.add(way)
            _refuse_mark(way)
            if way in self._written:
                raise UsageError(f"/{way} would be a file and a directory", "copy one elsewhere")
            node = self._below.look(way)
            if node is not None and node.is_directory:
                self._existing(way, node)
                continue
            if node is not None and not self._manner.linked:
                raise UsageError(f"/{way} is no directory", "name another path")
            uid, gid = self._manner.owner or (0, 0)
            self._made = True
            made = Entry(os.fsencode(way), tar.DIRECTORY, (mode, uid, gid), 0, self._time_of_new())
            self._writer.add(made)

    def _time_of_new(self) -> int:
        return self._manner.now if self._manner.epoch is None else self._manner.epoch * 10**9

    def _existing(self, path: str, node: Node) -> None:
        ids = (node.mode, node.uid, node.gid)
        entry = Entry(os.fsencode(path), tar.DIRECTORY, ids, 0, node.status.st_mtime_ns)
        self._attributes(self._below, entry, node)
        self._writer.add(entry)

    def _attributes(self, tree: Tree, entry: Entry, node: Node, fd: int = -1) -> None:
        opened = tree.open(node) if fd < 0 else fd
        try:
            entry.xattrs = xattrs.read_all(opened)
        finally:
            if fd < 0:
                os.close(opened)
        if node.truth is not None and node.truth.xattrs:
            known = {name for name, _ in entry.xattrs}
            more = ((os.fsencode(name), value) for name, value in node.truth.xattrs.items())
            entry.xattrs += [pair for pair in more if pair[0] not in known]

    def _take_place(self, place: str, node: Node) -> None:
        """Refuse to put a file where a directory is, and the reverse, as BuildKit does."""
        if node.is_directory:
            if place in self._written:
                raise UsageError(f"/{place} would be a file and a directory", "copy one elsewhere")
            self._told.add(place)
        elif place in self._told:
            raise UsageError(f"/{place} would be a directory and a file", "copy one elsewhere")
        else:
            self._written.add(place)
        replaces = self._manner.linked or (self._source is not None and self._source.unpacked)
        if replaces or not self._is_there(posixpath.dirname(place)):
            return
        if node.is_directory:
            there = self._below.look(place)
            if there is not None and not there.is_directory:
                raise UsageError(f"cannot copy a directory to /{place}: a file is there", _REMOVE)
        elif self._is_there(place):
            raise UsageError(f"cannot copy a file to /{place}: a directory is there", _REMOVE)

    def _entry(self, tree: Tree, place: str, node: Node) -> None:
        _refuse_mark(place)
        kind = _KINDS.get(node.kind)
        if kind is None:
            return  # a socket, which no archive has
        self._take_place(place, node)
        entry = Entry(os.fsencode(place), kind, self._ids(node), 0, self._time(node))
        if kind == tar.SYMLINK:
            entry.link = os.fsencode(node.link)
            entry.mode = 0o777
        elif kind in (tar.CHARACTER, tar.BLOCK_DEVICE):
            entry.major, entry.minor = os.major(node.status.st_rdev), os.minor(node.status.st_rdev)
        elif kind == tar.FILE:
            self._file(tree, entry, node)
            return
        elif kind == tar.DIRECTORY:
            self._attributes(tree, entry, node)
        self._writer.add(entry)

    def _file(self, tree: Tree, entry: Entry, node: Node) -> None:
        if node.truth is not None and node.truth.kind:
            entry.type = tar.CHARACTER if node.truth.kind == "c" else tar.BLOCK_DEVICE
            entry.major, entry.minor = node.truth.device
            self._writer.add(entry)
            return
        if node.status.st_nlink > 1:
            first = self._links.setdefault((node.status.st_dev, node.status.st_ino), entry.name)
            if first != entry.name:
                entry.type, entry.link = tar.LINK, first
                self._writer.add(entry)
                return
        fd = tree.open(node)
        try:
            status = os.fstat(fd)
            self.changed = self.changed or _is_other(status, node.status)
            entry.size = status.st_size
            if status.st_size - status.st_blocks * 512 >= HOLES:
                entry.sparse = [(start, end - start) for start, end in extents(fd, entry.size)]
            self._attributes(tree, entry, node, fd)
            self._writer.add(entry, fd)
            self.changed = self.changed or _is_other(os.fstat(fd), node.status)
        finally:
            os.close(fd)

    def _ids(self, node: Node) -> tuple[int, int, int]:
        manner = self._manner
        trusted = self._trusted
        unpacked = self._source is not None and self._source.unpacked
        mode = node.mode if trusted else node.mode & ~_SETID
        if manner.mode is not None and not node.is_link and not unpacked:
            mode = manner.mode.of(mode, is_directory=node.is_directory)
        if manner.owner is not None:
            return (mode, *manner.owner)
        return (mode, node.uid, node.gid) if trusted else (mode, 0, 0)

    @property
    def _trusted(self) -> bool:
        return self._source is not None and self._source.trusted

    def _time(self, node: Node) -> int:
        time, manner = node.status.st_mtime_ns, self._manner
        if manner.epoch is None:
            return time
        # When a context's files were checked out is no part of what is built: nothing of it stays.
        return min(time, manner.epoch * 10**9) if self._trusted else manner.epoch * 10**9


def _is_other(now: os.stat_result, then: os.stat_result) -> bool:
    return (now.st_size, now.st_mtime_ns, now.st_ctime_ns) != (
        then.st_size,
        then.st_mtime_ns,
        then.st_ctime_ns,
    )


def _below(ways: dict[str, str], path: str) -> str:
    """Return where a path of a source goes, of whose directories it is known where they are."""
    above, _, name = path.rpartition("/")
    return posixpath.join(ways[above] if above in ways else posixpath.join(ways[""], above), name)


def _refuse_mark(path: str) -> None:
    """Raise UsageError for a name that would delete files in a layer."""
    if os.fsdecode(WHITEOUT) in path and any(
        step.startswith(os.fsdecode(WHITEOUT)) for step in path.split("/")
    ):
        raise UsageError(
            f"{path!r} cannot be in an image: names that begin with .wh. delete others there",
            "rename it, or leave it out of the context (.dockerignore) or the archive",
        )
