"""rename: a container's name is a link in `.names` and a word in its record.

The new link is made first, then the record is written, then the old link goes. The record decides:
a link whose container is called otherwise is a leaving of somebody who was killed in between.
"""

from __future__ import annotations

import os

from rootless.containers import events
from rootless.containers.names import check_name
from rootless.containers.record import write
from rootless.errors import Conflict, StoreError
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.collection import Containers


def rename(containers: Containers, ref: str, name: str) -> None:
    """Call the container `ref` by another name. Raises Conflict for one in use, UsageError."""
    check_name(name)
    container = containers.get(ref)
    old = container.name
    if old == name:
        raise Conflict(f"container {ref} has the name {name} already")
    held = container.lock()
    try:
        record = containers.get(container.id).record  # nobody else renames it now
        if not containers.claim_name(name, container.id):
            raise containers.taken(name)
        record["name"] = name
        try:
            write(container.directory, record)
        except BaseException:
            os.unlink(f"{containers.names_directory}/{name}")
            raise
        os.unlink(f"{containers.names_directory}/{old}")
        records.sync_directory(containers.names_directory)
    finally:
        os.close(held)
    events.tell(containers.root, record, "rename", oldName=f"/{old}")


def is_stale(directory: str, name: str) -> bool:
    """Whether the link `name` leads to a container, in `directory`, that is not called so.

    One whose lock somebody holds may be about to be called so.
    """
    try:
        held = records.lock(directory, wait=False)
        if held is None:
            return False
        try:
            return bool(records.read_record(f"{directory}/config.json").get("name") != name)
        finally:
            os.close(held)
    except (OSError, StoreError):
        return False  # removed meanwhile, or damaged: not for us to say
