"""The sources of a COPY: which files they mean, and a digest of all that matters of them.

Names, kinds, modes, owners and contents matter; times do not.
"""

from __future__ import annotations

import posixpath
import stat

from rootless.build.dockerfile.errors import suggestion
from rootless.build.files.patterns import compiled, is_pattern
from rootless.build.files.trees import resolve, walk
from rootless.errors import NotFound, UsageError, named
from rootless.oci.layout import own_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from re import Pattern

    from rootless.build.files.hashes import Hashes
    from rootless.build.files.trees import Node, Tree

_SETID = stat.S_ISUID | stat.S_ISGID


class Group:
    """What one source means: a file, or what is in a directory."""

    def __init__(self, name: str, top: Node) -> None:
        self.name = name
        """The last part of its path, which a file keeps in a directory; or the whole of it."""
        self.top = top
        self.above: list[tuple[str, Node]] = []
        """Directories that are to come along, by their paths, the first first."""
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
        literal: bool = False,
    ) -> None:
        """`trusted` is whether set-id bits come along, as from a stage.

        `parents` is whether the directories that a source is in come along, `literal` whether the
        sources are names, whatever is in them.
        """
        self.sources = list(sources)
        self.excluded = list(excluded)
        self.parents = parents
        self.trusted = trusted
        self.literal = literal
        self.alone = True
        """Whether nothing else is copied with it, so that a pattern has to fit something."""


def gather(tree: Tree, wanted: Wanted, explain: Callable[[str], str]) -> list[Group]:
    """Return what the sources mean, in their order.

    `explain` says why a path is not there. Raises NotFound, UsageError, OSError.
    """
    groups: list[Group] = []
    missed = ""
    for text in wanted.sources:
        base, source = _divided(text, wanted)
        if is_pattern(source) and not wanted.literal:
            top = f"{base}/" if base else ""
            found = [path[len(top) :] for path in matching(tree, top + source)]
            missed = missed or ("" if found else text)
        else:
            found = [source]
        for path in found:
            group = _group(tree, base, path, text, wanted, explain)
            if group is not None:
                groups.append(group)
    if missed and not groups and wanted.alone:
        if why := explain(missed):
            raise NotFound(f"{missed!r} fits nothing in the context{why}")
        raise NotFound(f"{missed!r} fits nothing", _near(tree, clean(missed)))
    return groups


def clean(text: str) -> str:
    """A source's path: the root of the tree is the root of all, and nothing is above it."""
    return posixpath.normpath("/" + text).lstrip("/")


def _divided(text: str, wanted: Wanted) -> tuple[str, str]:
    """Return the directory whose parents do not come along, and the path below it."""
    if wanted.parents and "/./" in text:
        base, _, rest = text.partition("/./")
        return clean(base), clean(rest)
    return "", text if wanted.literal else clean(text)


def _near(tree: Tree, path: str) -> str:
    """Return a hint for a path that is not there: what has nearly its name."""
    above, _, name = path.rpartition("/")
    try:
        if (node := tree.look(path)) is not None and node.is_link:
            return f"it is a link to {node.link!r:.200}, and links do not lead out"
        names = [one for one in tree.names(above) if tree.look(f"{above}/{one}" if above else one)]
    except OSError:
        return ""
    return suggestion(name, names)


def _climbs(text: str) -> str:
    """Return a hint for a path that leads out of the tree, and so has begun again at its top."""
    if posixpath.normpath(text.lstrip("/") or ".").split("/")[0] != "..":
        return ""
    return f"nothing is above the {named('context')}: take a directory that has it for that"


def _group(
    tree: Tree, base: str, path: str, text: str, wanted: Wanted, explain: Callable[[str], str]
) -> Group | None:
    """Return what a path below `base` means; None for a file that is excluded."""
    whole = "/".join(filter(None, (base, path)))
    meant = resolve(tree, whole) if whole and not wanted.literal else whole
    top = tree.look(meant)
    if top is None:
        if why := explain(meant):
            raise NotFound(f"{text!r} is not in the context{why}")
        raise NotFound(f"{text!r} is not there", _climbs(text) or _near(tree, whole))
    hides = [compiled(clean(one), deep=True) for one in wanted.excluded]
    group = Group(path if wanted.parents else path.rpartition("/")[2], top)
    if wanted.parents:
        group.above = list(_above(tree, base, path))
    if not top.is_directory or wanted.parents:
        if _is_hidden(group.name, hides):
            return None
        if not top.is_directory:
            return group
    start = len(top.path) + 1 if top.path else 0
    before = f"{path}/" if wanted.parents and path else ""
    dropped: set[str] = set()
    for node in walk(tree, top):
        below = node.path[start:]
        if below.rpartition("/")[0] in dropped or _fits(before + below, hides):
            if node.is_directory:
                dropped.add(below)
            continue
        group.below.append((below, node))
    return group


def _fits(path: str, hides: list[Pattern[str]]) -> bool:
    return any(one.fullmatch(path) for one in hides)


def _is_hidden(path: str, hides: list[Pattern[str]]) -> bool:
    """Whether a path is excluded, or a directory above it."""
    while path:
        if _fits(path, hides):
            return True
        path = path.rpartition("/")[0]
    return False


def _above(tree: Tree, base: str, path: str) -> Iterator[tuple[str, Node]]:
    """Yield the directories on the way to a path, with those that links of the way lead to."""
    way = ""
    for step in path.split("/") if path else ():
        way = f"{way}/{step}" if way else step
        node = tree.look(resolve(tree, "/".join(filter(None, (base, way)))))
        if node is not None and node.is_directory:
            yield way, node


def matching(tree: Tree, pattern: str) -> Iterator[str]:
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
    state = own_sha256()(b"")
    for group in groups:
        name = group.name.encode("utf-8", "surrogateescape")
        state.update(b"%d %d %s\0" % (len(group.above), len(group.below), name))
        for below, node in (*group.above, ("", group.top), *group.below):
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
    return str(state.hexdigest())


def _content(tree: Tree, node: Node, hashes: Hashes, *, read: bool) -> bytes:
    import os

    if node.content is not None:
        return bytes(own_sha256()(node.content).digest())
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
