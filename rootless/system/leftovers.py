"""What removals have left: trees that were renamed away, but could not be deleted, or not yet.

Whoever lists containers or unpacks layers tries again. What stays all the same, such as what root
has made immutable, is shown by `system df`, and `system prune` tells why it stays.
"""

from __future__ import annotations

import os

from rootless.oci.blobs import is_alive, is_there, locked
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

GONE = ".gone-"


def find(paths: Paths) -> list[str]:
    """Return the directories that nobody works on."""
    hidden = _hidden(paths.containers) + _hidden(paths.volumes)
    found = [path for path in hidden if _is_free(path)]
    if is_there(paths.images):
        with locked(paths.images):  # a workspace is made, and gets its lock, under this one
            found += [path for path in _hidden(paths.layers) if not is_alive(path)]
    return sorted([*found, *of_resets(paths)])


def of_resets(paths: Paths) -> list[str]:
    """Return what is left of a reset that failed."""
    return [path for path in _hidden(paths.root) if os.path.basename(path).startswith(GONE)]


def _hidden(directory: str) -> list[str]:
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return [
        f"{directory}/{name}"
        for name in names
        if name.startswith(".") and name != ".names" and os.path.isdir(f"{directory}/{name}")
    ]


def _is_free(path: str) -> bool:
    try:
        held = records.lock(path, wait=False)
    except OSError:
        return os.path.lexists(path)
    if held is None:
        return False
    os.close(held)
    return True
