"""stop and kill: signals to a container's first process, and that its end is meant.

The file `stopped` in its directory says so: its supervisor does not start it again then, nor does
a boot. It comes before the signal, and goes when somebody starts the container.
"""

from __future__ import annotations

import os
import select

from rootless.containers import events
from rootless.errors import HostError, NotFound
from rootless.linux.process import is_stopped, pidfd_send_signal
from rootless.runtime.supervision.restart import STOPPED, forget_checks
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from rootless.containers.handle import Handle
else:
    import _signal


_NEVER = 2_000_000
"""Seconds that poll(2), which counts milliseconds in an int, cannot wait: 23 days are no limit."""


def kill(container: Handle, signal: str | int) -> bool:
    """Send a signal to the main process; False where nothing runs."""
    number = _number(signal)
    ends = (_signal.SIGKILL, _signal.SIGTERM, _signal.SIGINT, container.record["stop_signal"])
    said = number in ends and _mean_it(container)
    if not container.send_signal(number) and not _end_restarting(container):
        if said:
            forget(container)
        return False
    events.tell(container.root, container.record, "kill", signal=str(int(number)))
    return True


def _number(signal: str | int) -> int:
    from rootless.values import checked_signal, signal_number

    return signal_number(signal) if isinstance(signal, str) else checked_signal(signal)


def stop(container: Handle, timeout: int | None, signal: str | int | None) -> bool:
    """Send the stop signal, after a while SIGKILL, and wait for the end; see Container.stop."""
    first = container.record["stop_signal"] if signal is None else _number(signal)
    seconds = container.record["stop_timeout"] if timeout is None else timeout
    patience = seconds * 1000 if 0 <= seconds < _NEVER else None
    os.close(container.lock())  # a start that is under way comes first
    _mean_it(container)
    state = container.look()
    ran = state.active
    if state.status == "paused":
        from rootless.containers.running.pausing import unpause

        unpause(container)
    path = f"{container.directory}/alive"
    try:
        alive = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if _send(container, first):
            _await_end(container, patience)
        elif not _end_restarting(container) and container.state().active:
            from rootless.containers.recovery import end_holder

            end_holder(path)  # the pids are lost with the record
        check_supervisor(container, state.values.get("supervisor", 0))
        # Not for the supervisor's end: it may have to wait for a slow client.
        records.await_release(alive)
        if ran:
            events.tell(container.root, container.record, "stop")
        return ran
    finally:
        os.close(alive)


def forget(container: Handle) -> None:
    """It is to run again. The caller has its lock."""
    forget_checks(container.directory)
    try:
        os.unlink(f"{container.directory}/{STOPPED}")
    except OSError:
        pass  # nobody had stopped it


def _mean_it(container: Handle) -> bool:
    """Say that its end is meant; return whether nobody has said so before."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        os.close(os.open(f"{container.directory}/{STOPPED}", flags, 0o600))
    except FileExistsError:
        return False
    except FileNotFoundError:
        raise NotFound(f"no such container: {container.name}") from None
    except OSError:
        return False  # a read-only or full disk: it ends all the same
    return True


def _send(container: Handle, number: int) -> bool:
    """Send a signal of a stop; False where the container does not run.

    It is told of first: else the end that it brings could be told of before it.
    """
    if not container.look().running:
        return False
    events.tell(container.root, container.record, events.STOPPING, signal=str(int(number)))
    return container.send_signal(number)


def _await_end(container: Handle, patience: int | None) -> None:
    """Wait for the first process, and kill it after that many milliseconds; None is for ever."""
    init = container.open_process("pid")
    if init is None:
        return
    try:
        poll = select.poll()
        poll.register(init, select.POLLIN)
        if not poll.poll(patience):
            _send(container, _signal.SIGKILL)
    finally:
        os.close(init)


def _end_restarting(container: Handle) -> bool:
    """End the wait of a container that is about to restart; False where it does not wait."""
    state = container.state()
    if not state.active or state.running:
        return False
    supervisor = os.pidfd_open(state.values["supervisor"])
    try:
        if container.state().values.get("supervisor") == state.values["supervisor"]:
            pidfd_send_signal(supervisor, _signal.SIGTERM)
    except ProcessLookupError:
        pass  # it has just ended
    finally:
        os.close(supervisor)
    return True


def check_supervisor(container: Handle, pid: int, hint: str = "lets it clean up") -> None:
    """Raises HostError where it cannot do its part, because somebody has stopped it.

    `hint` is what comes of letting it go on.
    """
    try:
        stands = is_stopped(pid) and records.is_claimed(f"{container.directory}/alive")
    except OSError:
        return  # it has ended
    if stands:
        raise HostError(
            f"the supervisor of container {container.name} is stopped",
            f"kill -CONT {pid} {hint}",
        )
