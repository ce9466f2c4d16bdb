"""exec: a command in a running container, with this process's terminal or pipes."""

from __future__ import annotations

import os
import select

from rootless import values
from rootless.containers import events
from rootless.containers.running import sessions
from rootless.containers.running.attach import RawTerminal, when_resized, write_all
from rootless.containers.running.keys import Keys
from rootless.containers.words import environment
from rootless.errors import LaunchError, UsageError
from rootless.linux.loop import Loop
from rootless.runtime.launch import single, terminal
from rootless.runtime.launch.join import Join
from rootless.runtime.launch.report import Phase, Report
from rootless.runtime.privileges import caps, seccomp
from rootless.runtime.supervision import streams
from rootless.runtime.supervision.relay import Input, Output
from rootless.runtime.userns import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from rootless.containers.record import Record
    from rootless.runtime.spec import Process
    from rootless.store.paths import Paths
else:
    import _signal


def process_for(
    record: Record,
    command: list[str],
    *,
    tty: bool,
    env: list[str],
    env_file: list[str],
    workdir: str,
    user: str,
    privileged: bool,
) -> Process:
    """Return the configuration of the new process: the container's own, with what was asked."""
    if not values.is_usable([command, env, env_file, workdir, user]):
        raise UsageError(f"exec: one of {[*command, *env, workdir, user]!r} holds a NUL byte")
    own = record["spec"]["process"]
    process: Process = {**own, "terminal": tty, "args": command}
    process["env"] = environment.for_exec(own["env"], env, env_file, tty=tty)
    if workdir:
        process["cwd"] = workdir
    asked = user or own["user"].get("username", "")
    process["user"] = {"username": asked, "umask": own["user"].get("umask", 0o022)}
    allowed = own.get("capabilities", {}).get("bounding", [])
    if privileged:
        allowed = list(caps.known())
        process["noNewPrivileges"] = False
    root = asked.partition(":")[0] in ("", "0", "root")
    process["capabilities"] = caps.sets(allowed, root=root)
    return process


def execute(
    paths: Paths,
    record: Record,
    process: Process,
    target: int,
    *,
    interactive: bool,
    detach: bool,
    privileged: bool,
    dies: bool,
    detach_keys: str,
) -> int:
    """Run `process` in the container of the pidfd `target`; return its exit code.

    With `dies` it ends when this process does; the keys leave it running in the background.
    Raises UsageError for keys that are none, LaunchError and its subclasses.
    """
    emulated = single.is_emulated(identity.detect().mode, record["spec"])
    program = seccomp.filter_for(
        None if privileged else record["spec"]["linux"]["seccomp"],
        process.get("capabilities", {}).get("bounding", []),
        emulated and not privileged,
        f"{paths.root}/seccomp",
    )
    join = Join(record["spec"], process, program, target)
    join.dies = dies
    if dies:  # a health check, of which there are many
        return _Session(join, Keys(""), interactive=interactive, detach=detach).run()
    session = sessions.Session(f"{paths.containers}/{record['id']}", process)
    end = events.later(paths.root, record, "exec_die", execID=session.id)

    def note(pid: int, code: int | None) -> None:
        session.note(pid, code)
        if code is not None:
            end.tell(exitCode=str(code))

    join.kept, join.on_change = {session.fd, end.fd} - {-1}, note
    line = " ".join(process["args"])
    events.tell(paths.root, record, f"exec_create: {line}", execID=session.id)
    events.tell(paths.root, record, f"exec_start: {line}", execID=session.id)
    keys = Keys(detach_keys if process.get("terminal") else "")
    return _Session(join, keys, interactive=interactive, detach=detach).run()


