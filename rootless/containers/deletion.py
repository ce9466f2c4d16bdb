"""The end of a container's place on disk: its name, its directory, its anonymous volumes."""

from __future__ import annotations

import os
import time

from rootless.containers.record import objects, read
from rootless.errors import StoreError
from rootless.store import records
from rootless.store.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.record import Record

_PATIENCE = 100
"""How many hundredths of a second a supervisor gets that has nothing left to do."""

KEPT = "kept"
"""Name of the file that says: --rm does not remove it this time, for it starts again at once."""


def delete_ended(root: str, directory: str) -> None:
    """In the supervisor, last of all: remove the container if it was started with --rm.

    And its image, if it was started with --rmi. One that another needs stays until that is removed,
    which looks here again: without this one it could never start.
    """
    try:
        record: Record = records.read_record(f"{directory}/config.json")
        is_wanted = record["rm"]
    except (FileNotFoundError, KeyError, StoreError):
        return  # removed meanwhile, or beyond help
    if not is_wanted or os.path.exists(f"{directory}/{KEPT}"):
        return
    paths = Paths(root)
    held = None
    try:
        # Who is made meanwhile waits for the lock, and then looks whether this one is there.
        held = records.lock(directory, wait=False)
        if _is_needed(paths, record["id"]):
            return
        delete(paths, record, volumes=True)
    except FileNotFoundError:
        return  # somebody was faster
    finally:
        if held is not None:
            os.close(held)
    if record.get("request", {}).get("remove_image"):
        from rootless.linux import interpreter

        # In a process that has what reads images: a supervisor lives without.
        data = (root, record["image"], record["image_id"])
        pid = interpreter.spawn("remove_used", *data, site=interpreter.ISOLATED)
        os.waitpid(pid, 0)


def _is_needed(paths: Paths, id: str) -> bool:  # noqa: A002 - the field's own word
    if not os.path.isdir(f"{paths.containers}/{id}/users"):
        return False  # nobody ever has
    from rootless.containers.users import users

    return bool(users(paths, id))


def delete(paths: Paths, record: Record, *, volumes: bool) -> None:
    """Delete a container that does not run: its name, its directory, its anonymous volumes."""
    containers = objects(paths)
    directory = containers.path(record["id"])
    held = waited = None
    try:
        # The lock says that the trash is not left over. Who calls us may have it already.
        held = records.lock(directory, wait=False)
        # Whoever waits for the container's end reads the exit code under a shared lock.
        waited = records.lock(f"{directory}/alive")
    except OSError:
        pass  # it was never started
    try:
        if volumes:
            _discard_volumes(paths, record)
        containers.discard(record["id"], durable=not record["rm"])
    except OSError as error:
        raise StoreError(
            f"cannot remove container {record['name']}: {error.strerror}", records.remedy(error)
        ) from error
    finally:
        for fd in (held, waited):
            if fd is not None:
                os.close(fd)
    from rootless.containers import events
    from rootless.images.trees import shown

    shown.forget(paths, "container", record["id"])
    events.tell(paths.root, record, "destroy")
    containers.free(record["name"], record["id"])
    used = [one["name"] for one in record["networks"] if one["kind"] == "container"]
    for other in {*used, *record.get("requires", ())}:
        _let_go(paths, other)


def _let_go(paths: Paths, id: str) -> None:  # noqa: A002
    """Remove the container `id` if its --rm was put off because another needed it."""
    directory = f"{paths.containers}/{id}"
    for _ in range(_PATIENCE):
        try:
            state = records.read_record(f"{directory}/state.json")
            rm = records.read_record(f"{directory}/config.json")["rm"]
        except (OSError, KeyError, StoreError):
            return  # it has gone, or never ran
        if not rm or state.get("status") != "exited":
            return
        if not records.is_claimed(f"{directory}/alive"):
            delete_ended(paths.root, directory)
            return
        time.sleep(0.01)  # its supervisor, which may have seen us still, is about to end


def _discard_volumes(paths: Paths, record: Record) -> None:
    names = [volume["name"] for volume in record["volumes"] if volume["anonymous"]]
    if not names:
        return
    from rootless.volumes.collection import Volumes

    volumes = Volumes(paths)
    for name in names:
        if not (volumes.is_lent(name) and _has_others(paths, record["id"], name)):
            volumes.discard(name)


def _has_others(paths: Paths, own: str, volume: str) -> bool:
    """Whether another container has this volume; one that cannot be read may have it."""
    containers = objects(paths)
    for id in containers.ids():  # noqa: A001 - the field's own word
        try:
            other = read(containers.path(id)) if id != own else None
        except FileNotFoundError:
            continue  # removed meanwhile
        except StoreError:
            return True
        if other and any(item["name"] == volume for item in other["volumes"]):
            return True
    return False
