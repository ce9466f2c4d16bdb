"""The sources of a COPY: which files they mean, and a digest of all that matters of them.

Names, kinds, modes, owners and contents matter; times do not.
"""

from __future__ import annotations

import posixpath
import stat
from hashlib import sha256

from rootless.build.files.patterns import compiled, is_pattern
from rootless.build.files.trees import resolve, walk
from rootless.errors import NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rootless.build.files.hashes import Hashes
    from rootless.build.files.trees import Node, Tree

_SETID = stat.S_ISUID | stat.S_ISGID


class Group:
    """What one source means: a file, or what is in a directory."""

    def __init__(self, name: str, top: Node) -> None:
        self.name = name
        """The last part of its path, which a file keeps in a directory."""
        self.top = top
        self.below: list[tuple[str, Node]] = []
        """Of a directory: path below it, and what is there; those above first."""


class Wanted:
    """Which files a COPY takes."""

    def __init__(
        self,
        sources: Iterable[str],
        *,
        excluded: Iterable[str] = (),
        parents: bool = False,
        trusted: bool = False,
    ) -> None:
        """`trusted` is whether set-id bits come along, as from a stage."""
        self.sources = list(sources)
        self.excluded = list(excluded)
        self.parents = parents
        self.trusted = trusted


def gather(tree: Tree, wanted: Wanted, explain: Callable[[str], str]) -> list[Group]:
    """Return what the sources mean, in their order.

    `explain` says why a path is not there. Raises NotFound, UsageError, OSError.
    """
    groups = []
    for text in wanted.sources:
        source = _clean(text)
        if is_pattern(source):
            found = list(_matching(tree, source))
            if not found:
                raise NotFound(f"{text!r} fits nothing{explain('')}")
        else:
            found = [source]
        groups += [_group(tree, path, text, wanted, explain) for path in found]
    return groups


def _clean(text: str) -> str:
    """A source's path: the root of the tree is the root of all, and nothing is above it."""
    return posixpath.normpath("/" + text).lstrip("/")


def _group(
    tree: Tree, path: str, text: str, wanted: Wanted, explain: Callable[[str], str]
) -> Group:
    top = tree.look(resolve(tree, path)) if path else tree.look("")
    if top is None:
        raise NotFound(f"{text!r} is not there{explain(path)}")
    group = Group(path.rpartition("/")[2], top)
    if not top.is_directory:
        return group
    hides = [compiled(_clean(one), deep=True) for one in wanted.excluded]
    start = len(top.path) + 1 if top.path else 0
    dropped: set[str] = set()
    for node in walk(tree, top):
        below = node.path[start:]
        if below.rpartition("/")[0] in dropped or any(one.fullmatch(below) for one in hides):
            if node.is_directory:
                dropped.add(below)
            continue
        group.below.append((below, node))
    return group


def _matching(tree: Tree, pattern: str) -> Iterator[str]:
    """Yield the paths that a pattern fits, in order. Raises UsageError for what is none."""
    try:
        steps = [
            compiled(step, deep=False) if is_pattern(step) and step != "**" else step
            for step in pattern.split("/")
        ]
    except ValueError as error:
        raise UsageError(f"the source {pattern!r:.200} is no pattern: {error}") from error
    found = [""]
    for step in steps:
        level: list[str] = []
        for above in found:
            level += _step(tree, above, step)
        found = level
    yield from dict.fromkeys(found)


def _step(tree: Tree, above: str, step: object) -> Iterator[str]:
    start = f"{above}/" if above else ""
    if step == "**":
        yield above
        if (top := tree.look(above)) is not None and top.is_directory:
            yield from (node.path for node in walk(tree, top) if node.is_directory)
    elif isinstance(step, str):
        if tree.look(start + step) is not None:
            yield start + step
    else:
        node = tree.look(resolve(tree, above))
        if node is not None and node.is_directory:
            for name in tree.names(node.path):
                if step.fullmatch(name) and tree.look(start + name):  # type: ignore[attr-defined]
                    yield start + name


def digest(tree: Tree, groups: list[Group], hashes: Hashes, *, trusted: bool, read: bool) -> str:
    """Return the digest of what was gathered. Raises Unknown where not `read`, OSError."""
    state = sha256()
    for group in groups:
        state.update(b"%d %s\0" % (len(group.below), group.name.encode("utf-8", "surrogateescape")))
        for below, node in ((("", group.top)), *group.below):
            mode = node.mode if trusted else node.mode & ~_SETID
            content = b""
            if node.kind == stat.S_IFREG:
                content = _content(tree, node, hashes, read=read)
            elif node.is_link:
                content = node.link.encode("utf-8", "surrogateescape")
            elif node.kind in (stat.S_IFCHR, stat.S_IFBLK):
                content = b"%d" % node.status.st_rdev
            about = f"{below}\0{node.kind:o} {mode:o} {node.uid} {node.gid} {len(content)} "
            state.update(about.encode("utf-8", "surrogateescape"))
            state.update(content)
    return state.hexdigest()


def _content(tree: Tree, node: Node, hashes: Hashes, *, read: bool) -> bytes:
    import os

    if not read:
        return hashes.known(node.status)
    try:
        return hashes.known(node.status)
    except LookupError:
        pass
    fd = tree.open(node)
    try:
        return hashes.read(fd, node.status)
    finally:
        os.close(fd)
