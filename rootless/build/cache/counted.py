"""How many bytes the cache takes, in a file: so that a step need not look at all of it."""

from __future__ import annotations

import contextlib
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

_AGE = 3600
"""Seconds for which a count is believed: what is mounted grows without telling anybody."""


def known(paths: Paths) -> int | None:
    """Return the bytes; None where they have to be counted."""
    try:
        with open(_file(paths), encoding="ascii") as file:
            total, counted = file.read().split()
        return int(total) if time.time() - _AGE < float(counted) else None
    except (OSError, ValueError):
        return None


def add(paths: Paths, total: int) -> None:
    """Note a sum of what was known and what came since. The caller holds the cache's lock."""
    with open(_file(paths), "r+", encoding="ascii") as file:
        counted = file.read().split()[1]
        file.seek(0)
        file.truncate()
        file.write(f"{total} {counted}")


def note(paths: Paths, total: int) -> None:
    """Note what was counted just now. The caller holds the cache's lock."""
    with contextlib.suppress(OSError), open(_file(paths), "w", encoding="ascii") as file:
        file.write(f"{max(0, total)} {time.time()}")


def _file(paths: Paths) -> str:
    return f"{paths.builds}/size"
