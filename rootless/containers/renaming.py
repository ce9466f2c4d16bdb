"""rename: a container's name is a link in `.names` and a word in its record.

The new link is made first, then the record is written, then the old link goes. The record decides:
a link whose container is called otherwise is a leaving of somebody who was killed in between.
"""

from __future__ import annotations

import os

from rootless.containers import events
from rootless.containers.names import check_name
from rootless.containers.record import write
from rootless.errors import Conflict

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
    objects = containers.objects
    held = container.lock()
    try:
        record = containers.get(container.id).record  # nobody else renames it now
        if not objects.claim(name, container.id):
            raise containers.taken(name)
        record["name"] = name
        try:
            write(container.directory, record)
        except BaseException:
            objects.free(name, container.id)
            raise
        objects.free(old, container.id)
        objects.sync_names()
    finally:
        os.close(held)
    events.tell(containers.root, record, "rename", oldName=f"/{old}")
