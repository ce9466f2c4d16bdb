"""One container: its record, its state, and what can be done with it."""

from __future__ import annotations

import os
import time

from rootless import trace
from rootless.errors import Conflict, NotFound, StoreError
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from rootless.containers.record import Record
    from rootless.containers.starting import Started
    from rootless.netstack.ports import Port
    from rootless.store.paths import Paths
else:
    import _signal


DETACH_KEYS = "ctrl-p,ctrl-q"
"""docker's and podman's way out of a terminal."""


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
        self.restart_count: int = values.get("restart_count", 0)
        self.health: str = values.get("health", "") if self.running else ""
        """starting, healthy or unhealthy; empty without a check."""
        self.ports: list[Port] = values.get("ports", []) if self.running else []
        """What is published, with the host's ports."""
        self.degraded: list[str] = values.get("degraded", [])
        """What the kernel or an outer container refused, and what was done instead."""


class Container:
    """A container of the store."""

    def __init__(self, paths: Paths, record: Record) -> None:
        self._paths = paths
        self.root = paths.root
        """The data directory."""
        self.record = record
        self.id = record["id"]
        self.name = record["name"]
        self.directory = f"{paths.containers}/{self.id}"
        self.on_note: Callable[[str], None] = lambda _text: None
        """Called with what a user should know of a start: what was done otherwise than asked."""

    # -- what is

    @property
    def paths(self) -> Paths:
        """The directories of its store."""
        return self._paths

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
                return State(values, alive=alive, paused=alive and self._is_paused())
            if records.is_claimed(f"{self.directory}/alive"):
                continue  # it was started between the two looks
            from rootless.containers.recovery import bury

            ended = bury(self, values, locked=locked)
            if ended is not None:
                return State(ended, alive=False)

    def look(self) -> State:
        """Read the state as it is written, and mend nothing."""
        alive = records.is_claimed(f"{self.directory}/alive")
        return State(self._read_state(), alive=alive, paused=alive and self._is_paused())

    def _is_paused(self) -> bool:
        return os.path.exists(f"{self.directory}/paused")

    def _read_state(self) -> dict[str, Any]:
        try:
            values: dict[str, Any] = records.read_record(f"{self.directory}/state.json")
            if isinstance(values["status"], str):
                return values
        except FileNotFoundError:
            return {}
        except (StoreError, KeyError):
            pass
        # Nothing of it can be believed. Whether it runs says the life lock.
        return {"status": "damaged", "exit_code": 255, "error": "state.json is damaged"}

    # -- life

    def start(
        self,
        *,
        attach: bool = False,
        stdin: bool | None = None,
        detach_keys: str = DETACH_KEYS,
        sig_proxy: bool = True,
    ) -> int:
        """Start it; attached, serve its output and input until it ends and return its exit code.

        `stdin` is whether to pass standard input on, by default if the container takes any. The
        keys leave a terminal, and the container running: then the code is 0. A running container
        is left as it is, or attached to. Raises LaunchError and its subclasses, HostError,
        StoreError.
        """
        try:
            # Loading takes long enough to be interrupted. Ctrl-C waits for its end, because the
            # import machinery loses an exception that comes in one of its callbacks.
            before = _signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})
            try:
                from rootless.containers import starting as _starting  # noqa: F401 - for _launch
                from rootless.containers.running import attach as attaching
            finally:
                _signal.pthread_sigmask(_signal.SIG_SETMASK, before)

            wishes = attaching.Wishes(self, stdin=stdin, detach_keys=detach_keys)
            signals = attaching.Signals() if attach and sig_proxy else None
            started = self._launch(attach=attach)
        except BaseException:  # Ctrl-C among them
            if self.record["rm"]:
                self._abandon()
            raise
        trace.mark("container running")
        for text in started.notes if started else ():
            self.on_note(text)
        if not attach:
            return 0
        if started is None or started.stream is None:
            return attaching.join(self, wishes, signals)
        code = attaching.serve(started.stream, wishes, signals)
        if code is None:
            return 0  # the user has left, the container goes on
        # It has nothing left to do. Where no init reaps orphans (in many containers) it would
        # stay as a zombie.
        if self.record["restart"] == "no":
            os.waitpid(started.supervisor, 0)
        return code

    def attach(
        self, *, stdin: bool = True, detach_keys: str = DETACH_KEYS, sig_proxy: bool = True
    ) -> int:
        """Serve the output and input of the running container until it ends; see `start`.

        Return its exit code, 0 where the user leaves before. Raises Conflict where it does not
        run, HostError where its supervisor does not answer.
        """
        from rootless.containers.running import attach as attaching

        wishes = attaching.Wishes(self, stdin=stdin, detach_keys=detach_keys)
        return attaching.join(self, wishes, attaching.Signals() if sig_proxy else None)

    def _launch(self, *, attach: bool) -> Started | None:
        """Start it; None where it runs already."""
        from rootless.containers.running.stopping import forget
        from rootless.containers.starting import start

        held = self.lock()
        alive = None
        try:
            alive = self._claim()
            if alive is None:
                return None
            forget(self)
            return start(self._paths, self.record, self.directory, alive, attach=attach)
        finally:
            os.close(held)
            if alive is not None:
                os.close(alive)

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

    def restart(self, timeout: int | None = None) -> None:
        """Stop it, if it runs, and start it again; --rm does not remove it in between."""
        from rootless.containers import events

        if self.record["log_driver"] == "passthrough":
            from rootless.containers.conflicts import refuse_terminal

            refuse_terminal(self.record["log_driver"])  # before it is stopped
        if self.state().active:
            from rootless.containers.deletion import KEPT

            flag = f"{self.directory}/{KEPT}"
            if self.record["rm"]:
                os.close(os.open(flag, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            try:
                self.stop(timeout)
            finally:
                try:
                    os.unlink(flag)
                except FileNotFoundError:
                    pass  # it is not --rm, or was removed meanwhile
        self.start()
        events.tell(self.root, self.record, "restart")

    def _abandon(self) -> None:
        """Remove it, for its start has failed; but not if it runs."""
        try:
            self.remove()
        except (Conflict, NotFound):
            pass

    def lock(self) -> int:
        """Keep others from starting and removing it; return what holds that. Raises NotFound."""
        try:
            held = records.lock(self.directory)
        except FileNotFoundError:
            raise NotFound(f"no such container: {self.name}") from None
        assert held is not None  # noqa: S101 - only without waiting
        return held

    def stop(self, timeout: int | None = None) -> None:
        """Send the stop signal, after `timeout` seconds SIGKILL, and wait for the end.

        A container that does not run is left as it is. A negative timeout waits for ever. Raises
        HostError where the supervisor is stopped itself.
        """
        from rootless.containers.running.stopping import stop

        stop(self, timeout)

    def kill(self, signal: str | int = "KILL") -> None:
        """Send a signal to the main process. Raises Conflict where nothing runs."""
        from rootless.containers.running.stopping import kill

        kill(self, signal)

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
        except (OSError, KeyError, TypeError):
            return None
        again = self.look()
        if again.active and again.values.get(key) == state.values[key]:
            return opened
        os.close(opened)
        return None

    def wait(self, conditions: Sequence[str] = ()) -> int:
        """Wait until it has ended, or until one of the conditions is met; return the exit code.

        -1 where it has not ended then. For the conditions see `waiting`.
        """
        from rootless.containers.running.waiting import wait

        return wait(self, conditions)

    def pause(self) -> str:
        """Let all its processes stand still; return how: "freezer", or "signal" without one.

        Raises Conflict where it does not run or stands still already.
        """
        from rootless.containers.running.pausing import pause

        return pause(self)

    def unpause(self) -> None:
        """Let its processes go on. Raises Conflict where they do not stand still."""
        from rootless.containers.running.pausing import unpause

        unpause(self)

    def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it and all that is its own; with `force` kill it first.

        Raises Conflict for a running container, NotFound where somebody else was faster.
        """
        while not self._remove(volumes=volumes):
            if not force:
                raise Conflict(
                    f"container {self.name} is running", "stop it first, or use rm --force"
                )
            self.stop(0)  # perhaps not for the first time: somebody may start it again meanwhile

    def _remove(self, *, volumes: bool) -> bool:
        """Remove it, unless it runs: then return False."""
        from rootless.containers.deletion import delete

        if self.record["rm"] and not os.path.isdir(self.directory):
            return True  # its supervisor has done it
        held = self.lock()
        try:
            if self.state(locked=True).active:
                return False
            delete(self._paths, self.record, volumes=volumes or self.record["rm"])
            return True
        finally:
            os.close(held)

    def delete(self) -> None:
        """Delete what is left of it; the caller holds its lock and knows that nothing runs."""
        from rootless.containers.deletion import delete

        delete(self._paths, self.record, volumes=True)

    # -- talk

    def execute(
        self,
        command: list[str],
        *,
        interactive: bool = False,
        tty: bool = False,
        detach: bool = False,
        env: list[str] | None = None,
        env_file: list[str] | None = None,
        workdir: str = "",
        user: str = "",
        privileged: bool = False,
        dies: bool = False,
        detach_keys: str = DETACH_KEYS,
    ) -> int:
        """Run a command inside; return its exit code, 0 at once when detached.

        With `dies` it ends when this process does. Raises Conflict where the container does not
        run, LaunchError and its subclasses.
        """
        from rootless.containers.running.execution import execute, process_for

        state = self.state()
        if not state.running:
            raise Conflict(f"container {self.name} is not running", "start it first")
        if state.status == "paused":
            raise Conflict(f"container {self.name} is paused", "unpause it first")
        process = process_for(
            self.record,
            command,
            tty=tty,
            env=env or [],
            env_file=env_file or [],
            workdir=workdir,
            user=user,
            privileged=privileged,
        )
        init = self.open_process("command_pid")
        if init is None:
            raise Conflict(f"container {self.name} is not running", "start it first")
        try:
            return execute(
                self._paths,
                self.record,
                process,
                init,
                interactive=interactive,
                detach=detach,
                privileged=privileged,
                dies=dies,
                detach_keys=detach_keys,
            )
        finally:
            os.close(init)

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
        from rootless.containers.image_settings import has_check
        from rootless.containers.running.attach import ask_for_check

        if not has_check(self.record):
            raise Conflict(f"container {self.name} has no health check")
        if not self.state().running:
            raise Conflict(f"container {self.name} is not running", "start it first")
        return ask_for_check(self)

    def inspect(self) -> dict[str, Any]:
        """Return all about it in docker's shape."""
        from rootless.containers.image_settings import has_check
        from rootless.containers.inspect import inspect

        health, sessions = None, []
        if has_check(self.record):
            from rootless.containers.health import result

            health = result(self.directory)
        state = self.state()
        if state.running and os.path.isdir(f"{self.directory}/exec"):
            from rootless.containers.running.sessions import running

            sessions = running(self.directory)
        return inspect(
            self.record, state, directory=self.directory, health=health, sessions=sessions
        )

    def open_supervisor(self) -> int | None:
        """Return a pidfd of the supervisor, None where nothing runs. The caller closes it."""
        return self.open_process("supervisor")
