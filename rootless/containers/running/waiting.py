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
    return wait_for_one([container], conditions)


def wait_for_one(containers: Sequence[Handle], conditions: Sequence[str]) -> int:
    """Wait as Container.wait does, until one of the containers is as wanted; return its code.

    The first in the list, where several are. Raises what Container.wait raises for any of them.
    """
    wanted = check(conditions) or [_END]
    only_health = set(wanted) <= {*_HEALTH}
    for container in containers:
        if only_health and not has_check(container.record):
            raise Conflict(f"container {container.name} has no health check")
    watched: list[_Watched] = []
    try:
        for container in containers:
            hold = bool({_END, "exited"} & {*wanted})
            watched.append(_Watched(container, hold=hold))
        container, state = _follow(watched, wanted)
    except NotFound:
        if "removed" in wanted:
            return -1
        raise
    finally:
        for one in watched:
            one.close()
    if state.status in ("running", "restarting") and not state.active:
        state = container.state()  # its supervisor was killed: somebody has to write that down
    if wanted == [_END]:
        return int(state.values.get("exit_code", 0))
    return -1 if state.active else state.exit_code


class _Watched:
    """A container that is waited for, and what tells of its changes."""

    def __init__(self, container: Handle, *, hold: bool) -> None:
        """`hold` is whether its removal has to wait until we have read how it ended."""
        self.container = container
        self.supervisor: int | None = None
        self._held: int | None = None
        self.changes = -1
        if hold:
            try:
                self._held = records.lock(f"{container.directory}/alive", shared=True)
            except FileNotFoundError:
                pass  # it was never started
        try:
            self.changes = inotify.watch(container.directory, _CHANGES)
            self.ends = container.look().restart_count
        except BaseException as error:
            self.close()
            if isinstance(error, FileNotFoundError):
                raise self.gone() from None
            raise

    def look(self) -> State:
        """Return its state; a change after this wakes whoever polls `changes` and `supervisor`."""
        self._forget_supervisor()
        self.supervisor = self.container.open_supervisor()
        return self.container.look()

    def gone(self) -> NotFound:
        """Return the error for one that was removed."""
        return NotFound(f"no such container: {self.container.name}")

    def close(self) -> None:
        """Watch it no more."""
        self._forget_supervisor()
        if self.changes >= 0:
            os.close(self.changes)
        self._let_go()

    def _forget_supervisor(self) -> None:
        if self.supervisor is not None:
            os.close(self.supervisor)
        self.supervisor = None

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
        self._held = None


def _follow(watched: list[_Watched], wanted: list[str]) -> tuple[Handle, State]:
    """Return the first container with a state that is wanted. Raises NotFound once one is gone."""
    while True:
        for one in watched:
            state = one.look()
            if _is_met(state, wanted) or (_END in wanted and state.restart_count != one.ends):
                return one.container, state
            if set(wanted) <= {*_HEALTH} and state.status == "exited":
                raise Conflict(f"container {one.container.name} has ended ({state.exit_code})")
        _sleep(watched)


def _is_met(state: State, wanted: list[str]) -> bool:
    if not state.active and {_END, "exited"} & {*wanted}:
        return True
    settled = state.active or state.status in ("created", "exited")
    return (settled and state.status in wanted) or state.health in wanted


def _sleep(watched: list[_Watched]) -> None:
    """Wait for the next change. Raises NotFound where a container is gone."""
    poll = select.poll()
    for one in watched:
        if not os.path.exists(f"{one.container.directory}/config.json"):
            raise one.gone()
        poll.register(one.changes, select.POLLIN)
        if one.supervisor is not None:
            poll.register(one.supervisor, select.POLLIN)
    ready = {fd for fd, _ in poll.poll(_LOOK)}
    for one in watched:
        if one.changes in ready:
            os.read(one.changes, 1 << 16)
        if not ready and one.supervisor is not None:
            _refuse_unheard_end(one.container)


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
