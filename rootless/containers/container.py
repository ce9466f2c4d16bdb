"""One container: its record, its state, and what can be done with it."""

from __future__ import annotations

import os
import time

from rootless import trace
from rootless.containers.handle import Handle, hold_standard
from rootless.errors import Conflict, NotFound, StoreError, named
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from rootless.containers.record import Record
    from rootless.containers.running.ends import Ends
    from rootless.containers.running.execution import Exec
    from rootless.containers.running.sessions import ExecRequest
    from rootless.containers.starting import Started
    from rootless.store.paths import Paths
else:
    import _signal


DETACH_KEYS = "ctrl-p,ctrl-q"
"""docker's and podman's way out of a terminal."""


class Container(Handle):
    """A container of the store, and what can be done with it."""

    def __init__(self, paths: Paths, record: Record) -> None:
        super().__init__(paths, record)
        self.on_note: Callable[[str], None] = lambda _text: None
        """Called with what a user should know of a start: what was done otherwise than asked."""
        self.preserved: list[int] = []
        """Descriptors of this process, from 3 on, that the command of the next start, or of the
        next `execute`, has under the same numbers. They are closed here."""

        self.held: int | None = None
        """Its lock, where this process has had it since it was made. The next that wants it here
        has it."""

    # -- life

    def lock(self) -> int:
        """See Handle."""
        held, self.held = self.held, None
        return super().lock() if held is None else held

    def start(self) -> bool:
        """Start it; False where it ran already, and was left as it is.

        Raises LaunchError and its subclasses, HostError, StoreError.
        """
        return self._begin(None) is not None

    def run(self, ends: Ends, *, detach_keys: str = DETACH_KEYS) -> int:
        """Start it, or attach to it where it runs, and serve it until it ends.

        Its output goes to `ends`, and their input to it, if it takes any. Return its exit code; 0
        where the keys in that input leave its terminal, and it goes on. Where its output cannot be
        written any more, as in a pipe that nobody reads, it gets to know that as by any pipe, and
        what `ends` have raised is raised when it has ended. Raises UsageError for keys that are
        none, and what `start` raises.
        """
        started = self._begin(ends, detach_keys)
        from rootless.containers.running import attach as attaching

        if started is None or started.stream is None:
            return attaching.join(self, ends, detach_keys)
        code = attaching.serve(started.stream, self, ends, detach_keys, first=True)
        if code is None:
            return 0  # the user has left, the container goes on
        # It has nothing left to do. Where no init reaps orphans (in many containers) it would
        # stay as a zombie.
        from rootless.runtime.supervision.restart import UPDATED

        if self.record["restart"] == "no" and not os.path.exists(f"{self.directory}/{UPDATED}"):
            os.waitpid(started.supervisor, 0)
        return code

    def attach(self, ends: Ends, *, detach_keys: str = DETACH_KEYS) -> int:
        """Serve the output and input of the running container until it ends; see `run`.

        Return its exit code, 0 where the user leaves before. Raises UsageError, Conflict where it
        does not run, HostError where its supervisor does not answer.
        """
        from rootless.containers.running import attach as attaching

        return attaching.join(self, ends, detach_keys)

    def resize(self, rows: int, columns: int) -> None:
        """Change the window of its terminal, whoever is attached.

        Raises UsageError for a size that none has, Conflict where it does not run or has none,
        HostError where its supervisor does not answer.
        """
        from rootless.containers.running.attach import resize

        resize(self, rows, columns)

    def _begin(self, ends: Ends | None, detach_keys: str = "") -> Started | None:
        """Start it; None where it runs already. What fails with --rm is removed."""
        try:
            # Loading takes long enough to be interrupted. Signals wait for its end, because the
            # import machinery loses an exception that comes in one of its callbacks.
            numbers = {_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT}
            before = _signal.pthread_sigmask(_signal.SIG_BLOCK, numbers)
            try:
                from rootless.containers import starting as _starting  # noqa: F401 - for _launch

                if ends is not None:
                    from rootless.containers.running.attach import keys_of
            finally:
                _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
            if ends is not None:
                keys_of(self.record, detach_keys)  # refused before anything has happened
            started = self._launch(ends)
        except BaseException:  # Ctrl-C among them
            if self.record["rm"]:
                self.abandon()
            raise
        trace.mark("container running")
        for text in started.notes if started else ():
            self.on_note(text)
        return started

    def _launch(self, ends: Ends | None) -> Started | None:
        from rootless.containers.running.stopping import forget
        from rootless.containers.starting import start

        hold_standard()
        for required in self.record.get("requires", ()):
            self._start_required(required)
        held = self.lock()
        alive = None
        try:
            alive = self._claim()
            if alive is None:
                return None
            forget(self)
            preserved, self.preserved = self.preserved, []
            return start(
                self.paths, self.record, self.directory, alive, ends=ends, preserved=preserved
            )
        finally:
            os.close(held)
            if alive is not None:
                os.close(alive)

    def _start_required(self, id: str) -> None:  # noqa: A002 - the field's own word
        """Start a container that this one requires, unless it runs. Raises what `start` raises."""
        from rootless.containers.record import read

        try:
            required = Container(self.paths, read(f"{self.paths.containers}/{id}"))
        except FileNotFoundError:
            raise NotFound(f"container {self.name} requires {id[:12]}, which is gone") from None
        required.on_note = self.on_note
        required.start()

    def _claim(self) -> int | None:
        """Take the life lock for a start, None where the container runs already.

        Where another supervisor has it that does not run the container, then not for long: it
        cleans up, or it starts it for a command that was killed meanwhile.
        """
        while not self.state(locked=True).active:
            try:
                alive = records.claim(f"{self.directory}/alive")
            except FileNotFoundError:  # its supervisor was killed, and it was --rm
                raise NotFound(f"no such container: {self.name}") from None
            if alive is not None:
                return alive
            time.sleep(0.005)
        return None

    def restart(self, timeout: int | None = None, signal: str | int | None = None) -> None:
        """Stop it, if it runs, and start it again; --rm does not remove it in between.

        `timeout` and `signal` are those of `stop`, whose errors it raises.
        """
        from rootless.containers import events

        if self.record["log_driver"] == "passthrough":
            from rootless.containers.creation.conflicts import refuse_terminal

            refuse_terminal(self.record["log_driver"])  # before it is stopped
        if self.state().active:
            from rootless.containers.deletion import KEPT

            flag = f"{self.directory}/{KEPT}"
            if self.record["rm"]:
                self._keep(flag)
            try:
                self.stop(timeout, signal)
            finally:
                try:
                    os.unlink(flag)
                except FileNotFoundError:
                    pass  # it is not --rm, or was removed meanwhile
        self.start()
        events.tell(self.root, self.record, "restart")

    def _keep(self, flag: str) -> None:
        """Say that the end to come is not that of a --rm container. Raises StoreError."""
        try:
            os.close(os.open(flag, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise StoreError(
                f"cannot restart container {self.name}: cannot make {flag}: {error.strerror}",
                records.remedy(error),
            ) from error

    def abandon(self) -> None:
        """Remove it, for its start has failed; but not if it runs."""
        try:
            self.remove()
        except (Conflict, NotFound):
            pass

    def stop(self, timeout: int | None = None, signal: str | int | None = None) -> bool:
        """Send the stop signal, or `signal`, after `timeout` seconds SIGKILL; wait for the end.

        A container that does not run is left as it is: then return False. A negative timeout
        waits for ever. Raises UsageError, HostError where the supervisor is stopped itself.
        """
        from rootless.containers.running.stopping import stop

        return stop(self, timeout, signal)

    def kill(self, signal: str | int = "KILL") -> bool:
        """Send a signal to the main process; False where nothing runs. SIGKILL waits for the end.

        Raises UsageError, HostError where the end does not come.
        """
        from rootless.containers.running.stopping import kill

        return kill(self, signal)

    def wait(self, conditions: Sequence[str] = ()) -> int:
        """Wait until it has ended, or until one of the conditions is met; return the exit code.

        Without conditions a restart policy does not keep it from an end: the first one counts. With
        them -1 where it has not ended then. For the conditions see `waiting`.
        """
        from rootless.containers.running.waiting import wait

        return wait(self, conditions)

    def pause(self) -> str:
        """Let all its processes stand still; return how: "freezer", or "signal" without one.

        Empty where they stand still already. Raises Conflict where it does not run.
        """
        from rootless.containers.running.pausing import pause

        return pause(self)

    def unpause(self) -> bool:
        """Let its processes go on; False where they do not stand still."""
        from rootless.containers.running.pausing import unpause

        return unpause(self)

    def remove(
        self, *, force: bool = False, volumes: bool = False, timeout: int | None = 0
    ) -> None:
        """Remove it and all that is its own; with `force` stop it first.

        `timeout` is how many seconds that may take before it is killed, None its own; with 0 it is
        not asked before. Raises Conflict for a running container, InUse for one that another needs,
        NotFound where somebody else was faster.
        """
        from rootless.containers.users import refuse_use

        refuse_use(self.paths, self.id, self.name)
        while not self._remove(volumes=volumes):
            if not force:
                raise Conflict(
                    f"container {self.name} is running",
                    f"stop it first, or use {named('remove.force')}",
                )
            # Perhaps once more: somebody may start it again meanwhile.
            if timeout == 0:
                from rootless.containers.running.stopping import end

                end(self)
            else:
                self.stop(timeout)

    def _remove(self, *, volumes: bool) -> bool:
        """Remove it, unless it runs: then return False."""
        from rootless.containers.deletion import delete
        from rootless.containers.users import refuse_use

        if self.record["rm"] and not os.path.isdir(self.directory):
            return True  # its supervisor has done it
        held = self.lock()
        try:
            if self.state(locked=True).active:
                return False
            refuse_use(
                self.paths, self.id, self.name
            )  # again: who is made meanwhile waits for the lock, and then looks
            delete(self.paths, self.record, volumes=volumes or self.record["rm"])
            return True
        finally:
            os.close(held)

    def prune(self) -> bool:
        """Remove it, unless it runs or somebody is at it, as a start is; return whether it went.

        Raises InUse.
        """
        from rootless.containers.users import refuse_use

        refuse_use(self.paths, self.id, self.name)
        try:
            self.held = records.lock(self.directory, wait=False)
            return self.held is not None and self._remove(volumes=False)
        except (FileNotFoundError, NotFound):
            return False  # somebody was faster
        finally:
            if self.held is not None:
                os.close(self.lock())

    # -- talk

    def execute(self, request: ExecRequest, ends: Ends | None = None) -> int:
        """Run a command inside; return its exit code, 0 at once without `ends`.

        0 as well where the user leaves its terminal, and it goes on. Raises Conflict where the
        container does not run, UsageError, LaunchError and its subclasses.
        """
        from rootless.containers.running.execution import run

        preserved, self.preserved = self.preserved, []
        return run(self, request, ends, preserved)

    def make_exec(self, request: ExecRequest) -> Exec:
        """Write down a command that is to run inside, for this or another process to start.

        Raises Conflict where the container does not run, UsageError, StoreError.
        """
        from rootless.containers.running.execution import make

        return make(self, request)

    def logs(
        self,
        *,
        follow: bool = False,
        tail: int = -1,
        since: float = 0.0,
        until: float = 0.0,
        timestamps: bool = False,
    ) -> Iterator[tuple[int, bytes]]:
        """Yield (stream, bytes) of what it has written, and with `follow` of what it will.

        `tail` counts lines, -1 is all; `since` and `until` are seconds since the epoch, 0 is none.
        """
        from rootless.containers.running.logs import read, stamped

        middle = {1: False, 2: False}
        entries = read([self], follow=follow, tail=tail, since=since, until=until)
        for _, entry in entries:
            shown = stamped(entry) if timestamps and not middle[entry.stream] else b""
            middle[entry.stream] = not entry.whole
            yield entry.stream, shown + entry.data

    def check_health(self) -> int:
        """Have the supervisor run the health check now; return its exit code.

        Raises Conflict where nothing runs or there is no check, HostError.
        """
        from rootless.containers.record import has_check
        from rootless.containers.running.health import ask

        if not has_check(self.record):
            raise Conflict(f"container {self.name} has no health check")
        if not self.state().running:
            raise Conflict(f"container {self.name} is not running", "start it first")
        return ask(self)

    def inspect(self, name: Callable[[str], str] = str) -> dict[str, Any]:
        """Return all about it in docker's shape; an error of its start as `Error.told(name)`."""
        from rootless.containers.inspect import inspect
        from rootless.containers.record import has_check

        health, sessions = None, []
        if has_check(self.record):
            from rootless.containers.running.health import result

            health = result(self.directory)
        state = self.state()
        if state.running and os.path.isdir(f"{self.directory}/exec"):
            from rootless.containers.running.sessions import running

            sessions = running(self.directory)
        shown = inspect(
            self.record, state, directory=self.directory, health=health, sessions=sessions
        )
        shown["State"]["Error"] = state.told(name)
        return shown
