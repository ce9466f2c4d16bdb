"""Throwing away what the cache holds: by filters, or until it is small enough.

A result goes first, then the link that keeps its layer, if no other result has that layer, then the
layer itself, if no image and no container has it. What a build under way has made or used stays.
"""

from __future__ import annotations

import contextlib
import os

from rootless.build.cache import counted
from rootless.build.cache.entries import CONTEXT, MOUNT, REGULAR, Entries, leaves_first
from rootless.build.cache.living import guarded
from rootless.build.cache.results import LEAVING, Results
from rootless.errors import UsageError
from rootless.images.removing import drop_unpinned
from rootless.runtime.userns import removal
from rootless.store import pins, records
from rootless.times import moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rootless.build.cache.entries import Entry
    from rootless.store.paths import Paths

    Check = Callable[[Entry], bool]

TYPES = (REGULAR, MOUNT, CONTEXT, "internal", "frontend", "source.git.checkout")
"""BuildKit's; of the last three there are none."""

KEYS = ("description", "id", "inuse", "parent", "private", "shared", "type", "until", "unused-for")
"""Keys of filters."""


class Wish:
    """Which things are to go."""

    def __init__(self) -> None:
        self.every = False
        """Also layers that images have as well: the images keep them."""
        self.filters: list[str] = []
        self.reserved = 0
        """Bytes that may stay in any case."""
        self.most = 0
        """Bytes that the cache may take; 0 for any number."""
        self.free = 0
        """Bytes that are to be free on the disk."""

    @property
    def has_goal(self) -> bool:
        """Whether things go only until there is room enough."""
        return bool(self.reserved or self.most or self.free)


def checks(filters: Iterable[str]) -> list[Check]:
    """Return what each filter asks of an entry. Raises UsageError for one that is none."""
    return [_check(text) for text in filters]


def _check(text: str) -> Check:
    for operator in ("~=", "!=", "="):
        key, found, value = text.partition(operator)
        if found:
            break
    else:
        key, value = text, "true"
    if key not in KEYS:
        raise UsageError(f"invalid filter {key!r}", f"one of {', '.join(KEYS)}")
    if key in ("until", "unused-for"):
        latest = moment(value)
        return lambda one: one.used < latest
    if key in ("inuse", "private", "shared"):
        if value not in ("true", "false", "1", "0"):
            raise UsageError(f"invalid filter {text!r}", "true or false is wanted")
        wanted = (value in ("true", "1")) != (operator == "!=")
        return lambda one: _flag(one, key) is wanted
    if key == "type" and operator == "=" and value not in TYPES:
        raise UsageError(f"invalid filter {text!r}", f"one of {', '.join(TYPES)}")
    return lambda one: _fits(_words(one, key), operator, value)


def _flag(one: Entry, key: str) -> bool:
    return {"inuse": one.in_use, "private": not one.shared, "shared": one.shared}[key]


def _words(one: Entry, key: str) -> list[str]:
    return {"description": [one.text], "id": [one.id], "parent": one.parents, "type": [one.kind]}[
        key
    ]


def _fits(words: list[str], operator: str, value: str) -> bool:
    if operator == "~=":
        import re

        try:
            return any(re.search(value, word) for word in words)
        except re.error as error:
            raise UsageError(f"invalid filter {value!r}: {error}", "a regular expression") from None
    return (value in words) != (operator == "!=")


def prune(paths: Paths, wish: Wish) -> list[Entry]:
    """Throw away what is wished; return it. Raises UsageError, StoreError."""
    asked = checks(wish.filters)
    if not os.path.isdir(paths.builds):
        return []
    with guarded(paths, alone=True):
        return remove(paths, Entries(paths), wish, asked)


def remove(paths: Paths, entries: Entries, wish: Wish, asked: list[Check]) -> list[Entry]:
    """Do it for who holds the lock of the cache."""
    left = entries.total
    goal = _goal(paths, wish, left)
    chosen = []
    for one in leaves_first(entries.all):
        if one.in_use or (one.shared and not wish.every) or not all(fits(one) for fits in asked):
            continue
        if wish.has_goal and left <= goal:
            break
        if _discard(paths, one, entries.since):
            chosen.append(one)
            left -= 0 if one.shared else one.size
    unpin(paths, {one.chain for one in entries.all}, entries.since)
    counted.note(paths, left)
    return chosen


def _goal(paths: Paths, wish: Wish, total: int) -> int:
    """Return how many bytes may stay, as BuildKit reckons it."""
    if not wish.has_goal:
        return 0
    goal = wish.most or total if (wish.most or wish.free) else 0
    if wish.free:
        disk = os.statvfs(paths.builds)
        goal = min(goal, total - max(0, wish.free - disk.f_bavail * disk.f_frsize))
    return max(goal, wish.reserved)


def _discard(paths: Paths, one: Entry, since: float) -> bool:
    """Throw one away; False where it was used meanwhile."""
    if one.kind == REGULAR:
        return Results(paths).remove(one.id, since)
    if one.kind == CONTEXT:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{paths.builds}/hashes/{one.id}")
        return True
    place = f"{paths.builds}/mounts/{one.id}"
    try:
        held = records.lock(place, wait=False)
    except FileNotFoundError:
        return True
    if held is None:
        return False
    try:
        os.makedirs(f"{paths.builds}/gone", 0o700, exist_ok=True)
        # Whoever has opened it and waits for the lock looks whether it is still there.
        removal.discard(paths, place, f"{paths.builds}/gone/{one.id}-{os.urandom(4).hex()}")
    finally:
        os.close(held)
    return True


def unpin(paths: Paths, looked_at: set[str], since: float) -> None:
    """Take away the links that no result needs any more, and the layers that nothing else keeps.

    A link that is younger than a build under way may be one for a result that is not there yet.
    """
    directory = os.path.dirname(pins.path(paths, "x"))
    needed = {known.chain for known in Results(paths).all()}
    lost = looked_at - needed - {""}
    with contextlib.suppress(FileNotFoundError):
        lost |= {*os.listdir(directory)} - needed
    gone = set()
    for chain in lost:
        path = pins.path(paths, chain)
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_ctime < since:
                os.unlink(path)
                gone.add(chain)
    drop_unpinned(paths, gone)


def sweep_files(paths: Paths, since: float) -> None:
    """Remove half-written results, of builds that were killed."""
    for path in [*Results(paths).files()]:
        if "." not in os.path.basename(path):
            continue
        with contextlib.suppress(FileNotFoundError):
            if path.endswith(LEAVING) or os.stat(path).st_mtime < since:
                os.unlink(path)
