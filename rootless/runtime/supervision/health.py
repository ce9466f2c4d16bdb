"""Health checks, by the supervisor's own clock: no timer unit and no daemon.

A check is a process of ours that runs the command inside as `exec` does (the door `probe`), with
a pipe for what it says. docker's rules (HEALTHCHECK in the Dockerfile reference): within the start
period a failure does not count and checks come every start interval; `retries` failures in a row
make it unhealthy, one success healthy. podman's startup check comes first where there is one.

All state lies in a dictionary of plain values, so that it outlives the supervisor's execve(2).
"""

from __future__ import annotations

import os
import select
import struct
import time

from rootless.errors import Error
from rootless.linux import interpreter
from rootless.runtime.supervision import health_log, streams
from rootless.runtime.supervision.restart import CHECKS, OFF
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from typing import Any, NotRequired, TypedDict

    from rootless.linux.loop import Loop
    from rootless.runtime.supervision.clients import Client

    class Checks(TypedDict):
        """What is checked, how often, and how it has gone so far; times in seconds."""

        interval: float
        timeout: float
        start_period: float
        start_interval: float
        retries: int
        action: str
        """When it becomes unhealthy: none, kill, restart, stop."""
        startup: Startup | None
        """The check that comes first, until it has succeeded."""
        status: str
        failing: int
        log: list[dict[str, Any]]
        began: float
        """When the container started (time.monotonic)."""
        due: float
        """When the next check begins (time.monotonic)."""
        log_to: NotRequired[str]
        """local, events_logger, or a directory: see `health_log`."""
        log_count: NotRequired[int]
        """How many results are kept; 0 for all."""
        log_size: NotRequired[int]
        """How many characters of each; 0 for all."""

    class Startup(TypedDict):
        """podman's --health-startup-*."""

        interval: float
        timeout: float
        retries: int
        """Failures in a row after which the container is restarted; 0 is never."""
        successes: int
        """How many successes in a row end it."""
        failing: int
        passed: int

else:
    import _signal

STARTING, HEALTHY, UNHEALTHY = "starting", "healthy", "unhealthy"
REGULAR, FIRST = "regular", "startup"

RECORD = "health.json"
_CHANGEABLE = (
    *("interval", "timeout", "start_period", "start_interval", "retries", "action"),
    *("log_to", "log_count", "log_size"),
)
_TIMED_OUT = -1


class Health:
    """The checks of one running container."""

    def __init__(self, loop: Loop, checks: Checks, root: str, directory: str) -> None:
        self._loop = loop
        self._checks = checks
        self._root = root
        self._directory = directory
        self._probe: Probe | None = None
        self._waiting: list[Client] = []
        self.on_status: Callable[[str], None] = lambda _status: None
        """Called when the status has changed."""
        self.on_checked: Callable[[], None] = lambda: None
        """Called after each check."""
        self.on_said: Callable[[str], None] = lambda _output: None
        """Called with what a check has said, where that is to be an event."""
        self.on_action: Callable[[str], None] = lambda _action: None
        """Called with what is to be done about an unhealthy container: kill, restart, stop."""
        self.on_off: Callable[[], None] = lambda: None
        """Called where there is to be no check any more."""
        self._timer = loop.at(checks["due"], self._begin)

    @property
    def is_idle(self) -> bool:
        """Whether no check runs just now."""
        return self._probe is None

    @property
    def pid(self) -> int:
        """The process of the check that runs just now, else -1."""
        return -1 if self._probe is None else self._probe.pid

    def answer(self, client: Client) -> None:
        """Run the check at once, and tell its exit code to a client that has asked for it."""
        self._waiting.append(client)
        if self._take_changes():  # also while one runs: there may be none any more
            self._begin()

    def rest(self) -> None:
        """Let go of a check that runs: the next life of this process begins it anew."""
        if self._probe is not None:
            self._probe.abandon()
            self._probe = None
            self._checks["due"] = time.monotonic()

    def end(self) -> None:
        """No more checks: the container has ended, or somebody wants none."""
        self._loop.cancel(self._timer)
        self.rest()
        self._answer(_TIMED_OUT)

    def _begin(self) -> None:
        if self._probe is not None:
            return
        self._loop.cancel(self._timer)
        if not self._take_changes():
            return
        if os.path.exists(f"{self._directory}/paused"):
            self._schedule()
            self._answer(_TIMED_OUT)
            return
        startup = self._checks["startup"]
        kind, timeout = REGULAR, self._checks["timeout"]
        if startup is not None:
            kind, timeout = FIRST, startup["timeout"]
        data = (self._root, self._directory, kind)
        try:
            self._probe = Probe(self._loop, data, timeout, self._finished)
            self._probe.most = health_log.limit(self._checks.get("log_size", health_log.SIZE))
        except OSError as error:  # no free pid, no memory
            self._record(time.time(), 1, f"cannot run the check: {error.strerror}")

    def _take_changes(self) -> bool:
        """Check from now on as `update` has written down, if it has; False for no more checks."""
        wanted = changes(self._directory)
        if wanted is None:
            return True  # nothing was changed
        if wanted.get(OFF):
            self.on_off()
            return False
        for key in _CHANGEABLE:
            self._checks[key] = wanted[key]  # type: ignore[literal-required]
        return True

    def _finished(self, began: float, code: int, output: str) -> None:
        self._probe = None
        if self._take_changes():  # the check that `update` wanted may have been this one
            self._record(began, code, output)

    def _record(self, began: float, code: int, output: str) -> None:
        checks = self._checks
        entry = {"start": began, "end": time.time(), "exit": code, "output": output}
        count = checks.get("log_count", health_log.COUNT)
        size = checks.get("log_size", health_log.SIZE)
        checks["log"] = health_log.kept(checks["log"], entry, count=count, size=size)
        before, action = checks["status"], ""
        if checks["startup"] is not None:
            action = self._judge_startup(checks["startup"], code)
        else:
            action = self._judge(code)
        value = {key: checks[key] for key in ("status", "failing", "log")}
        try:
            # Nobody needs these after a power cut.
            records.write_record(self._directory, RECORD, value, durable=False)
        except Error:
            pass  # a full disk: the state still says the status
        if (place := checks.get("log_to", "")).startswith("/"):
            name = os.path.basename(self._directory)
            health_log.write(f"{place}/{name}-healthcheck.log", value)
        if checks["status"] != before:
            self.on_status(checks["status"])
        if checks.get("log_to") == health_log.EVENTS:
            self.on_said(str(entry["output"]))
        self.on_checked()
        self._schedule()
        self._answer(code)
        if action:
            self.on_action(action)

    def _judge(self, code: int) -> str:
        """Take a result into account; return what is to be done about it."""
        checks = self._checks
        if code == 0:
            checks["status"], checks["failing"] = HEALTHY, 0
            return ""
        young = time.monotonic() < checks["began"] + checks["start_period"]
        if checks["status"] == STARTING and young:
            return ""
        checks["failing"] += 1
        if checks["failing"] < checks["retries"] or checks["status"] == UNHEALTHY:
            return ""
        checks["status"] = UNHEALTHY
        return "" if checks["action"] == "none" else checks["action"]

    def _judge_startup(self, startup: Startup, code: int) -> str:
        if code == 0:
            startup["passed"] += 1
            startup["failing"] = 0
            if startup["passed"] >= startup["successes"]:
                checks = self._checks
                checks["startup"], checks["began"] = None, time.monotonic()
                checks["status"], checks["failing"] = HEALTHY, 0
            return ""
        startup["passed"] = 0
        startup["failing"] += 1
        return "restart" if startup["failing"] == startup["retries"] else ""

    def _schedule(self) -> None:
        checks, now = self._checks, time.monotonic()
        checks["due"] = now + next_interval(checks, now)
        self._loop.cancel(self._timer)
        self._timer = self._loop.at(checks["due"], self._begin)

    def _answer(self, code: int) -> None:
        waiting, self._waiting = self._waiting, []
        for client in waiting:
            client.leave(streams.CHECK, struct.pack(">i", code))


