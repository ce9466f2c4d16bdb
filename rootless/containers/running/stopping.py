"""stop and kill: signals to a container's first process, and that its end is meant.

The file `stopped` in its directory says so: its supervisor does not start it again then, nor does
a boot. It comes before the signal, and goes when somebody starts the container.
"""

from __future__ import annotations

import os
import select
import time

from rootless.containers import events
from rootless.errors import Error, HostError, NotFound
from rootless.linux.process import is_stopped, pidfd_send_signal
from rootless.runtime.supervision.restart import STOPPED, forget_checks
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Iterable, Iterator

    from rootless.containers.handle import Handle
else:
    import _signal


_NEVER = 2_000_000
"""Seconds that poll(2), which counts milliseconds in an int, cannot wait: 23 days are no limit."""


KILLED_IN = 10.0
"""Seconds that a `kill` waits for the end that SIGKILL brings: docker's."""

AT_ONCE = 200
"""How many are stopped at once: each takes two descriptors, of which 1024 are usual."""


def kill(container: Handle, signal: str | int) -> bool:
    """Send a signal to the main process; False where nothing runs.

    With SIGKILL wait for the end: who comes next, with `rm` or `start`, finds it ended.
    """
    number = _number(signal)
    ends = (_signal.SIGKILL, _signal.SIGTERM, _signal.SIGINT, container.record["stop_signal"])
    alive = _open_alive(container) if number == _signal.SIGKILL else None
    try:
        supervisor = container.look().values.get("supervisor", 0)
        said = number in ends and _mean_it(container)
        if not container.send_signal(number) and not _end_restarting(container):
            if said:
                forget(container)
            return False
        events.tell(container.root, container.record, "kill", signal=str(int(number)))
        if alive is not None:
            _await_death(container, alive, supervisor)
        return True
    finally:
        if alive is not None:
            os.close(alive)


def _await_death(container: Handle, alive: int, supervisor: int) -> None:
    """Wait until one that was killed has ended. Raises HostError where that takes too long."""
    deadline = time.monotonic() + KILLED_IN
    while records.is_held(alive):
        check_supervisor(container, supervisor)
        if container.look().values.get("supervisor", supervisor) != supervisor:
            return  # somebody has started it again
        if time.monotonic() > deadline:
            raise HostError(
                f"container {container.name} was killed, but has not ended in {KILLED_IN:.0f} s",
                "a process of it may wait for a disk; rootless wait waits for its end",
            )
        time.sleep(0.002)


def _number(signal: str | int) -> int:
    from rootless.values import checked_signal, signal_number

    return signal_number(signal) if isinstance(signal, str) else checked_signal(signal)


def stop(container: Handle, timeout: int | None, signal: str | int | None) -> bool:
    """Send the stop signal, after a while SIGKILL, and wait for the end; see Container.stop."""
    with Stop(container, timeout, signal) as begun:
        return begun.finish()


def end(container: Handle) -> None:
    """Send SIGKILL and nothing else, and wait for the end: it is to be removed.

    Unlike `kill` for any that has a supervisor, and without a limit.
    """
    with Stop(container, -1, _signal.SIGKILL) as begun:
        begun.finish(tell=False)


