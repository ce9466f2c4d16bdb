"""COPY, ADD of files, and WORKDIR: files from elsewhere as a layer; no container is started."""

from __future__ import annotations

import os
import stat
import time

from rootless.build.cache.results import Results
from rootless.build.fetching import archives
from rootless.build.files import gathering
from rootless.build.files.accounts import owner
from rootless.build.files.layered import LayersTree
from rootless.build.files.modes import Manner
from rootless.build.files.placing import Placing, Source
from rootless.build.layering import layer
from rootless.build.steps.copy import read_digests
from rootless.build.steps.telling import Telling
from rootless.oci.errors import ImageError
from rootless.runtime.userns import identity
from rootless.times import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.crew import Line
    from rootless.build.files.gathering import Group
    from rootless.build.files.trees import Tree
    from rootless.build.place import Site
    from rootless.build.steps.copy import Copy
    from rootless.images.making import Making
    from rootless.images.trees.stack import Stack

    Document = dict[str, Any]


def copy_files(line: Line, paths: Site, stack: Stack, copy: Copy) -> Document:
    """Do it, unless the cache has it; return the result, its key, and the digests of the sources.

    There is no key where a source has changed meanwhile. Raises UsageError, NotFound, StoreError.
    """
    digests = read_digests(line, paths, copy)
    key = copy.key(stack, digests)
    results = Results(paths, youngest=copy.youngest)
    found = results.get(key, stack) if copy.use_cache else None
    if found is not None:
        told = {"layer": found.layer, "notes": found.notes, "cached": True}
        return {**told, "key": key, "found": digests}
    lowers = paths.lowers(stack)
    owners = "record" if identity.detect().mode == "single" else "chown"
    changed: list[bool] = []

    def fill(making: Making) -> bool:
        entries, moved = making.add_packed(_pack, copy, lowers, owners)
        changed.append(moved)
        return bool(entries)

    result = layer(paths, stack, Telling(line), fill)
    if any(changed):
        key = ""
    else:
        result.notes.update(created=now(), text=copy.text)
        result = results.put(key, result, stack, anew=not copy.use_cache)
    return {"layer": result.layer, "notes": result.notes, "key": key, "found": digests}


def _pack(output: int, copy: Copy, lowers: list[str], owners: str) -> tuple[int, bool]:
    """In the user namespace: write the layer.

    Return how many entries it has, and whether a file changed meanwhile.
    """
    below = LayersTree(lowers)
    if copy.owner:
        copy.manner.owner = owner(below, copy.owner)
    copy.manner.now = time.time_ns()
    sources = []
    for part in copy.parts:
        tree: Tree = part.origin.open()
        groups = gathering.gather(tree, part.wanted, part.origin.explain)
        if part.unpack:
            sources += _unpacked(tree, groups, copy, owners)
        else:
            sources.append(Source(tree, groups, trusted=part.wanted.trusted))
    placing = Placing(output, below, copy.manner)
    entries = placing.copy(sources, copy.destination)
    return entries, placing.changed


def _unpacked(tree: Tree, groups: list[Group], copy: Copy, owners: str) -> list[Source]:
    """Return the sources that files are, each archive among them as what is in it."""
    found: list[Source] = []
    for group in groups:
        source = Source(tree, [group], trusted=False)
        if group.top.kind == stat.S_IFREG:
            fd = tree.open(group.top)
            try:
                stream = archives.opened(fd, group.name)
                if stream is not None:
                    directory = f"{copy.scratch}/{len(found)}"
                    os.mkdir(directory)
                    source = _archive(*archives.unpack_layer(stream, directory, owners=owners))
            except ImageError as error:
                raise error.about(group.name) from None
            finally:
                os.close(fd)
        found.append(source)
    return found


def _archive(top: str, directories: set[str]) -> Source:
    """Return what is in an unpacked archive, with its owners."""
    tree = LayersTree([top], literal=True)
    groups = gathering.gather(tree, gathering.Wanted(["/"], trusted=True), str)
    source = Source(tree, groups, trusted=True)
    source.unpacked, source.directories = True, directories
    return source


def make_directory(
    line: Line, paths: Site, stack: Stack, path: str, user: str, epoch: int | None
) -> Document:
    """WORKDIR: make a directory and those above it; return the result."""
    lowers = paths.lowers(stack)

    def fill(making: Making) -> bool:
        return bool(making.add_packed(_pack_directory, path, user, lowers, epoch))

    result = layer(paths, stack, Telling(line), fill)
    return {"layer": result.layer, "notes": result.notes}


def _pack_directory(output: int, path: str, user: str, lowers: list[str], epoch: int | None) -> int:
    below = LayersTree(lowers)
    manner = Manner()
    manner.epoch, manner.now = epoch, time.time_ns()
    manner.owner = owner(below, user) if user else None
    return Placing(output, below, manner).make_directory(path)
