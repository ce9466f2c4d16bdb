"""A volume that nobody writes to for a while: what a copy of it takes is of one moment."""

from __future__ import annotations

import contextlib
import os

from rootless.containers.running.pausing import standing
from rootless.errors import Conflict, NotFound, UsageError, named
from rootless.store import records
from rootless.system.volumes.users import Users
from rootless.volumes.options import directory, is_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.containers.container import Container
    from rootless.engine import Engine
    from rootless.volumes.collection import Volume


@contextlib.contextmanager
def still(engine: Engine, name: str, *, pause: bool) -> Iterator[Volume]:
    """Keep containers that have the volume from starting, and with `pause` let the others stand.

    Raises NotFound, Conflict where one runs and is not to stand still, StoreError.
    """
    volumes = engine.volumes
    held = volumes.lock(name)
    try:
        volume = volumes.get(name)
        with contextlib.ExitStack() as stack:
            for one in running(engine, name):
                if one.state().status != "paused" and not pause:
                    raise Conflict(
                        f"cannot read volume {name} while container {one.name} runs",
                        f"stop it, or let it stand still meanwhile with {named('pause')}",
                    )
                stack.enter_context(standing(one))
                if one.state().running and one.state().status != "paused":
                    raise Conflict(f"container {one.name} does not stand still", "stop it first")
            yield volume
        if not volumes.exists(name):
            raise NotFound(f"volume {name} was removed meanwhile")
    finally:
        os.close(held)


def running(engine: Engine, name: str) -> list[Container]:
    """Return the containers with the volume that run, or are about to. Raises StoreError."""
    found = []
    for record in Users(engine.paths).of(name):
        try:
            one = engine.containers.get(record["id"])
        except NotFound:
            continue  # it went by itself
        if not records.is_claimed(f"{one.directory}/alive"):
            continue
        if not one.state().active:
            raise Conflict(f"container {one.name}, which has volume {name}, just starts or ends")
        found.append(one)
    return found


def place(volume: Volume) -> str:
    """Return the directory with what is in a volume. Raises UsageError for one in memory."""
    if is_memory(volume.options):
        raise UsageError(
            f"volume {volume.name} is memory: there is nothing of it but in a container",
            "take it out of that one",
        )
    return directory(volume.options) or volume.data


def own_place(volume: Volume) -> str:
    """Return the same of a volume that lies in the store. Raises UsageError for others."""
    found = place(volume)
    if found != volume.data:
        raise UsageError(f"volume {volume.name} shows {found}, which is not ours", "work on that")
    return found
