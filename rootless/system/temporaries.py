"""Files that killed commands left half-written, where nobody else comes across them.

What lies in a workspace or a container in the making is told by its free lock, and goes with the
next command. These are single files, written under another name until they are whole: it ends in
the number of the process that writes it.
"""

from __future__ import annotations

import contextlib
import os
import time

from rootless.oci import blobs
from rootless.store.paths import MARKER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.store.paths import Paths

_YOUNG = 60
"""Seconds in which a file is left alone: its writer may be on another host with the same store."""

_OLD = 24 * 3600
"""Seconds after which it is nobody's, whatever process has its number by now."""


def found(paths: Paths) -> list[str]:
    """Return the paths of all such files."""
    left = []
    for layout in (paths.images, paths.artifacts):
        if os.path.exists(f"{layout}/{blobs.LAYOUT}"):
            with blobs.locked(layout):
                left += blobs.temporaries(layout)
    left += [path for path in _candidates(paths) if _is_left(path)]
    return sorted(left)


def sweep(paths: Paths) -> None:
    """Remove them."""
    for path in found(paths):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _candidates(paths: Paths) -> Iterator[str]:
    for name in _listed(paths.root):
        if name.startswith((f"{MARKER}.", "driver.")):
            yield f"{paths.root}/{name}"
    for container in _listed(paths.containers):
        directory = f"{paths.containers}/{container}"
        if not container.startswith("."):
            yield from (f"{directory}/{one}" for one in _listed(directory) if one[:1] == ".")


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []  # not made yet, or removed meanwhile


def _is_left(path: str) -> bool:
    """Whether its name ends in the number of a process that is no more."""
    pid = path.rpartition(".")[2]
    if not (pid.isascii() and pid.isdecimal()):
        return False
    try:
        age = time.time() - os.lstat(path).st_mtime
    except OSError:
        return False
    return age > _OLD or (age > _YOUNG and not os.path.exists(f"/proc/{pid}"))
