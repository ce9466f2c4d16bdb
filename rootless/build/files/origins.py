"""Where a COPY or a mount takes files from, before anything of it is opened."""

from __future__ import annotations

import os

from rootless.build.cache.results import key_of
from rootless.build.files.documents import DocumentsTree
from rootless.build.files.gathering import clean, matching
from rootless.build.files.patterns import is_pattern
from rootless.build.files.trees import DirectoryTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from rootless.build.files.ignore import Ignore
    from rootless.build.files.layered import LayersTree
    from rootless.images.trees.stack import Stack

    Opened: TypeAlias = DirectoryTree | LayersTree | DocumentsTree


class Origin:
    """Where files come from: a directory of this machine, or layers."""

    def __init__(
        self, top: str = "", ignore: Ignore | None = None, lowers: list[str] | None = None
    ) -> None:
        self.top = top
        self.ignore = ignore
        self.lowers = lowers or []
        self.stack: Stack | None = None
        """The layers, of which some may not be here yet."""

    def open(self) -> Opened:
        """Return the tree. Raises OSError."""
        if self.lowers:
            from rootless.build.files.layered import LayersTree

            return LayersTree(self.lowers)
        return DirectoryTree(self.top, self.ignore)

    @property
    def name(self) -> str:
        """What its digests of files are kept under."""
        return key_of(self.lowers[-1] if self.lowers else os.path.realpath(self.top))[:32]

    def explain(self, path: str) -> str:
        """Say why a path, or what a pattern means, is not there."""
        if self.ignore is None or not path:
            return ""
        if is_pattern(path):
            whole = DirectoryTree(self.top)
            try:
                path = next(matching(whole, clean(path)), "")
            finally:
                whole.close()
        rule = self.ignore.deciding(path) if path else None
        if rule is None:
            return ""
        return f" (excluded by {self.ignore.name} line {rule.line}: {rule.text!r})"


class Documents(Origin):
    """Documents of the Dockerfile, by name."""

    def __init__(self, documents: Mapping[str, bytes]) -> None:
        super().__init__()
        self._documents = documents

    def open(self) -> DocumentsTree:
        """See Origin.open."""
        return DocumentsTree(self._documents)

    @property
    def name(self) -> str:
        """See Origin.name."""
        return "documents"
