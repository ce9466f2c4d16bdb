"""The end of a container's place on disk: its name, its directory, its anonymous volumes."""

from __future__ import annotations

import os

# Nothing of ours at the top: see `after_exit`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.options import Record
    from rootless.store.paths import Paths

KEPT = "kept"
"""Name of the file that says: --rm does not remove it this time, for it starts again at once."""


def after_exit(root: str, directory: str) -> None:
    """Old name of the door `after_exit`, until the release after the next.

    A supervisor of the release 0.1 calls this with modules of that release around it. So it is done
    in a process of its own.
    """
    from rootless.linux import interpreter

    os.waitpid(interpreter.spawn("after_exit", root, directory, site=interpreter.BARE), 0)


def remove_ended(root: str, directory: str) -> None:
    """In the supervisor, last of all: remove the container if it was started with --rm."""
    from rootless.errors import StoreError
    from rootless.store import records
    from rootless.store.paths import Paths

    try:
        record: Record = records.read_record(f"{directory}/config.json")
    except (FileNotFoundError, StoreError):
        return  # removed meanwhile, or beyond help
    if record["rm"] and not os.path.exists(f"{directory}/{KEPT}"):
        dispose(Paths(root), record, volumes=True)


def dispose(paths: Paths, record: Record, *, volumes: bool) -> None:
    """Delete a container that does not run: its name, its directory, its anonymous volumes."""
    from rootless.containers import events
    from rootless.errors import StoreError
    from rootless.runtime.userns import removal
    from rootless.store import records

    base = paths.containers
    directory = f"{base}/{record['id']}"
    held = waited = None
    try:
        # The lock says that the trash is not left over. Who calls us may have it already.
        held = records.lock(directory, wait=False)
        # Whoever waits for the container's end reads the exit code under a shared lock.
        waited = records.lock(f"{directory}/alive")
    except OSError:
        pass  # it was never started
    if volumes:
        for volume in record["volumes"]:
            if volume["anonymous"]:
                path = f"{paths.volumes}/{volume['name']}"
                removal.discard(paths, path, f"{paths.volumes}/.gone-{volume['name']}")
    try:
        removal.discard(paths, directory, f"{base}/.gone-{record['id']}")
        if not record["rm"]:
            records.sync_directory(base)
    except OSError as error:
        raise StoreError(
            f"cannot remove container {record['name']}: {error.strerror}", records.remedy(error)
        ) from error
    finally:
        for fd in (held, waited):
            if fd is not None:
                os.close(fd)
    events.tell(paths.root, record, "destroy")
    name = f"{base}/.names/{record['name']}"
    try:
        if os.readlink(name) == record["id"]:
            os.unlink(name)
    except OSError:
        pass  # taken over already
