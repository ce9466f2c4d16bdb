"""The volumes of a store: making, finding, listing and removing them.

    volumes/<name>/               one volume; the directory itself is its lock (flock)
    volumes/<name>/_data          what containers see
    volumes/<name>/volume.json    its record; volumes of earlier releases have none
    volumes/<name>/filled, new    see runtime.tree.volumes.CopyUp, which has the lock meanwhile

A volume that a container needs is there as soon as `ensure` returns, and is not removed by
`remove` from then on: that one looks for containers under the lock that `ensure` waits for, and
the container's record is there before it starts.
"""

from __future__ import annotations

import os
import time

from rootless.errors import Conflict, NotFound, StoreError
from rootless.runtime.userns import removal
from rootless.store import events, records
from rootless.store.objects import Objects, is_name, new_id
from rootless.teller import QUIET
from rootless.volumes.names import DATA, check_name, data_path, is_anonymous

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Collection
    from typing import NotRequired, TypedDict

    from rootless.store.paths import Paths
    from rootless.teller import Teller

    class Record(TypedDict):
        """What is on record of a volume."""

        name: str
        created: float
        """Seconds since the epoch."""
        labels: dict[str, str]
        anonymous: bool
        """Whether no user has named it: it goes with the container that it was made for."""
        options: dict[str, str]
        """Of its driver: see `options`."""
        was: NotRequired[str]
        """The name that it had before a rename that may have broken off."""


_RECORD = "volume.json"
_LENT = "lent"
"""Name of the file that says that an anonymous volume has more than one user."""
_ATTEMPTS = 100
"""How often others may be faster, before it is no coincidence."""


class Volume:
    """One volume, as it was when it was looked at."""

    def __init__(self, directory: str, record: Record) -> None:
        self.directory = directory
        self.record = record

    @property
    def name(self) -> str:
        """Its name, which no other has."""
        return self.record["name"]

    @property
    def created(self) -> float:
        """When it was made, in seconds since the epoch."""
        return self.record["created"]

    @property
    def labels(self) -> dict[str, str]:
        """What users have written on it."""
        return self.record["labels"]

    @property
    def anonymous(self) -> bool:
        """Whether no user has named it."""
        return self.record["anonymous"]

    @property
    def options(self) -> dict[str, str]:
        """Of its driver."""
        return self.record["options"]

    @property
    def data(self) -> str:
        """The directory that containers see."""
        return f"{self.directory}/{DATA}"


