"""Files whose content is in the Dockerfile itself, as a tree like others."""

from __future__ import annotations

import os

from rootless.build.files.trees import Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MODE = 0o644


class DocumentsTree:
    """Documents by their names, which are root's and 0644."""

    def __init__(self, documents: Mapping[str, bytes]) -> None:
        self._documents = documents

    def close(self) -> None:
        """Nothing is open."""

    def look(self, path: str) -> Node | None:
        """See Tree.look."""
        content = self._documents.get(path)
        if content is None:
            return None
        fd = _opened(content)
        try:
            node = Node(path, os.fstat(fd))
        finally:
            os.close(fd)
        node.mode = _MODE
        node.content = content
        return node

    def names(self, path: str) -> list[str]:
        """See Tree.names."""
        return [] if path else sorted(self._documents)

    def open(self, node: Node) -> int:
        """See Tree.open."""
        return _opened(node.content or b"")


def _opened(content: bytes) -> int:
    """Return the descriptor of a file in memory. Raises OSError."""
    fd = os.memfd_create("document")
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
    return fd
