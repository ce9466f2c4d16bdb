"""exec in steps: made, started, resized, inspected and waited for, each by any process."""

from __future__ import annotations

import os

from rootless import values
from rootless.containers import events
from rootless.containers.creation import environment
from rootless.containers.handle import hold_standard
from rootless.containers.running import sessions
from rootless.containers.running.ends import window
from rootless.containers.running.stdio import Stdio
from rootless.errors import Conflict, LaunchError, StoreError, UsageError
from rootless.runtime.launch import single
from rootless.runtime.launch.command import code_of_failure
from rootless.runtime.launch.join import Join
from rootless.runtime.privileges import caps, seccomp
from rootless.runtime.userns import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterable

    from rootless.containers.handle import Handle
    from rootless.containers.record import Record
    from rootless.containers.running.ends import Ends
    from rootless.containers.running.keys import Keys
    from rootless.containers.running.sessions import ExecRequest, Status
    from rootless.runtime.spec import Process
else:
    import _signal


class Exec:
    """A command in a container, known by its id.

    Its record outlives it, so that its exit code can be had, until the container starts again or
    is removed; of a container with many, the oldest go (see sessions.MOST).
    """

    def __init__(self, container: Handle, id: str) -> None:  # noqa: A002 - the field's own word
        self.container = container
        self.id = id

    def start(self, ends: Ends | None = None) -> int | None:
        """Run the command; attached to `ends`, serve it until it ends and return its exit code.

        None where it goes on without us: without ends as soon as it runs, else when the user has
        left by the keys. 255 where its keeper was killed. Raises Conflict where it was started
        before or the container does not run, NotFound, LaunchError and its subclasses.
        """
        init = open_running(self.container)
        session = sessions.Session(self.container.directory, self.id)
        try:
            session.claim()
            request = self.inspect()["request"]
            join = _join(self.container, request, init)
            return _start(self.container, request, ends, join, session)
        finally:
            session.close()
            os.close(init)

    def resize(self, rows: int, columns: int) -> None:
        """Change the window of its terminal. Raises Conflict where it has none, or has ended.

        UsageError for a size that none has.
        """
        size = window(rows, columns)
        session = sessions.Session(self.container.directory, self.id)
        try:
            fifo = os.open(session.window, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # no FIFO, or nobody who reads it
            now = self.inspect()
            reason = "does not run" if now["request"].get("tty") else "has no terminal"
            raise Conflict(f"exec {self.id[:12]} {reason}") from None
        try:
            os.write(fifo, size)
        except OSError:
            pass  # it has just ended; or it stands still, and has not seen thousands of others
        finally:
            os.close(fifo)

    def send_signal(self, number: int) -> bool:
        """Send a signal to its first process; False where it does not run. Raises UsageError."""
        values.checked_signal(number)
        opened = sessions.open_command(self.container.directory, self.id)
        if opened is None:
            return False
        try:
            _signal.pidfd_send_signal(opened, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(opened)
        return True

    def inspect(self) -> Status:
        """Return what has become of it. Raises NotFound."""
        return sessions.status(self.container.directory, self.id)

    def wait(self) -> int:
        """Wait until it has ended; return its exit code, 255 where its keeper was killed.

        Raises NotFound, Conflict where it was not started.
        """
        return sessions.wait(self.container.directory, self.id)


def make(container: Handle, request: ExecRequest) -> Exec:
    """Write down what is to run in a container that runs; see `Exec.start`.

    Raises Conflict, UsageError, StoreError.
    """
    os.close(open_running(container))
    _check(request)
    session = _made(container, request)
    session.close()
    return Exec(container, session.id)


def find(container: Handle, id: str) -> Exec:  # noqa: A002 - the field's own word
    """Return the command `id` of a container. Raises NotFound."""
    sessions.status(container.directory, id)
    return Exec(container, id)


def run(
    container: Handle, request: ExecRequest, ends: Ends | None, preserved: Iterable[int] = ()
) -> int:
    """Make a command and start it, in one go; return its exit code, 0 where it goes on without us.

    It gets the descriptors `preserved` as well, which are closed here when it runs. Raises what
    `make` and `Exec.start` raise; but a full disk keeps nobody from looking inside.
    """
    init = open_running(container)
    try:
        _check(request)
        try:
            session = _made(container, request)
            session.claim()
        except StoreError:
            session = sessions.Session(container.directory, sessions.new_id())
        try:
            join = _join(container, request, init)
            join.preserved = [*preserved]
            return _start(container, request, ends, join, session) or 0
        finally:
            session.close()
    finally:
        os.close(init)


def check_health(container: Handle, command: list[str], ends: Ends) -> int:
    """Run a command that ends with this process, and of which nobody asks later.

    Raises what `Exec.start` raises.
    """
    init = open_running(container)
    try:
        join = _join(container, {"command": command}, init)
        join.dies = True
        return Stdio(join, ends, None, stdin=False).run() or 0
    finally:
        os.close(init)


def open_running(container: Handle) -> int:
    """Return a pidfd of the container's command. Raises Conflict where it does not run."""
    hold_standard()
    state = container.state()
    if state.running and state.status == "paused":
        raise _paused(container)
    init = container.open_process("command_pid") if state.running else None
    if init is None:
        name = container.name
        raise Conflict(f"cannot execute in container {name}: it is not running", "start it first")
    return init


def _paused(container: Handle) -> Conflict:
    return Conflict(f"container {container.name} is paused", "unpause it first")


def process_for(record: Record, request: ExecRequest) -> Process:
    """Return the configuration of the new process: the container's own, with what was asked."""
    own = record["spec"]["process"]
    tty, user = request.get("tty", False), request.get("user", "")
    process: Process = {**own, "terminal": tty, "args": request["command"]}
    process["env"] = environment.for_exec(own["env"], request.get("environment", ()), tty=tty)
    if workdir := request.get("workdir"):
        process["cwd"] = workdir
    asked = user or own["user"].get("username", "")
    process["user"] = {"username": asked, "umask": own["user"].get("umask", 0o022)}
    allowed = own.get("capabilities", {}).get("bounding", [])
    if request.get("privileged"):
        allowed = list(caps.known())
        process["noNewPrivileges"] = False
    root = asked.partition(":")[0] in ("", "0", "root")
    process["capabilities"] = caps.sets(allowed, root=root)
    return process


_KINDS = {
    "command": list,
    "environment": list,
    "user": str,
    "workdir": str,
    "tty": bool,
    "stdin": bool,
    "privileged": bool,
    "detach_keys": str,
}
"""What a request may hold."""


def _check(request: ExecRequest) -> None:
    """Raise UsageError for what cannot be, before it is written down; its field says which.

    As that of a container it may come from anywhere, with anything in it.
    """
    if not isinstance(request, dict):
        raise TypeError(f"{type(request).__name__} is no request")
    for field, value in request.items():
        if not isinstance(value, _KINDS.get(field, ())):
            raise UsageError(f"exec: no {field!r:.60} can be {value!r:.60}", field=str(field))
        if not values.is_usable(value):
            raise UsageError(f"exec: one of {request!r} holds a NUL byte", field=field)
    command = request.get("command")
    if not command or not all(isinstance(word, str) for word in command):
        raise UsageError(f"exec: {command!r:.60} is no command", "a list of words", field="command")
    for number, entry in enumerate(request.get("environment", ())):
        if not _is_change(entry):
            raise UsageError(
                f"exec: {entry!r:.60} is no name and value", field=f"environment.{number}"
            )
    _keys(request)


def _is_change(entry: object) -> bool:
    """Whether it is [name, value] of the environment, perhaps with None as the value."""
    if not isinstance(entry, list) or len(entry) != 2:
        return False
    name, value = entry
    return (
        isinstance(name, str)
        and name != ""
        and "=" not in name
        and isinstance(value, (str, type(None)))
    )


def _keys(request: ExecRequest) -> Keys | None:
    """Return the keys that leave its terminal, None without one. Raises UsageError."""
    if not (request.get("tty") and request.get("detach_keys")):
        return None
    from rootless.containers.running.keys import Keys

    try:
        return Keys(request["detach_keys"])
    except UsageError as error:
        error.field = "detach_keys"
        raise


def _made(container: Handle, request: ExecRequest) -> sessions.Session:
    session = sessions.Session(container.directory, sessions.new_id())
    session.make(request)
    line = " ".join(request["command"])
    events.tell(container.root, container.record, f"exec_create: {line}", execID=session.id)
    return session


def _start(
    container: Handle,
    request: ExecRequest,
    ends: Ends | None,
    join: Join,
    session: sessions.Session,
) -> int | None:
    """Start what `session` has the lock of, and hand its file to the joiner; see Exec.start.

    Whoever pauses waits for the commands that have their lock, so it is asked again with ours.
    """
    if container.is_paused():
        raise _paused(container)
    end = events.later(container.root, container.record, "exec_die", execID=session.id)

    def note(pid: int, code: int | None) -> None:
        session.note(pid, code)
        if code is not None:
            end.tell(exitCode=str(code))

    join.kept, join.on_change = {session.fd, end.fd} - {-1}, note
    line = " ".join(request["command"])
    events.tell(container.root, container.record, f"exec_start: {line}", execID=session.id)
    stdio = Stdio(
        join, ends, _keys(request), stdin=request.get("stdin", False), window=session.window
    )
    try:
        return stdio.run()
    except LaunchError as error:
        session.fail(code_of_failure(error))
        raise
    finally:
        session.fd = -1


def _join(container: Handle, request: ExecRequest, init: int) -> Join:
    """Return what the joiner is to know. Raises HostError."""
    spec = container.record["spec"]
    process = process_for(container.record, request)
    privileged = request.get("privileged", False)
    mode = identity.detect().mode
    program = seccomp.filter_for(
        None if privileged else spec["linux"]["seccomp"],
        process.get("capabilities", {}).get("bounding", []),
        "faked" if single.emulation(mode, spec) and not privileged else "",
        f"{container.root}/seccomp",
    )
    join = Join(spec, process, program, init)
    join.single = mode == "single" and not spec["rootless"]["userns"].startswith("map:")
    return join
