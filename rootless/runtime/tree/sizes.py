"""How much things take on the disk: imported only where that is asked for."""

from __future__ import annotations

import os
import stat

from rootless.oci import jsonio
from rootless.oci.descent import Walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths


def layer_size(layer: str) -> int:
    """Return the bytes of a layer's tar, noted when it was unpacked; `layer` is its `fs`.

    0 for one that is not unpacked: no tree is walked for a sum.
    """
    try:
        with open(f"{os.path.dirname(layer)}/layer.json", "rb") as file:
            return int(jsonio.loads(file.read())["bytes"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return 0


def tree_size(directory: str) -> int:
    """Return the sum of the sizes of the files below a directory, or of a file; unreadable ones: 0.

    Where a container moves its directories about meanwhile, it is what was seen until then.
    """
    total = 0
    try:
        status = os.stat(directory)
        if not stat.S_ISDIR(status.st_mode):
            return status.st_size
        for _, entries in Walk(os.open(directory, os.O_RDONLY | os.O_DIRECTORY), lenient=True):
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    try:
                        total += entry.stat(follow_symlinks=False).st_size
                    except OSError:
                        pass  # removed since
    except OSError:
        pass  # it is not there, or not to be walked any more
    return total


def tree_sizes(paths: Paths, directories: list[str]) -> list[int]:
    """Return the size of each, files of subordinate users included: as root of the namespace."""
    from rootless.errors import Error
    from rootless.runtime.userns.worker import call

    if not directories:
        return []
    try:
        found: list[int] = call(paths, _all_sizes, directories)
    except Error:  # no user namespace here: what we can see ourselves
        found = _all_sizes(directories)
    return found


def _all_sizes(directories: list[str]) -> list[int]:
    return [tree_size(directory) for directory in directories]