class _Session:
    """One exec from this side. It never blocks in writing to the process (see attach)."""

    def __init__(self, join: Join, keys: Keys, *, interactive: bool, detach: bool) -> None:
        self._join = join
        self._keys = keys
        self._left = False
        self._interactive = interactive
        self._detach = detach
        self._tty = bool(join.process.get("terminal"))
        if self._tty:
            terminal.copy_size(join.process)
        self._terminal = -1
        """Master side, -1 without one."""
        self._loop = Loop()
        self._output = Output(self._loop, write_all)
        self._stdin = -1
        """What we write reaches the process's standard input."""
        self._input = Input(self._loop, -1, is_terminal=False)
        self._reads_input = interactive and not detach
        self._ended = False

    def run(self) -> int:
        theirs = self._make_stdio()
        report, child_end = Report.pair()
        pid = os.fork()
        if pid == 0:
            report.close()
            if self._detach:
                os.setsid()
            self._join.joiner(child_end)
        child_end.close()
        for fd in theirs:
            os.close(fd)
        try:
            self._await_ready(report)
        except LaunchError:
            os.waitpid(pid, 0)
            raise
        finally:
            report.close()
        if self._detach:
            return 0
        if self._tty and self._interactive:
            with RawTerminal(0):
                self._move(pid)
        else:
            self._move(pid)
        if self._left:
            self._stay_behind(pid)
            return 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _stay_behind(self, pid: int) -> None:
        """Leave a process that keeps the terminal open until the command has ended."""
        # Before the fork: our own end, if we lead the session, hangs up on all that are in it.
        _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
        if os.fork() > 0:
            return
        try:
            os.setsid()
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            self._interactive = self._reads_input = False
            self._left = False
            self._await_end(pid)
        finally:
            os._exit(0)

    def _make_stdio(self) -> list[int]:
        """Give the new process its descriptors; return those of them that we close."""
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        if self._detach or self._tty:
            self._join.stdio = (null, null, null)
            return [null]
        stdin, ends = null, [null]
        if self._interactive:
            stdin, self._stdin = os.pipe()
            ends.append(stdin)
        writers = []
        for stream in (streams.STDOUT, streams.STDERR):
            ours, writer = os.pipe()
            writers.append(writer)
            self._output.add(ours, stream)
        self._join.stdio = (stdin, writers[0], writers[1])
        return ends + writers

    def _await_ready(self, report: Report) -> None:
        ready = False
        while (message := report.receive()) is not None:
            if message["phase"] == Phase.TERMINAL:
                self._take_terminal(message["fd"])
            ready = ready or message["phase"] == Phase.READY
        if not ready:
            raise LaunchError("the process was killed while it entered the container")

    def _take_terminal(self, master: int) -> None:
        self._terminal = master
        self._output.add(os.dup(master), streams.STDOUT)
        if self._interactive:
            self._stdin = os.dup(master)
        when_resized(self._loop, self._send_size)

    def _send_size(self, _events: int) -> None:
        try:
            terminal.resize(self._terminal, *terminal.size(0 if os.isatty(0) else 1))
        except OSError:
            pass  # no terminal on our side, or none left on the other

    def _move(self, pid: int) -> None:
        """Move bytes until the process has ended, and then what it has left behind."""
        self._input = Input(self._loop, self._stdin, is_terminal=self._tty)
        self._input.on_backlog = self._watch_input
        self._watch_input(False)
        self._await_end(pid)
        self._loop.unwatch(0)
        # Its own children may hold the pipes for ever: only what is there already is taken.
        while self._output.sources and self._loop.turn(0):
            pass

    def _await_end(self, pid: int) -> None:
        joiner = os.pidfd_open(pid)
        self._loop.watch(joiner, select.POLLIN, self._on_end)
        while not (self._ended or self._left):
            self._loop.turn(None)
        self._loop.unwatch(joiner)
        os.close(joiner)

    def _watch_input(self, full: bool) -> None:
        if self._reads_input and not full:
            self._loop.watch(0, select.POLLIN, self._read_input)
        else:
            self._loop.unwatch(0)

    def _on_end(self, _events: int) -> None:
        self._ended = True

    def _read_input(self, _events: int) -> None:
        try:
            data = os.read(0, streams.CHUNK)
        except OSError:
            data = b""  # EIO: we are in the background, or the terminal is gone
        self._reads_input = bool(data)
        wanted, self._left = self._keys.feed(data)
        if wanted or not data:
            self._input.write(wanted)
        if self._input.fd < 0:
            self._reads_input = False  # the process has closed it
            self._watch_input(False)
