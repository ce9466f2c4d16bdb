"""The layers of a stage or an image as one tree that files are taken from: see `trees`."""

from __future__ import annotations

import errno
import os
import stat

from rootless.build.files.trees import READ, Node
from rootless.images.trees.views import Layer, View
from rootless.runtime.tree.rootfs import stacked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.trees.views import Found
    from rootless.oci.layers.owners import Truth


class LayersTree:
    """The merged layers of a stage or an image, lowest first, inside the user namespace."""

    def __init__(self, lowers: list[str], *, literal: bool = False) -> None:
        """`literal` is whether names that begin with .wh. are files' like others."""
        self._root = View.of(Layer(path, literal=literal) for path in stacked(lowers[::-1]))
        self._last: tuple[str, View] = ("", self._root)

    def close(self) -> None:
        """Close what is open."""
        if self._last[1] is not self._root:
            self._last[1].close()
        self._root.close()

    def look(self, path: str) -> Node | None:
        """See Tree.look."""
        if not path:
            return self._top()
        found = self._find(path)
        if found is None:
            return None
        node = Node(path, found.status, found.link() if stat.S_ISLNK(found.status.st_mode) else "")
        node.uid, node.gid = found.owner
        if (truth := found.layer.truths.get(path)) is not None:
            _take_truth(node, truth)
        return node

    def names(self, path: str) -> list[str]:
        """See Tree.names."""
        return sorted(self._directory(path).entries(), key=os.fsencode)

    def open(self, node: Node) -> int:
        """See Tree.open."""
        if not node.path:
            return os.open(".", READ, dir_fd=self._root.parts[0][1].fd)
        found = self._find(node.path)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), node.path)
        fd = found.open(os.O_RDONLY | os.O_NONBLOCK)
        if (elsewhere := found.content(fd)) >= 0:
            os.close(fd)
            return elsewhere
        return fd

    def _top(self) -> Node | None:
        if not self._root.parts:
            return None
        layer, directory = self._root.parts[0]
        node = Node("", os.fstat(directory.fd))
        node.uid, node.gid = layer.owner(node.status)
        if (truth := layer.truths.get(".")) is not None:
            _take_truth(node, truth)
        return node

    def _find(self, path: str) -> Found | None:
        above, _, name = path.rpartition("/")
        try:
            return self._directory(above).entries().get(name)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _directory(self, path: str) -> View:
        """Return the view of a directory, which stays ours. Raises OSError."""
        if not path:
            return self._root
        if self._last[0] == path:
            return self._last[1]
        view = self._root
        for step in path.split("/"):
            found = view.entries().get(step)
            below = view.enter(step) if found is not None and found.is_directory else None
            if view is not self._root:
                view.close()
            if below is None:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            view = below
        if self._last[1] is not self._root:
            self._last[1].close()
        self._last = (path, view)
        return view


def _take_truth(node: Node, truth: Truth) -> None:
    node.truth = truth
    node.uid, node.gid = truth.uid, truth.gid
    if truth.mode >= 0:
        node.mode = truth.mode
