"""What of a context a build would read, and which line of its ignore file hides the rest."""

from __future__ import annotations

import stat

from rootless.build.files.gathering import gather
from rootless.build.files.trees import DirectoryTree, walk
from rootless.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rootless.build.files.gathering import Wanted
    from rootless.build.files.ignore import Ignore, Rule
    from rootless.build.files.origins import Origin


class Listed:
    """A path of a context: of a directory it ends in a slash."""

    def __init__(self, path: str, size: int, by: str = "", rule: Rule | None = None) -> None:
        self.path = path
        self.size = size
        """Bytes; 0 of what is no file."""
        self.by = by
        """The instruction that takes it, the first of several; empty where it is hidden."""
        self.rule = rule
        """The line by which it is hidden."""


def used(origin: Origin, taking: Iterable[tuple[str, Wanted]]) -> tuple[list[Listed], list[str]]:
    """Return the paths that instructions take, each once, in order, and what they miss.

    `taking` is (what to call it, what it takes) of each. Raises UsageError, OSError.
    """
    found: dict[str, Listed] = {}
    missed = []
    tree = origin.open()
    try:
        for by, wanted in taking:
            try:
                groups = gather(tree, wanted, origin.explain)
            except NotFound as error:
                missed.append(f"{by}: {error.message}")
                continue
            for group in groups:
                for _, node in (*group.above, ("", group.top), *group.below):
                    if not node.path:
                        continue
                    name = f"{node.path}/" if node.is_directory else node.path
                    size = node.status.st_size if node.kind == stat.S_IFREG else 0
                    found.setdefault(name, Listed(name, size, by))
    finally:
        tree.close()
    return [found[name] for name in sorted(found)], missed


def hidden(top: str, ignore: Ignore | None) -> Iterator[Listed]:
    """Yield each path that is hidden, with the line that decides; of a directory it alone.

    Of one that may have something in it after all what is in it is told. Raises OSError.
    """
    if ignore is None or not ignore.rules:
        return
    tree = DirectoryTree(top)
    dropped = "\0"
    try:
        root = tree.look("")
        for node in walk(tree, root) if root else ():
            if node.path.startswith(dropped):
                continue
            rule = ignore.deciding(node.path)
            if rule is None:
                continue
            if node.is_directory:
                if any(one.negated and one.reaches_below(node.path) for one in ignore.rules):
                    continue
                dropped = f"{node.path}/"
            size = node.status.st_size if node.kind == stat.S_IFREG else 0
            yield Listed(f"{node.path}/" if node.is_directory else node.path, size, rule=rule)
    finally:
        tree.close()
