"""A container as its verbs know it: its record, its place, its state, its lock, its processes."""

from __future__ import annotations

import os

from rootless.errors import Error, NotFound, StoreError
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rootless.containers.record import Record
    from rootless.netstack.ports import Port
    from rootless.store.paths import Paths


class State:
    """What became of a container, at one moment."""

    def __init__(self, values: dict[str, Any], *, alive: bool, paused: bool = False) -> None:
        """`alive` is whether its supervisor lives, `paused` whether its processes are frozen."""
        self.values = values
        self.status: str = values.get("status", "created")
        if self.status == "damaged":
            self.status = "running" if alive else "exited"
        self.running = alive and self.status == "running"
        """Whether its processes are there, frozen or not."""
        self.active = self.running or (alive and self.status == "restarting")
        """Whether it runs, or will by itself (docker's State.Running)."""
        if self.running and paused:
            self.status = "paused"
        self.pid: int = values.get("pid", 0) if self.running else 0
        self.supervisor: int = values.get("supervisor", 0) if self.active else 0
        self.started: float = values.get("started", 0.0)
        self.finished: float = values.get("finished", 0.0)
        self.exit_code: int = 0 if self.running else values.get("exit_code", 0)
        self.error: str = values.get("error", "")
        """Why the last start failed."""
        self.restart_count: int = values.get("restart_count", 0)
        self.health: str = values.get("health", "") if self.running else ""
        """starting, healthy or unhealthy; empty without a check."""
        self.ports: list[Port] = values.get("ports", []) if self.running else []
        """What is published, with the host's ports."""
        self.networks: dict[str, Any] = values.get("networks", {}) if self.running else {}
        """Networks with names that it is on -> its addresses there (supervision.plugs.shown)."""
        self.degraded: list[str] = values.get("degraded", [])
        """What the kernel or an outer container refused, and what was done instead."""

    def told(self, name: Callable[[str], str]) -> str:
        """Return `error` with `name` of each field that it speaks of (see errors.Error.told)."""
        reason = self.values.get("reason")  # a release before has `error` alone
        return Error(*reason).told(name) if reason else self.error


_KINDS: tuple[tuple[type | tuple[type, ...], tuple[str, ...]], ...] = (
    (int, ("pid", "supervisor", "start_ticks", "exit_code", "restart_count")),
    ((int, float), ("started", "finished")),
    (str, ("error", "boot", "health")),
    (list, ("ports", "degraded")),
)
"""What a state says, where it says it."""


def _is_whole(values: dict[str, Any]) -> bool:
    """Whether all that a state says can be what it says."""
    return all(
        isinstance(values[key], kind) for kind, keys in _KINDS for key in keys if key in values
    )


class Handle:
    """A container of the store: what it is, and what it takes to do something with it."""

    def __init__(self, paths: Paths, record: Record) -> None:
        self.paths = paths
        """The directories of its store."""
        self.root = paths.root
        """The data directory."""
        self.record = record
        self.id = record["id"]
        self.name = record["name"]
        self.directory = f"{paths.containers}/{self.id}"

    def state(self, *, locked: bool = False) -> State:
        """Read the state. A container runs if and only if its supervisor lives.

        One whose supervisor was killed is mended on the way: what is left of it is ended and its
        end is written down. `locked` says whether the caller has the container's lock.
        """
        while True:
            alive = records.is_claimed(f"{self.directory}/alive")
            values = self._read_state()
            if alive or values.get("status") not in ("running", "restarting"):
                # A supervisor that still starts, or already cleans up, is not running.
                return State(values, alive=alive, paused=alive and self.is_paused())
            if records.is_claimed(f"{self.directory}/alive"):
                continue  # it was started between the two looks
            from rootless.containers.recovery import bury

            ended = bury(self.paths, self.record, values, locked=locked)
            if ended is not None:
                return State(ended, alive=False)

    def look(self) -> State:
        """Read the state as it is written, and mend nothing."""
        alive = records.is_claimed(f"{self.directory}/alive")
        return State(self._read_state(), alive=alive, paused=alive and self.is_paused())

    def is_paused(self) -> bool:
        """Whether somebody lets its processes stand still, or does so just now."""
        return os.path.exists(f"{self.directory}/paused")

    def _read_state(self) -> dict[str, Any]:
        try:
            values: dict[str, Any] = records.read_record(f"{self.directory}/state.json")
            if isinstance(values["status"], str) and _is_whole(values):
                return values
        except FileNotFoundError:
            return {}
        except (StoreError, KeyError):
            pass
        # Nothing of it can be believed. Whether it runs says the life lock.
        return {"status": "damaged", "exit_code": 255, "error": "state.json is damaged"}

    def lock(self) -> int:
        """Keep others from starting and removing it; return what holds that. Raises NotFound."""
        try:
            held = records.lock(self.directory)
        except FileNotFoundError:
            raise NotFound(f"no such container: {self.name}") from None
        assert held is not None  # noqa: S101 - only without waiting
        return held

    def send_signal(self, number: int) -> bool:
        """Send a signal to the main process; False where the container does not run."""
        # Not at the top: ctypes is a quarter of what `ps` and `inspect` take, which need none.
        from rootless.linux import process as linux_process

        opened = self.open_process("pid")
        if opened is None:
            return False
        try:
            linux_process.pidfd_send_signal(opened, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(opened)
        return True

    def open_process(self, key: str) -> int | None:
        """Return a pidfd of the process that the state names under `key`; None where it has ended.

        The state is read again after the pid was opened: while the supervisor lives and says
        "running" it has not reaped init, so the pid cannot have become somebody else's.
        """
        state = self.look()
        if not (state.active if key == "supervisor" else state.running):
            return None
        try:
            opened = os.pidfd_open(state.values[key])
        except (OSError, KeyError, OverflowError):
            return None
        again = self.look()
        if again.active and again.values.get(key) == state.values[key]:
            return opened
        os.close(opened)
        return None

    def open_supervisor(self) -> int | None:
        """Return a pidfd of the supervisor, None where nothing runs. The caller closes it."""
        return self.open_process("supervisor")


def hold_standard() -> None:
    """Put /dev/null where this process has no descriptor 0, 1 or 2.

    Else what is opened for a child would get their numbers, which the child gives to others.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)  # the lowest free number: fd
