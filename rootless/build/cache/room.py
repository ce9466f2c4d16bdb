"""The cap on the cache: kept before a step writes its layer, and again when it has."""

from __future__ import annotations

import os

from rootless import settings
from rootless.build.cache import counted
from rootless.build.cache.living import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

_MOST = 20 << 30
_NOTHING = 1 << 20


def cap(paths: Paths) -> int:
    """Return how many bytes the cache may take: by the settings, or a tenth of the disk.

    But no more than 20 GiB. Raises UsageError for settings that make no sense.
    """
    given = settings.build_cache()
    if given:
        return given
    disk = os.statvfs(paths.root)
    return min(_MOST, disk.f_blocks * disk.f_frsize // 10)


def is_used_up(paths: Paths) -> bool:
    """Whether next to nothing can be written any more: a command's error may be that."""
    disk = os.statvfs(paths.root)
    return disk.f_bavail * disk.f_frsize < _NOTHING


def make(paths: Paths, added: int = 0) -> None:
    """Count a layer of so many bytes, and bring the cache below its cap.

    What builds under way have made or used stays, whatever it takes. The caller must not have
    threads. Raises UsageError, StoreError.
    """
    most, added = cap(paths), 2 * added  # packed, and unpacked
    with guarded(paths, alone=True):
        taken = counted.known(paths)
        if taken is not None and taken + added <= most:
            if added:
                counted.add(paths, taken + added)
            return
        from rootless.build.cache.entries import Entries
        from rootless.build.cache.pruning import Wish, remove

        wish = Wish()
        wish.most = max(1, most - added)  # its result is not there yet, so it is not among them
        remove(paths, Entries(paths), wish, [])
        counted.note(paths, (counted.known(paths) or 0) + added)