class Volumes:
    """The volumes of one store. Reading takes no lock, and nothing on disk but a sweep."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._objects = Objects(
            paths.volumes,
            "volume",
            record=_RECORD,
            empty=lambda path: removal.empty(paths, path),
        )

    # -- finding

    def names(self, *, sweep: bool = False) -> builtins.list[str]:
        """Return the names of all volumes, in order: no record is read.

        With `sweep` what killed processes left half made or removed goes. Raises StoreError where
        the directory cannot be read.
        """
        return sorted(filter(self.exists, self._objects.ids(sweep=sweep)))

    def exists(self, name: str) -> bool:
        """Whether there is a volume of this name."""
        return is_name(name) and os.path.isdir(self._objects.path(name))

    def data(self, name: str) -> str:
        """Return the directory that containers see of a volume, which may not exist."""
        return data_path(self._paths.volumes, name)

    def get(self, name: str) -> Volume:
        """Return a volume. Raises NotFound, StoreError for a damaged record."""
        if not self.exists(name):
            raise NotFound(f"no such volume: {name}")
        directory = self._objects.path(name)
        path = f"{directory}/{_RECORD}"
        try:
            record: Record = records.read_record(path)
            if record["name"] != name and record.get("was") == name:
                record["name"] = name  # the rename did not come to its end
            if record["name"] == name and _is_whole(record):
                return Volume(directory, record)
        except FileNotFoundError:
            return Volume(directory, self._plain(name))
        except (KeyError, TypeError):
            pass  # JSON, but not of ours
        except StoreError:
            if _is_empty(path):  # a power cut came after its first use: `create` waits for the disk
                return Volume(directory, self._plain(name))
            raise
        raise StoreError(f"damaged record of volume {name}: {path}")

    def options(self, name: str) -> dict[str, str]:
        """Return the options of a volume, for who mounts it; none where it has no record.

        Raises StoreError for a damaged record.
        """
        path = f"{self._objects.path(name)}/{_RECORD}"
        try:
            if os.path.getsize(path) == 0:
                return {}  # after a power cut, see `get`
            found = records.read_record(path)["options"]
        except FileNotFoundError:
            return {}
        except (KeyError, TypeError):
            found = None
        if not isinstance(found, dict):
            raise StoreError(f"damaged record of volume {name}: {path}")
        return found

    def list(self, teller: Teller = QUIET) -> builtins.list[Volume]:
        """Return all volumes by name; a damaged one is a problem that the teller is told of.

        What killed processes left half made or removed goes. Raises StoreError where the
        directory cannot be read.
        """
        found = []
        for name in sorted(self._objects.ids(sweep=True)):
            try:
                found.append(self.get(name))
            except NotFound:
                continue  # removed meanwhile, or no volume
            except StoreError as error:
                teller.problem(error)
        return found

    def unused(
        self, used: Callable[[], Collection[str]], teller: Teller = QUIET
    ) -> builtins.list[Volume]:
        """Return those that no container has; `used` returns the names that containers name.

        Containers are asked for after the volumes: one is there before its volumes are. Of a
        damaged one the teller is told, and it is left out. Raises what `used` raises.
        """
        found = self.list(teller)
        names = used()
        return [one for one in found if one.name not in names]

    # -- making

    def create(
        self,
        name: str = "",
        *,
        labels: dict[str, str] | None = None,
        options: dict[str, str] | None = None,
        fill: Callable[[str], None] | None = None,
    ) -> Volume:
        """Make a volume; without a name it is anonymous. It is there after a power cut, too.

        `options` are those of the driver (see `options`); `fill` makes the directory `_data` below
        the path that it is given, and may leave more there. Raises UsageError for what is no name
        and for options that cannot be, Conflict for a name in use, StoreError.
        """
        record = _record(check_name(name) if name else new_id(), anonymous=not name)
        record["labels"] = labels or {}
        if options:
            from rootless.volumes.options import checked

            record["options"] = checked(options)
        if not self._make(record, durable=True, fill=fill):
            raise _taken(record["name"])
        return Volume(self._objects.path(record["name"]), record)

    def ensure(
        self,
        name: str,
        *,
        anonymous: bool = False,
        labels: dict[str, str] | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        """Make the volume with its first use, and what of it is missing.

        Labels and options are for one that is new. Raises UsageError for options that cannot be,
        StoreError.
        """
        for _ in range(_ATTEMPTS):
            held = self._lock(name, shared=True)
            if held is None:
                record = _record(name, anonymous=anonymous)
                if labels or options:
                    from rootless.volumes.options import checked

                    record["labels"] = labels or {}
                    record["options"] = checked(options or {})
                if self._make(record, durable=False):
                    return
                continue
            try:
                os.makedirs(self.data(name), 0o755, exist_ok=True)
            except OSError as error:
                raise _refused(self.data(name), error.strerror) from error
            finally:
                os.close(held)
            return
        raise _refused(self.data(name), "something else has its place")

    def lend(self, name: str) -> None:
        """Note that a further container has an anonymous volume; it is made if need be.

        Raises StoreError.
        """
        self.ensure(name, anonymous=True)
        try:
            os.close(
                os.open(f"{self._objects.path(name)}/{_LENT}", os.O_CREAT | os.O_CLOEXEC, 0o600)
            )
        except OSError as error:
            raise _refused(f"{self._objects.path(name)}/{_LENT}", error.strerror) from error

    def is_lent(self, name: str) -> bool:
        """Whether more than one container has had this anonymous volume."""
        return os.path.exists(f"{self._objects.path(name)}/{_LENT}")

    # -- what is done with one

    def lock(self, name: str) -> int:
        """Lock a volume: no container starts with it until the lock, a descriptor, is closed.

        Raises NotFound, StoreError.
        """
        held = self._lock(name) if is_name(name) else None
        if held is None:
            raise NotFound(f"no such volume: {name}")
        return held

    def scratch(self) -> tuple[str, int]:
        """Return a hidden directory of ours and its lock: see `Objects.scratch`. Raises OSError."""
        return self._objects.scratch()

    def clear(self, path: str) -> None:
        """Delete such a directory. Raises StoreError."""
        removal.empty(self._paths, path)

    def rename(self, name: str, new: str, users: Callable[[str], Collection[str]]) -> None:
        """Give another name to a volume that no container has.

        Their records name it: all of them could not be changed at once. Raises UsageError for what
        is no name, NotFound, Conflict where it is in use or the new name is, StoreError, and what
        `users` raises.
        """
        check_name(new)
        held = self.lock(name)
        try:
            if found := users(name):
                raise Conflict(
                    f"volume {name} is in use by {', '.join(sorted(found))}",
                    "remove what uses it first, or clone the volume under the new name",
                )
            if self.exists(new):
                raise _taken(new)
            volume = self.get(name)
            record: Record = {**volume.record, "name": new, "was": name, "anonymous": False}
            # First: whoever is killed in between leaves a volume that has its old name still.
            records.write_record(volume.directory, _RECORD, record)
            try:
                os.rename(volume.directory, self._objects.path(new))
                records.sync_directory(self._objects.directory)
            except OSError as error:
                if self.exists(new):
                    raise _taken(new) from error
                raise StoreError(
                    f"cannot rename volume {name}: {error.strerror}", records.remedy(error)
                ) from error
            happened = events.happened("volume", "rename", new, new, {"oldName": name})
            events.record(self._paths.root, happened)
        finally:
            os.close(held)

    def _make(
        self, record: Record, *, durable: bool, fill: Callable[[str], None] | None = None
    ) -> bool:
        self._paths.prepare()
        name = record["name"]
        held = self._objects.make(name, record, fill=fill or _begin, durable=durable)
        if held is None:
            return False
        os.close(held)
        self._tell("create", name, durable=durable)
        return True

    def _tell(self, action: str, name: str, *, durable: bool) -> None:
        happened = events.happened("volume", action, name, name, {"driver": "local"})
        events.record(self._paths.root, happened, durable=durable)

    # -- removing

    def remove(self, name: str, users: Callable[[str], Collection[str]]) -> None:
        """Remove a volume that no container has; `users` returns the containers that name it.

        Raises NotFound, Conflict where it is in use, StoreError, and what `users` raises where it
        cannot know.
        """
        held = self.lock(name)
        try:
            if found := users(name):
                raise Conflict(
                    f"volume {name} is in use by {', '.join(sorted(found))}",
                    "remove what uses it first",
                )
            self._discard(name)
            self._tell("destroy", name, durable=True)
        finally:
            os.close(held)

    def discard(self, name: str) -> None:
        """Remove a volume that nobody but the caller knows of; none is no error.

        Raises StoreError.
        """
        try:
            # It says that what is deleted is not left over. Who fills it need not be waited for.
            held = records.lock(self._objects.path(name), wait=False)
        except OSError:
            held = None
        try:
            there = self.exists(name)
            self._discard(name)
            if there:
                self._tell("destroy", name, durable=False)
        finally:
            if held is not None:
                os.close(held)

    def _discard(self, name: str) -> None:
        try:
            self._objects.discard(name)
        except OSError as error:
            raise StoreError(
                f"cannot remove volume {name}: {error.strerror}", records.remedy(error)
            ) from error

    def _lock(self, name: str, *, shared: bool = False) -> int | None:
        """Lock the volume that has the name; None where there is none. Raises StoreError."""
        path = self._objects.path(name)
        while True:
            try:
                held = records.lock(path, shared=shared)
            except FileNotFoundError:
                return None
            except OSError as error:
                raise StoreError(f"cannot use volume {name}: {error.strerror}") from error
            assert held is not None  # noqa: S101 - only without waiting
            try:
                if os.path.samestat(os.fstat(held), os.stat(path)):
                    return held
            except FileNotFoundError:
                pass
            os.close(held)  # it was removed while we waited

    def _plain(self, name: str) -> Record:
        """Return what a record would say of a volume that has none."""
        record = _record(name, anonymous=is_anonymous(name))
        try:
            # Written to only when it is made, and filled for the first time.
            record["created"] = os.stat(self._objects.path(name)).st_mtime
        except OSError:
            pass  # removed meanwhile
        return record


def _taken(name: str) -> Conflict:
    return Conflict(f'the volume name "{name}" is already in use')


def _begin(directory: str) -> None:
    os.mkdir(f"{directory}/{DATA}", 0o755)


def _record(name: str, *, anonymous: bool) -> Record:
    return {
        "name": name,
        "created": time.time(),
        "labels": {},
        "anonymous": anonymous,
        "options": {},
    }


def _is_whole(record: Record) -> bool:
    return (
        record["created"] > 0
        and isinstance(record["labels"], dict)
        and isinstance(record["anonymous"], bool)
        and isinstance(record["options"], dict)
    )


def _is_empty(path: str) -> bool:
    try:
        return os.path.getsize(path) == 0
    except OSError:
        return False


def _refused(path: str, why: str | None) -> StoreError:
    return StoreError(f"cannot make {path}: {why}", "make it yourself, or name another source")
