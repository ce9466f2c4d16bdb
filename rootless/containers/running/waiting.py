"""Waiting for what becomes of a container, by events: inotify on its records, and its supervisor.

docker's `wait` waits for the end: where a restart policy starts it again, for the first one.
podman's conditions are these and several may be named:

    created running paused restarting exited (stopped)     its status
    healthy unhealthy                                      its health check's
    removed (removing)                                     it is gone
"""

from __future__ import annotations

import os
import select

from rootless.containers.record import has_check
from rootless.containers.running.stopping import check_supervisor
from rootless.errors import Conflict, NotFound, UsageError, named
from rootless.linux import inotify
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootless.containers.handle import Handle, State

_STATUS = ("created", "running", "paused", "restarting", "exited")
_HEALTH = ("healthy", "unhealthy")
_OTHER_WORDS = {"stopped": "exited", "configured": "created", "removing": "removed"}
_CHANGES = (
    inotify.IN_MOVED_TO
    | inotify.IN_CREATE
    | inotify.IN_DELETE
    | inotify.IN_MOVE_SELF
    | inotify.IN_DELETE_SELF
)
"""A record was written, a flag made or removed, the container removed."""

_END = "end"
"""What is waited for where nobody names a condition: this life's end, if another follows or not."""

_LOOK = 5000
"""Milliseconds between looks at whether anybody is left to say more."""


def check(conditions: Sequence[str]) -> list[str]:
    """Return conditions by one word each. Raises UsageError for one that is none."""
    known = (*_STATUS, *_HEALTH, "removed")
    found = [_OTHER_WORDS.get(word, word) for word in conditions]
    for word, asked in zip(found, conditions, strict=True):
        if word not in known:
            raise UsageError(
                f"{named('conditions')}: unknown condition {asked!r}", ", ".join(known)
            )
    return found


def wait(container: Handle, conditions: Sequence[str]) -> int:
    """See Container.wait."""
    wanted = check(conditions) or [_END]
    if set(wanted) <= {*_HEALTH} and not has_check(container.record):
        raise Conflict(f"container {container.name} has no health check")
    held = None
    if {_END, "exited"} & {*wanted}:
        # Whoever removes the container waits for this lock until we have read how it ended.
        try:
            held = records.lock(f"{container.directory}/alive", shared=True)
        except FileNotFoundError:
            pass  # it was never started
    try:
        state = _follow(container, wanted)
    except FileNotFoundError:
        if "removed" in wanted:
            return -1
        raise NotFound(f"no such container: {container.name}") from None
    finally:
        if held is not None:
            os.close(held)
    if state.status in ("running", "restarting") and not state.active:
        state = container.state()  # its supervisor was killed: somebody has to write that down
    if wanted == [_END]:
        return int(state.values.get("exit_code", 0))
    return -1 if state.active else state.exit_code


def _follow(container: Handle, wanted: list[str]) -> State:
    """Return the first state that is wanted. Raises FileNotFoundError once it is removed."""
    changes = inotify.watch(container.directory, _CHANGES)
    ends = container.look().restart_count
    try:
        while True:
            supervisor = container.open_supervisor()
            try:
                state = container.look()
                if _is_met(state, wanted) or (_END in wanted and state.restart_count != ends):
                    return state
                if set(wanted) <= {*_HEALTH} and state.status == "exited":
                    raise Conflict(f"container {container.name} has ended ({state.exit_code})")
                _sleep(container, changes, supervisor)
            finally:
                if supervisor is not None:
                    os.close(supervisor)
    finally:
        os.close(changes)


def _is_met(state: State, wanted: list[str]) -> bool:
    if not state.active and {_END, "exited"} & {*wanted}:
        return True
    settled = state.active or state.status in ("created", "exited")
    return (settled and state.status in wanted) or state.health in wanted


def _sleep(container: Handle, changes: int, supervisor: int | None) -> None:
    """Wait for the next change. Raises FileNotFoundError where the container is gone."""
    os.stat(f"{container.directory}/config.json")
    poll = select.poll()
    poll.register(changes, select.POLLIN)
    if supervisor is not None:
        poll.register(supervisor, select.POLLIN)
    ready = poll.poll(_LOOK)
    if any(fd == changes for fd, _ in ready):
        os.read(changes, 1 << 16)
    if not ready and supervisor is not None:
        _refuse_unheard_end(container)


def _refuse_unheard_end(container: Handle) -> None:
    """Raise HostError where it has ended and its supervisor, which is to say so, stands still."""
    init = container.open_process("pid")
    if init is None:
        return
    try:
        poll = select.poll()
        poll.register(init, select.POLLIN)
        if poll.poll(0):
            check_supervisor(container, container.state().values.get("supervisor", 0))
    finally:
        os.close(init)
