"""What a killed supervisor leaves behind, and how whoever finds it cleans up."""

from __future__ import annotations

import os
import select
import time

from rootless.containers.record import objects
from rootless.errors import Error, NotFound
from rootless.linux.boot import boot_id, booted
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import Any

    from rootless.containers.record import Record
    from rootless.store.paths import Paths
else:
    import _signal

SUPERVISOR_LOST = 255
"""Exit code of a container whose supervisor could not write down the true one; docker's choice."""


def bury(
    paths: Paths, record: Record, values: dict[str, Any], *, locked: bool
) -> dict[str, Any] | None:
    """Write down the end of a container whose supervisor is gone, and remove it if it was --rm.

    `values` is its state as it was found, `locked` says whether the caller has its lock. Return
    its state after that; None where it has to be looked at again, because somebody else does the
    same just now.

    After a reboot there may be many, and nothing is left of any: then it is said, not written,
    unless it is `locked` for a new life, which must not begin with the old pids on record.
    """
    directory = f"{paths.containers}/{record['id']}"
    crashed = values.get("boot") == boot_id()
    if not crashed and not locked and not record["rm"]:
        return _ended(values, "the machine was shut down", booted())
    held = None
    try:
        if not locked:
            held = records.lock(directory, wait=False)
        if held is None and not locked:
            # A start or a removal is under way and will settle it; wait for that.
            held = records.lock(directory)
            if held is not None:
                os.close(held)
            return None
    except FileNotFoundError:
        return {**values, "status": "exited", "exit_code": SUPERVISOR_LOST}
    try:
        if records.is_claimed(f"{directory}/alive"):
            return None
        if crashed:
            _end_leftover(values.get("pid", 0), values.get("start_ticks", -1))
        reason = "the supervisor was killed" if crashed else "the machine was shut down"
        ended = _ended(values, reason, time.time())
        try:
            records.write_record(directory, "state.json", ended)
            if record["rm"]:
                from rootless.containers.deletion import delete
                from rootless.containers.users import users

                if not users(paths, record["id"]):
                    delete(paths, record, volumes=True)
        except (Error, OSError):
            pass  # a full or read-only disk: it is said, though it is not kept
        return ended
    finally:
        if held is not None:
            os.close(held)


def _ended(values: dict[str, Any], reason: str, finished: float) -> dict[str, Any]:
    """Return the state of a container that ended without anybody writing it down."""
    finished = max(finished, values.get("started", 0))
    end = {"status": "exited", "exit_code": SUPERVISOR_LOST, "finished": finished, "error": reason}
    return {**values, **end}


def _end_leftover(pid: int, start_ticks: int) -> None:
    """Kill the container's first process, if it still is that process, and wait for its end."""
    from rootless.linux.process import start_time

    try:
        opened = os.pidfd_open(pid)
    except (OSError, OverflowError, ValueError):
        return
    try:
        if start_time(pid) == start_ticks:
            _signal.pidfd_send_signal(opened, _signal.SIGKILL)
            _await_end(opened)
    except OSError:
        pass  # it has just ended
    finally:
        os.close(opened)


def remove_damaged(paths: Paths, id: str) -> None:  # noqa: A002 - the field's own word
    """Remove the container `id`, whose record cannot be read, and end it if it runs.

    Raises NotFound where somebody else was faster.
    """
    containers = objects(paths)
    end_holder(f"{containers.path(id)}/alive")
    try:
        held = records.lock(containers.path(id))
    except FileNotFoundError:
        raise NotFound(f"no such container: {id}") from None
    containers.discard(id)
    if held is not None:
        os.close(held)
    from rootless.images.trees import shown

    shown.forget(paths, "container", id)
    for name in containers.names():
        if containers.named(name) == id:
            containers.free(name, id)


def end_holder(alive: str) -> None:
    """Kill the supervisor that has the life lock on the file `alive`; its container ends with it.

    For where no record names it: its descriptors do.
    """
    if not records.is_claimed(alive):
        return
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            opened = os.pidfd_open(int(pid))
        except OSError:
            continue
        try:
            holds = any(
                os.readlink(f"/proc/{pid}/fd/{fd}") == alive for fd in os.listdir(f"/proc/{pid}/fd")
            )
            if holds and int(pid) != os.getpid():
                _signal.pidfd_send_signal(opened, _signal.SIGKILL)
                _await_end(opened)
        except OSError:
            continue  # somebody else's, or ended meanwhile
        finally:
            os.close(opened)


def _await_end(pidfd: int) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll()
