"""What is at a path of an image: links are followed inside it, whatever this machine has there."""

from __future__ import annotations

import stat

from rootless.images.trees.views import Layer, View
from rootless.runtime.tree.rootfs import stacked

_LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""


def mode(layers: list[str], path: str) -> int:
    """Return the mode of what is at `path` in `layers`, topmost first; 0 where nothing is.

    Also where it cannot be looked at, because a directory on the way is closed to us.
    """
    way = [View.of(map(Layer, stacked(layers)))]
    try:
        return _follow(way, path)
    except OSError:
        return 0
    finally:
        for view in way:
            view.close()


def _follow(way: list[View], path: str) -> int:
    """Go from the root, the only view in `way`; what is entered is appended there."""
    left, links = path.split("/")[::-1], 0
    while left:
        name = left.pop()
        if name == "..":
            if len(way) > 1:
                way.pop().close()
        elif name not in ("", "."):
            found = way[-1].entries().get(name)
            if found is None:
                return 0
            if stat.S_ISLNK(found.status.st_mode):
                links += 1
                target = found.link()
                while target[:1] == "/" and len(way) > 1:
                    way.pop().close()
                left += target.split("/")[::-1]
                if links > _LINKS:
                    return 0
            elif found.is_directory:
                way.append(way[-1].enter(name))
            else:
                return 0 if left else found.status.st_mode
    return stat.S_IFDIR
