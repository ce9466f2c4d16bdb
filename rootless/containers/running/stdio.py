"""Descriptors 0 to 2 of a process that joins a container, and what moves between them and our ends.

pipes       -i: one for input; always one each for output and errors
terminal    its master side is ours; it hangs up on the process when nobody holds that
nothing     for what is detached: /dev/null, or a terminal that a process of ours keeps open
"""

from __future__ import annotations

import os
import select

from rootless.containers.running.ends import WINDOW, Feed, watch_size
from rootless.containers.running.sessions import LOST
from rootless.errors import LaunchError
from rootless.linux.loop import Loop
from rootless.runtime.launch import terminal
from rootless.runtime.launch.report import Phase, Report
from rootless.runtime.supervision import streams
from rootless.runtime.supervision.relay import Input, Output
from rootless.runtime.userns.worker import close_others

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal

    from rootless.containers.running.ends import Ends
    from rootless.containers.running.keys import Keys
    from rootless.runtime.launch.join import Join
else:
    import _signal


class Stdio:
    """One process from this side. It never blocks in writing to the process (see attach)."""

    def __init__(
        self, join: Join, ends: Ends | None, keys: Keys | None, *, stdin: bool, window: str = ""
    ) -> None:
        """Without `ends` it is detached, without `stdin` it gets no input of theirs.

        `window` is the path that the FIFO of a terminal gets, empty for none.
        """
        self._join = join
        self._ends = ends
        self._tty = bool(join.process.get("terminal"))
        if self._tty and ends is not None:
            terminal.set_size(join.process, ends.size())
        self._window = window if self._tty else ""
        self._windows = -1
        """The FIFO, -1 without one."""
        self._terminal = -1
        """Master side, -1 without one."""
        self._loop = Loop()
        self._output = Output(self._loop, self._write)
        self._stdin = -1
        """What we write reaches the process's standard input."""
        self._input = Input(self._loop, -1, is_terminal=False)
        self._reads = stdin and ends is not None and ends.stdin >= 0
        fd = ends.stdin if ends is not None and self._reads else -1
        self._feed = Feed(self._loop, fd, keys, self._take)
        self._ended = False

    def run(self) -> int | None:
        """Start the process, and serve it until it ends; return its exit code, LOST for none.

        None where it goes on without us: detached, or left by the keys. What the joiner is to
        keep is closed here. Raises LaunchError.
        """
        self._open_window()
        goes_on = False
        try:
            code = self._run()
            goes_on = code is None
            return code
        finally:
            self._release(goes_on)

    def _run(self) -> int | None:
        report, pid = self._fork()
        try:
            self._await_ready(report)
        except LaunchError:
            os.waitpid(pid, 0)
            raise
        finally:
            report.close()
        joiner = os.pidfd_open(pid)
        try:
            if self._ends is not None:
                with self._ends:
                    self._move(joiner)
                if not self._feed.left:
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    return code if code >= 0 else LOST
                self._ends.leave()
            if self._tty:
                self._stay_behind(joiner)
        finally:
            os.close(joiner)
        return None

    def _fork(self) -> tuple[Report, int]:
        closed = self._join.kept | {*self._join.preserved}
        try:
            closed |= self._make_stdio()
            report, child_end = Report.pair()
            pid = os.fork()
            if pid == 0:
                report.close()
                if self._ends is None:
                    os.setsid()
                self._join.joiner(child_end)
        finally:
            for fd in closed:
                os.close(fd)
        child_end.close()
        return report, pid

    def _make_stdio(self) -> set[int]:
        """Give the new process its descriptors; return those of them that we close."""
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        if self._ends is None or self._tty:
            self._join.stdio = (null, null, null)
            return {null}
        stdin, opened = null, {null}
        if self._reads:
            stdin, self._stdin = os.pipe()
            opened.add(stdin)
        writers: list[int] = []
        for stream in (streams.STDOUT, streams.STDERR):
            ours, writer = os.pipe()
            writers.append(writer)
            self._output.add(ours, stream)
        self._join.stdio = (stdin, writers[0], writers[1])
        return opened | {*writers}

    def _await_ready(self, report: Report) -> None:
        ready = False
        while (message := report.receive()) is not None:
            if message["phase"] == Phase.TERMINAL:
                self._terminal = message["fd"]
            ready = ready or message["phase"] == Phase.READY
        if not ready:
            raise LaunchError("the process was killed while it entered the container")

    def _move(self, joiner: int) -> None:
        """Move bytes until the process has ended, and then what it has left behind."""
        assert self._ends is not None  # noqa: S101 - whoever is detached moves nothing
        if self._tty:
            self._output.add(os.dup(self._terminal), streams.STDOUT)
            self._stdin = os.dup(self._terminal) if self._reads else -1
            watch_size(self._loop, self._ends, self._resize)
        if self._windows >= 0:
            self._loop.watch(self._windows, select.POLLIN, self._read_window)
        self._input = Input(self._loop, self._stdin, is_terminal=self._tty)
        self._input.on_backlog = self._feed.pause
        self._feed.pause(False)
        self._await_end(joiner)
        self._feed.stop()
        # Its own children may hold the pipes for ever: only what is there already is taken.
        while self._output.sources and self._loop.turn(0):
            pass

    def _await_end(self, joiner: int) -> None:
        self._loop.watch(joiner, select.POLLIN, self._on_end)
        while not (self._ended or self._feed.left):
            self._loop.turn(None)
        self._loop.unwatch(joiner)

    def _on_end(self, _events: int) -> None:
        self._ended = True

    def _write(self, stream: int, data: bytes) -> None:
        if self._ends is not None:
            self._ends.write(stream, data)

    def _take(self, data: bytes) -> None:
        if not data and self._tty and self._ends is not None and os.isatty(self._ends.stdin):
            return  # it has hung up, or is another's now, which is no end of input
        self._input.write(data)
        if self._input.fd < 0:
            self._feed.stop()  # the process has closed it

    def _release(self, goes_on: bool) -> None:
        """Close what is ours; somebody else has it as well where the process goes on."""
        self._input.close()
        for fd in (*self._output.sources, self._terminal, self._windows):
            if fd >= 0:
                os.close(fd)
        if self._windows >= 0 and not goes_on:
            self._remove_window()

    # -- the window of the terminal

    def _open_window(self) -> None:
        if self._window:
            try:
                os.mkfifo(self._window, 0o600)
                self._windows = os.open(self._window, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                pass  # a file system without them, or a full one: nobody else changes the size

    def _remove_window(self) -> None:
        try:
            os.unlink(self._window)
        except OSError:
            pass  # gone with the container

    def _read_window(self, _events: int) -> None:
        data = os.read(self._windows, 4096)
        self._resize(*WINDOW.unpack(data[-WINDOW.size :]))  # each is written whole (pipe(7))

    def _resize(self, rows: int, columns: int) -> None:
        try:
            terminal.resize(self._terminal, rows, columns)
        except OSError:
            pass  # nothing has it open on the other side

    # -- without us

    def _stay_behind(self, joiner: int) -> None:
        """Leave a process that keeps the terminal open until the command has ended."""
        # Before the fork: our own end, if we lead the session, hangs up on all that are in it.
        before = _signal.signal(_signal.SIGHUP, _signal.SIG_IGN)
        if os.fork() > 0:
            _signal.signal(_signal.SIGHUP, before)
            return
        try:
            os.setsid()
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            close_others({0, 1, 2, joiner, self._terminal, self._windows})
            self._loop = Loop()
            self._feed.left = False
            self._ends = None
            Output(self._loop, self._write).add(os.dup(self._terminal), streams.STDOUT)
            if self._windows >= 0:
                self._loop.watch(self._windows, select.POLLIN, self._read_window)
            self._await_end(joiner)
            self._remove_window()
        finally:
            os._exit(0)
