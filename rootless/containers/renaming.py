"""rename: a container's name is a link in `.names` and a word in its record.

The new link is made first, then the record is written, then the old link goes. The record decides:
a link whose container is called otherwise is a leaving of somebody who was killed in between.
"""

from __future__ import annotations

import os

from rootless.containers import events, networks
from rootless.containers.names import check_name
from rootless.containers.record import objects, read, write
from rootless.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.handle import Handle


def rename(container: Handle, name: str) -> bool:
    """Call a container by another name; False where that is another's.

    Raises UsageError for what is no name, Conflict for the one that it has.
    """
    check_name(name)
    old = container.name
    if old == name:
        raise Conflict(f"container {old} has the name {name} already")
    names = objects(container.paths)
    held = container.lock()
    try:
        record = read(container.directory)  # nobody else renames it now
        if not names.claim(name, container.id):
            return False
        record["name"] = name
        try:
            write(container.directory, record)
        except BaseException:
            names.free(name, container.id)
            raise
        names.free(old, container.id)
        names.sync_names()
        if networks.has_named(record["networks"]):
            from rootless.containers.running.calling import call

            call(container, record)
    finally:
        os.close(held)
    events.tell(container.root, record, "rename", oldName=f"/{old}")
    return True