def changes(directory: str) -> Any:
    """Take what `update` has written down for the checks of this life; None for nothing."""
    path = f"{directory}/{CHECKS}"
    taken = f"{path}.taken"
    try:
        os.rename(path, taken)  # what is written down from now on is for the next time
        wanted = records.read_record(taken)
        os.unlink(taken)
    except (OSError, Error):
        return None
    return wanted


def begin(checks: Checks, directory: str) -> None:
    """They begin now, with the container or after it: what earlier ones have left is forgotten."""
    checks["began"] = now = time.monotonic()
    checks["due"] = now + next_interval(checks, now)
    forget(directory)


def forget(directory: str) -> None:
    """Forget the results."""
    try:
        os.unlink(f"{directory}/{RECORD}")
    except OSError:
        pass  # there are none


def next_interval(checks: Checks, now: float) -> float:
    """Return the seconds until the next check; `now` is time.monotonic."""
    if checks["startup"] is not None:
        return checks["startup"]["interval"]
    if checks["status"] == STARTING and now < checks["began"] + checks["start_period"]:
        return checks["start_interval"]
    return checks["interval"]


class Probe:
    """One check that runs: its process, what it says, and its time limit."""

    def __init__(
        self,
        loop: Loop,
        data: tuple[str, str, str],
        timeout: float,
        finished: Callable[[float, int, str], None],
    ) -> None:
        """Start it; `data` is what the door `probe` takes. Raises OSError."""
        self._loop = loop
        self._finished = finished
        self._began = time.time()
        self._said = b""
        self._timed_out = False
        self._timeout = timeout
        self.most = health_log.SIZE
        """Bytes of what it says that are kept."""
        self._pipe, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            # A filter that is not in the cache is compiled by a library.
            self.pid = interpreter.spawn("probe", *data, site=interpreter.ISOLATED, output=writer)
            """A child of this process."""
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            os.close(writer)
        self._process = os.pidfd_open(self.pid)
        loop.watch(self._pipe, select.POLLIN, self._read)
        loop.watch(self._process, select.POLLIN, self._ended)
        self._timer = loop.at(time.monotonic() + timeout, self._time_out)

    def _read(self, _events: int) -> None:
        try:
            data = os.read(self._pipe, 65536)
        except BlockingIOError:
            return
        if not data:
            self._loop.unwatch(self._pipe)
        self._said = (self._said + data)[: self.most]

    def _time_out(self) -> None:
        self._timed_out = True
        self._kill()

    def _kill(self) -> None:
        # Its children die with it: each has asked the kernel for that.
        _signal.pidfd_send_signal(self._process, _signal.SIGKILL)

    def _ended(self, _events: int) -> None:
        self._read(0)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._release()
        output = self._said.decode("utf-8", "replace")
        if self._timed_out:
            code, output = _TIMED_OUT, f"Health check exceeded timeout ({self._timeout:g}s)"
        self._finished(self._began, code if code >= 0 or self._timed_out else 128 - code, output)

    def abandon(self) -> None:
        """Kill it, and hear no more of it."""
        try:
            self._kill()
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # it has just ended, or was reaped with what the container left
        self._release()

    def _release(self) -> None:
        self._loop.cancel(self._timer)
        for fd in (self._pipe, self._process):
            self._loop.unwatch(fd)
            os.close(fd)
