"""pause and unpause: the processes of a container stand still.

By the freezer where the container has a cgroup of its own. Else each of them gets SIGSTOP: a
process that stands still forks no more, so looking again until there is no new one finds them all.
The processes can notice that, and one that had stopped itself goes on with all the others.
The file `paused` in the container's directory says that they do; it comes first and goes last. It
is empty: a full disk has room for it.
"""

from __future__ import annotations

import contextlib
import os
import time

from rootless.containers import events
from rootless.containers.running import sessions
from rootless.errors import Conflict, Error, StoreError
from rootless.runtime.supervision import cgroup
from rootless.runtime.supervision.members import members
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterator
    from typing import NoReturn

    from rootless.containers.handle import Handle, State
else:
    import _signal

FREEZER, SIGNAL = "freezer", "signal"

PATIENCE = 2.0
"""Seconds for a command that is on its way into the container; it takes some milliseconds."""


def pause(container: Handle) -> str:
    """Let it stand still; return how, FREEZER or SIGNAL, or "" where it does already.

    Raises Conflict where it does not run, StoreError.
    """
    state = container.state()
    if not state.running:
        raise Conflict(f"cannot pause container {container.name}: it is not running")
    if state.status == "paused":
        return ""
    path = state.values.get("cgroup", "")
    _say(container)
    way = FREEZER
    if not path or not cgroup.freeze(path, True):
        way = SIGNAL
        _stop_all(container, state)
    events.tell(container.root, container.record, "pause")
    return way


def unpause(container: Handle) -> bool:
    """Let it go on; False where it does not stand still."""
    state = container.state()
    if state.status != "paused":
        return False
    if path := state.values.get("cgroup", ""):
        cgroup.freeze(path, False)
    for pid in reversed(members(state.pid, state.values["command_pid"])):
        _send(pid, _signal.SIGCONT)
    try:
        os.unlink(f"{container.directory}/paused")
    except FileNotFoundError:
        pass  # it has just ended
    events.tell(container.root, container.record, "unpause")
    return True


@contextlib.contextmanager
def standing(container: Handle) -> Iterator[None]:
    """Let a container that runs stand still meanwhile.

    A child lets it go on, so that it does so even where this process is killed.
    """
    reading, writing = os.pipe()
    guard = os.fork()
    if guard == 0:
        _guard(container, reading, writing)
    os.close(reading)
    try:
        try:
            paused = pause(container)
        except Conflict:
            paused = ""  # it does not run
        if not paused:  # or somebody else has paused it
            os.write(writing, b"-")
        yield
    finally:
        os.close(writing)
        if os.waitpid(guard, 0)[1]:
            raise Error(f"container {container.name} still stands", "rootless unpause helps")


def _guard(container: Handle, reading: int, writing: int) -> NoReturn:
    """Wait for the other end; let the container go on unless there was a word."""
    code = 1
    try:
        os.setsid()  # Ctrl-C is for the other one
        os.close(writing)
        if not os.read(reading, 1):
            unpause(container)  # unless it has ended, or somebody was faster
        code = 0
    finally:
        os._exit(code)


def _say(container: Handle) -> None:
    path = f"{container.directory}/paused"
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(
            f"cannot pause container {container.name}: cannot make {path}: {error.strerror}",
            records.remedy(error),
        ) from error


def _stop_all(container: Handle, state: State) -> None:
    """Stop parents before their children, which would else be told of.

    A command of exec that did not see us in time is on its way in: it has PATIENCE to come.
    """
    stopped: set[int] = set()
    command = state.values["command_pid"]
    deadline = time.monotonic() + PATIENCE
    while True:
        one_begins = sessions.is_one_beginning(container.directory)
        new = [pid for pid in members(state.pid, command) if pid not in stopped]
        for pid in new:
            _send(pid, _signal.SIGSTOP)
        stopped.update(new)
        if not new and not one_begins:
            return
        if not new:
            if time.monotonic() > deadline:
                return
            time.sleep(0.005)


def _send(pid: int, number: int) -> None:
    try:
        opened = os.pidfd_open(pid)
    except OSError:
        return  # gone
    try:
        _signal.pidfd_send_signal(opened, number)
    except (ProcessLookupError, PermissionError):
        pass
    finally:
        os.close(opened)
