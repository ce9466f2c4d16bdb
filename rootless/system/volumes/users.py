"""Volumes together with the containers that have them: who uses which, removal, what is unused."""

from __future__ import annotations

from rootless.containers.record import objects, read
from rootless.errors import NotFound, StoreError
from rootless.runtime.tree.sizes import tree_sizes
from rootless.teller import QUIET
from rootless.volumes.filters import PRUNED, Filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rootless.containers.record import Record
    from rootless.engine import Engine
    from rootless.store.paths import Paths
    from rootless.teller import Teller
    from rootless.volumes.collection import Volume


class Users:
    """Which containers have which volumes. What a container has never changes: it is read once."""

    def __init__(self, paths: Paths) -> None:
        self._objects = objects(paths)
        self._read: dict[str, Record] = {}

    def records(self) -> list[Record]:
        """Return the records of all containers there are now.

        Raises StoreError for a damaged one: what that has is not known.
        """
        found = {}
        for id in self._objects.ids():  # noqa: A001 - the field's own word
            try:
                found[id] = self._read.get(id) or read(self._objects.path(id))
            except FileNotFoundError:
                continue  # removed meanwhile
            except StoreError as error:
                raise StoreError(
                    f"cannot know which volumes container {id[:12]} uses: {error.message}",
                    "rootless system check tells what can be done",
                ) from error
        self._read = found
        return list(found.values())

    def of(self, volume: str) -> list[Record]:
        """Return the containers that have a volume. Raises StoreError."""
        return [one for one in self.records() if volume in _names(one)]

    def names(self, volume: str) -> list[str]:
        """Return their names."""
        return [one["name"] for one in self.of(volume)]

    def used(self) -> set[str]:
        """Return the names of all volumes that containers have."""
        return {name for one in self.records() for name in _names(one)}

    def ids(self, volume: str) -> list[str]:
        """Return their ids."""
        return [one["id"] for one in self.of(volume)]


def _names(record: Record) -> list[str]:
    return [each["name"] for each in record["volumes"] if each["name"]]


def document(volume: Volume, mounts: int) -> dict[str, Any]:
    """Return what `inspect` shows: docker's fields, then podman's; `mounts` counts who runs."""
    import os

    filled = os.path.exists(f"{volume.directory}/filled")
    shown = {
        "CreatedAt": volume.created,
        "Driver": "local",
        "Labels": volume.labels,
        "Mountpoint": volume.data,
        "Name": volume.name,
        "Options": volume.options,
        "Scope": "local",
        "MountCount": mounts,
        "NeedsCopyUp": not filled,
        "NeedsChown": not filled,
    }
    return {**shown, "Anonymous": True} if volume.anonymous else shown


def mounts(engine: Engine) -> dict[str, int]:
    """Return how many running containers have each volume that one has."""
    found: dict[str, int] = {}
    for one in engine.containers.list():
        names = _names(one.record)
        if names and one.state().active:
            for name in {*names}:
                found[name] = found.get(name, 0) + 1
    return found


def remove(
    engine: Engine, name: str, users: Users, *, force: bool = False, timeout: int | None = None
) -> None:
    """Remove a volume; with `force` the containers that have it go first.

    They have `timeout` seconds to end, None for their own time. Raises NotFound, Conflict where
    containers have it, StoreError.
    """
    volumes = engine.volumes
    if force and volumes.exists(name):
        for id in users.ids(name):  # noqa: A001 - the field's own word
            try:
                engine.containers.remove(id, force=True, timeout=timeout)
            except NotFound:
                continue  # it went by itself
        if not volumes.exists(name):
            return  # it was the last --rm container's own
    volumes.remove(name, users.names)


class Unused:
    """The volumes that no container has, with their sizes: what a prune shows, and removes."""

    def __init__(
        self,
        engine: Engine,
        filters: Iterable[str] = (),
        *,
        every: bool = False,
        teller: Teller = QUIET,
    ) -> None:
        """Only those without a name of their own, unless `every` is wanted.

        Raises UsageError for filters that a prune does not take, StoreError where a container's
        record is damaged: what that has is not known.
        """
        self._engine = engine
        self._users = Users(engine.paths)
        self._teller = teller
        volumes = engine.volumes
        fit = Filters(filters, volumes, self._users.used, PRUNED)
        found = fit.keep(volumes.unused(self._users.used, teller))
        self.volumes = [one for one in found if every or one.anonymous]
        sizes = tree_sizes(engine.paths, [one.data for one in self.volumes])
        self.sizes = dict(zip((one.name for one in self.volumes), sizes, strict=True))
        """The bytes of each, by its name."""

    def remove(self) -> dict[str, int]:
        """Remove them, but for those that came to be used meanwhile; return the bytes of each."""
        from rootless.errors import Error

        gone = {}
        for one in self.volumes:
            try:
                self._engine.volumes.remove(one.name, self._users.names)
            except NotFound:
                continue  # somebody was faster
            except Error as error:
                self._teller.problem(error)
            else:
                gone[one.name] = self.sizes[one.name]
        self._tell(gone)
        return gone

    def _tell(self, gone: dict[str, int]) -> None:
        from rootless.store import events

        reclaimed = {"reclaimed": str(sum(gone.values()))}
        events.record(
            self._engine.paths.root, events.happened("volume", "prune", "", "", reclaimed)
        )