class Stop:
    """A stop under way: the signal is sent, the end is yet to come.

    So several go on at once. None is waited for in a thread: who restarts a container forks.
    """

    def __init__(
        self, container: Handle, timeout: int | None, signal: str | int | None = None
    ) -> None:
        self._container = container
        self._killed = False
        first = container.record["stop_signal"] if signal is None else _number(signal)
        seconds = container.record["stop_timeout"] if timeout is None else timeout
        patient = not 0 <= seconds < _NEVER
        os.close(container.lock())  # a start that is under way comes first
        _mean_it(container)
        state = container.look()
        self._supervisor = state.values.get("supervisor", 0)
        self.ran = state.active
        if state.status == "paused":
            from rootless.containers.running.pausing import unpause

            unpause(container)
        self._alive = _open_alive(container)
        self.init: int | None = None
        """A pidfd of the first process, while that is waited for."""
        try:
            if self._alive is not None:
                self._send_first(first)
        except BaseException:
            self.close()
            raise
        self.deadline = float("inf") if patient else time.monotonic() + seconds
        """When SIGKILL is to come."""

    def _send_first(self, number: int) -> None:
        container = self._container
        if _send(container, number):
            self.init = container.open_process("pid")
        elif not _end_restarting(container) and container.state().active:
            from rootless.containers.recovery import end_holder

            end_holder(f"{container.directory}/alive")  # the pids are lost with the record

    def finish(
        self,
        others: Iterable[Stop] = (),
        *,
        tell: bool = True,
        on_kill: Callable[[Handle], None] = lambda _: None,
    ) -> bool:
        """Wait for the end, and see to the times of others; return whether it ran.

        `on_kill` is called where its time was up and SIGKILL was sent. Raises
        HostError where the supervisor is stopped itself.
        """
        if self._alive is None:
            return False
        _await_end(self, [self, *others])
        check_supervisor(self._container, self._supervisor)
        # Not for the supervisor's end: it may have to wait for a slow client.
        records.await_release(self._alive)
        if self._killed:
            on_kill(self._container)
        if self.ran and tell:
            events.tell(self._container.root, self._container.record, "stop")
        return self.ran

    def insist(self) -> None:
        """Its time is up."""
        self.deadline = float("inf")
        if _send(self._container, _signal.SIGKILL):
            self._killed = True

    def ended(self) -> None:
        """The first process has."""
        if self.init is not None:
            os.close(self.init)
            self.init = None

    def close(self) -> None:
        """Wait no more."""
        self.ended()
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None

    def __enter__(self) -> Stop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def stop_all(
    containers: Iterable[Handle | Error],
    timeout: int | None,
    signal: str | int | None,
    on_kill: Callable[[Handle], None] = lambda _: None,
) -> Iterator[bool | Error]:
    """Stop several at once; yield of each in turn what `stop` returns, or raises.

    An error among them, of one that was not found, is yielded in its turn. `on_kill` is called with
    those whose time was up, before that.
    """
    todo = list(containers)
    for at in range(0, len(todo), AT_ONCE):
        begun: list[Stop | Error] = []
        try:
            for one in todo[at : at + AT_ONCE]:
                try:
                    begun.append(one if isinstance(one, Error) else Stop(one, timeout, signal))
                except Error as error:
                    begun.append(error)
            stops = [each for each in begun if isinstance(each, Stop)]
            for each in begun:
                try:
                    yield (each if isinstance(each, Error) else each.finish(stops, on_kill=on_kill))
                except Error as error:
                    yield error
        finally:
            for each in begun:
                if isinstance(each, Stop):
                    each.close()


def stop_going(containers: Iterable[Handle], timeout: int | None) -> None:
    """Stop at once what is to be removed, but for what stays because somebody else needs it.

    Nothing is said of what cannot be stopped: the removal of it does.
    """
    from rootless.containers.users import users

    going = {one.id: one for one in containers}
    while staying := [id_ for id_, one in going.items() if {*users(one.paths, id_)} - {*going}]:
        for id_ in staying:
            del going[id_]
    for _ in stop_all(going.values(), timeout, None):
        pass


def _open_alive(container: Handle) -> int | None:
    try:
        return os.open(f"{container.directory}/alive", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None  # it has never run, or is gone


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


def _await_end(one: Stop, every: Iterable[Stop]) -> None:
    """Wait for the first process of one, and kill those of all whose time is up meanwhile."""
    poll = select.poll()
    waited = {each.init: each for each in every if each.init is not None}
    for init in waited:
        poll.register(init, select.POLLIN)
    while one.init is not None:
        left = min(each.deadline for each in waited.values()) - time.monotonic()
        ready = poll.poll(None if left == float("inf") else max(0, int(left * 1000) + 1))
        for init, _ in ready:
            poll.unregister(init)
            waited.pop(init).ended()
        for each in waited.values():
            if each.deadline <= time.monotonic():
                each.insist()


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
