"""Files that a RUN has changed in nothing but their mode or owner: the layer has them once more.

A copy that overlay makes for chmod(2) keeps size and time of the file below, and a change of what
is in it does not. So nothing is read. It is looked for where the command speaks of such a change.
"""

from __future__ import annotations

import os
import stat

from rootless.build.files.layered import LayersTree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ENOUGH = 1 << 20
"""Bytes from which on it is worth a word."""

_LARGE = 1 << 14
"""Smaller files are not counted."""

_PROGRAMS = {"chmod": "--chmod", "chown": "--chown", "chgrp": "--chown"}
"""Program -> the flag of COPY in its place."""


class Touched:
    """What a layer has once more."""

    def __init__(self, size: int, path: str, flags: str) -> None:
        self.size = size
        self.path = path
        """One of the files, absolute."""
        self.flags = flags
        """What a COPY would have done at once: `--chmod=755`."""


def touched(words: list[str], layer: str, lowers: list[str]) -> Touched | None:
    """Return what of a layer differs from those below in mode or owner alone; None for little."""
    flags = _flags(" ".join(words))
    if not flags:
        return None
    below = LayersTree(lowers)
    total, first = 0, ""
    for path, size, moment, taken in _files(layer):
        node = below.look(path)
        if node is None or not stat.S_ISREG(node.status.st_mode):
            continue
        if (node.status.st_size, int(node.status.st_mtime)) == (size, moment):
            total, first = total + taken, first or f"/{path}"
    return Touched(total, first, flags) if total > ENOUGH else None


def _flags(text: str) -> str:
    """Return the flags in the place of the first of each kind of command, "" for none."""
    found: dict[str, str] = {}
    words = text.replace(";", " ; ").replace("&", " & ").split()
    for number, word in enumerate(words):
        flag = _PROGRAMS.get(word.rpartition("/")[2])
        rest = [one for one in words[number + 1 :] if not one.startswith("-")]
        if flag and rest:
            found.setdefault(flag, f"{flag}={':' if word.endswith('chgrp') else ''}{rest[0]}")
    return " ".join(found.values())


def _files(layer: str) -> Iterator[tuple[str, int, int, int]]:
    """Yield path, size, time and bytes on disk of a layer's large files, as far as it is open."""
    for place, _, names in os.walk(layer):
        for name in names:
            path = f"{place}/{name}"
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_size >= _LARGE:
                taken = min(status.st_size, status.st_blocks * 512)
                yield path[len(layer) + 1 :], status.st_size, int(status.st_mtime), taken
