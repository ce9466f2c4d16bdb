"""COPY, ADD of files, and WORKDIR: files from elsewhere as a layer; no container is started."""

from __future__ import annotations

import os

from rootless.build.cache.results import Results, key_of
from rootless.build.files import gathering
from rootless.build.files.accounts import owner
from rootless.build.files.hashes import Hashes
from rootless.build.files.placing import Manner, Placing
from rootless.build.files.trees import DirectoryTree, LayersTree
from rootless.build.layering import layer
from rootless.build.steps.telling import Telling
from rootless.runtime.userns.worker import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.crew import Line
    from rootless.build.files.gathering import Group, Wanted
    from rootless.build.files.ignore import Ignore
    from rootless.build.files.trees import Tree
    from rootless.images.making import Making, Stack
    from rootless.store.paths import Paths

    Document = dict[str, Any]


class Origin:
    """Where files come from: a directory of this machine, or layers."""

    def __init__(
        self, top: str = "", ignore: Ignore | None = None, lowers: list[str] | None = None
    ) -> None:
        self.top = top
        self.ignore = ignore
        self.lowers = lowers or []

    def open(self) -> DirectoryTree | LayersTree:
        """Return the tree. Raises OSError."""
        if self.lowers:
            return LayersTree(self.lowers)
        return DirectoryTree(self.top, self.ignore)

    @property
    def name(self) -> str:
        """What its digests of files are kept under."""
        return key_of(self.lowers[-1] if self.lowers else os.path.realpath(self.top))[:32]

    def explain(self, path: str) -> str:
        """Say why a path is not there."""
        if self.ignore is None or not path:
            return ""
        rule = self.ignore.deciding(path)
        if rule is None:
            return ""
        return f" (excluded by {self.ignore.name} line {rule.line}: {rule.text!r})"


class Copy:
    """What a COPY is to do."""

    def __init__(self, origin: Origin, wanted: Wanted, destination: str) -> None:
        self.origin = origin
        self.wanted = wanted
        self.destination = destination
        """Absolute."""
        self.owner = ""
        """--chown as it is written, expanded; empty for none."""
        self.manner = Manner()

    def key(self, stack: Stack, digest: str) -> str:
        """Return the key of the step, where this is the digest of what it copies."""
        manner = self.manner
        how = [self.destination, self.owner, manner.mode, manner.trusted, manner.parents]
        return key_of("copy", stack.diff_ids, how, manner.epoch, digest)


def digest_of(paths: Paths, origin: Origin, wanted: Wanted, *, read: bool) -> str:
    """Return the digest of what is wanted. Raises Unknown where not `read`; NotFound, OSError."""
    tree = origin.open()
    try:
        groups = gathering.gather(tree, wanted, origin.explain)
        hashes = Hashes(f"{paths.builds}/hashes/{origin.name}")
        found = gathering.digest(tree, groups, hashes, trusted=wanted.trusted, read=read)
        if read:
            hashes.save()
        return found
    finally:
        tree.close()


def read_digest(_line: Line, paths: Paths, origin: Origin, wanted: Wanted) -> str:
    """Return the digest of what is wanted, whatever has to be read for it."""
    try:
        return digest_of(paths, origin, wanted, read=True)
    except PermissionError:
        return str(call(paths, _digest_inside, paths, origin, wanted))


def _digest_inside(paths: Paths, origin: Origin, wanted: Wanted) -> str:
    return digest_of(paths, origin, wanted, read=True)


def copy_files(line: Line, paths: Paths, stack: Stack, copy: Copy) -> Document:
    """Do it, unless the cache has it; return the result.

    Raises UsageError, NotFound, StoreError.
    """
    key = copy.key(stack, read_digest(line, paths, copy.origin, copy.wanted))
    results = Results(paths)
    found = results.get(key, stack)
    if found is not None:
        return {"layer": found.layer, "notes": found.notes, "cached": True}
    lowers = [f"{paths.layers}/{chain}/fs" for chain in stack.chains]
    changed: list[bool] = []

    def fill(making: Making) -> bool:
        entries, moved = making.add_packed(_pack, copy, lowers)
        changed.append(moved)
        return bool(entries)

    result = layer(paths, stack, Telling(line), fill)
    if not any(changed):
        results.put(key, result)
    return {"layer": result.layer, "notes": result.notes}


def _pack(output: int, copy: Copy, lowers: list[str]) -> tuple[int, bool]:
    """In the user namespace: write the layer.

    Return how many entries it has, and whether a file changed meanwhile.
    """
    below = LayersTree(lowers)
    tree: Tree = copy.origin.open()
    groups: list[Group] = gathering.gather(tree, copy.wanted, copy.origin.explain)
    if copy.owner:
        copy.manner.owner = owner(below, copy.owner)
    placing = Placing(output, below, copy.manner)
    entries = placing.copy(tree, groups, copy.destination)
    return entries, placing.changed


def make_directory(
    line: Line, paths: Paths, stack: Stack, path: str, user: str, epoch: int | None
) -> Document:
    """WORKDIR: make a directory and those above it; return the result."""
    lowers = [f"{paths.layers}/{chain}/fs" for chain in stack.chains]

    def fill(making: Making) -> bool:
        return bool(making.add_packed(_pack_directory, path, user, lowers, epoch))

    result = layer(paths, stack, Telling(line), fill)
    return {"layer": result.layer, "notes": result.notes}


def _pack_directory(output: int, path: str, user: str, lowers: list[str], epoch: int | None) -> int:
    import time

    below = LayersTree(lowers)
    manner = Manner()
    manner.epoch, manner.now = epoch, time.time_ns()
    manner.owner = owner(below, user) if user else None
    return Placing(output, below, manner).make_directory(path)
