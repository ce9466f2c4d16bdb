"""The client's side of an attached container: this process's terminal or pipes, and its signals."""

from __future__ import annotations

import _socket
import os
import select
import struct
import termios
import time

from rootless.containers import events
from rootless.containers.running.keys import Keys
from rootless.errors import Conflict, HostError, Interrupted
from rootless.linux.loop import Loop
from rootless.runtime.launch import terminal
from rootless.runtime.supervision import streams
from rootless.runtime.supervision.relay import BACKLOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Sequence
    from typing import Any

    from rootless.containers.container import Container
else:
    import _signal

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
_PASSED_ON = (*_ENDING, "SIGUSR1", "SIGUSR2", "SIGCONT")


_PATIENCE = 10
"""Seconds that a supervisor has to answer."""

_CHECK_PATIENCE = 40
"""The same where it runs a health check first: docker's default for these, and a little more."""


class Signals:
    """What becomes of the signals that this command gets on behalf of its container.

    While the container starts, those that end a process end the start. Then they all go to the
    container, or, where it has this process's terminal, end this process alone (docker and podman
    do the same: the terminal itself makes the container's signals).
    """

    def __init__(self) -> None:
        self._container: Container | None = None
        self._early: list[int] = []
        for name in _PASSED_ON:
            _signal.signal(getattr(_signal, name), self._handle)

    def pass_on(self, container: Container) -> None:
        """From now on they go to `container`."""
        self._container = container
        for number in self._early:
            container.send_signal(number)

    def _handle(self, number: int, _frame: object) -> None:
        if self._container is not None:
            self._container.send_signal(number)
        elif number == _signal.SIGINT:
            raise KeyboardInterrupt
        elif number in [getattr(_signal, name) for name in _ENDING]:
            raise Interrupted(number)
        else:
            self._early.append(number)


class RawTerminal:
    """The user's terminal, handed byte by byte to the container's; as it was at the end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._saved: list[Any] | None = None

    def __enter__(self) -> RawTerminal:
        if os.isatty(self._fd):
            self._saved = termios.tcgetattr(self._fd)
            termios.tcsetattr(self._fd, termios.TCSADRAIN, _raw(self._saved))
        return self

    def __exit__(self, *_: object) -> None:
        if self._saved is not None:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)


def _raw(saved: list[Any]) -> list[Any]:
    """Return the settings of cfmakeraw (termios(3)) made from `saved`."""
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = saved
    iflag &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
    )
    oflag &= ~termios.OPOST
    cflag = cflag & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    cc = list(cc)
    cc[termios.VMIN], cc[termios.VTIME] = 1, 0
    return [iflag, oflag, cflag, lflag, ispeed, ospeed, cc]


class Wishes:
    """What one attached user wants, and what his container is like."""

    def __init__(self, container: Container, *, stdin: bool | None, detach_keys: str) -> None:
        """Raises UsageError for keys that are none."""
        record = container.record
        self.container = container
        self.tty = record["tty"]
        self.stdin = record["stdin"] and stdin is not False
        # docker's StdinOnce: only where it was made to run in the foreground does the end of
        # our input end the container's.
        self.ends_input = not record["request"]["detached"]
        self.keys = Keys(detach_keys) if self.tty else Keys("")


def join(container: Container, wishes: Wishes, signals: Signals | None) -> int:
    """Attach to a container that runs already; see Container.attach."""
    state = container.state()
    if not state.active:
        raise Conflict(
            f"cannot attach to container {container.name}: it is not running", "start it first"
        )
    if not state.running or state.status == "paused":
        raise Conflict(f"cannot attach to container {container.name}: it is {state.status}")
    stream = connect(container, streams.ATTACH)
    events.tell(container.root, container.record, "attach")
    code = serve(stream, wishes, signals)
    if code is None:
        events.tell(container.root, container.record, "detach")
    return 0 if code is None else code


def connect(
    container: Container, wish: int, payload: bytes = b"", passed: Sequence[int] = ()
) -> _socket.socket:
    """Return a stream to the supervisor of a running container that has granted `wish`.

    `passed` are descriptors that go along. Raises HostError where nobody answers.
    """
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"{len(passed)}i", *passed))
    _refuse_standing(container)
    stream = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    # connect(2) waits where many have not been let in; with a time-out of Python's it would not.
    patience = struct.pack("ll", _PATIENCE, 0)
    stream.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, patience)
    try:
        place = os.open(container.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            stream.connect(f"/proc/self/fd/{place}/{streams.SOCKET}")
        finally:
            os.close(place)
        stream.sendmsg([streams.frame(wish, payload)], [rights] if passed else [])
        if wish == streams.ATTACH:
            stream.settimeout(_PATIENCE)
            granted = stream.recv(streams.HEADER, _socket.MSG_WAITALL)
            if granted != streams.frame(streams.ATTACH, b""):
                raise ConnectionResetError
    except OSError as error:
        stream.close()
        raise HostError(
            f"the supervisor of container {container.name} does not answer: "
            f"{error.strerror or 'no word from it'}",
            f"is it stopped? rootless kill {container.name} ends the container",
        ) from error
    return stream


def answer(
    container: Container, stream: _socket.socket, size: int, patience: float = _PATIENCE
) -> bytes:
    """Return `size` bytes of what the supervisor says, fewer where it hangs up.

    Raises HostError where it is silent for `patience` seconds, or stands still meanwhile.
    """
    data = b""
    end = time.monotonic() + patience
    stream.settimeout(1.0)
    while len(data) < size:
        try:
            piece = stream.recv(size - len(data))
        except TimeoutError:
            _refuse_standing(container)
            if time.monotonic() < end:
                continue
            raise HostError(
                f"the supervisor of container {container.name} has not answered "
                f"for {patience:g} seconds",
                f"rootless kill {container.name} ends the container",
            ) from None
        except OSError:
            break
        if not piece:
            break
        data += piece
    return data


def _refuse_standing(container: Container) -> None:
    """Raise HostError where the supervisor cannot answer, because somebody has stopped it."""
    from rootless.containers.running.stopping import check_supervisor

    pid = container.state().values.get("supervisor", 0)
    kill = f"rootless kill {container.name} ends the container"
    check_supervisor(container, pid, f"lets it go on; {kill}")


def serve(stream: _socket.socket, wishes: Wishes, signals: Signals | None) -> int | None:
    """Move bytes between our standard descriptors and the container until it ends.

    Return its exit code, None where the user has left it; 255 where the supervisor was killed.
    """
    session = _Session(stream, wishes)
    if wishes.tty:
        session.send_size(0)
        when_resized(session.loop, session.send_size)
    if signals is not None and not (wishes.tty and os.isatty(0)):
        signals.pass_on(wishes.container)
    if wishes.tty and wishes.stdin:
        with RawTerminal(0):
            session.run()
    else:
        session.run()
    return None if session.left else session.exit_code


def ask_for_check(container: Container) -> int:
    """Have the supervisor run the health check now; return its exit code."""
    stream = connect(container, streams.CHECK)
    check, startup = container.record["healthcheck"] or {}, container.record["health"]["startup"]
    longest = (check.get("Timeout") or 0) / 1_000_000_000 + _CHECK_PATIENCE
    if startup is not None:
        longest += startup["timeout"]
    try:
        said = answer(container, stream, streams.HEADER + 4, longest)
    finally:
        stream.close()
    frames = streams.Reader().feed(said)
    if not frames or len(frames[0][1]) != 4:
        raise HostError(f"the health check of container {container.name} came to no end")
    return int(struct.unpack(">i", frames[0][1])[0])


def when_resized(loop: Loop, handler: Callable[[int], None]) -> None:
    """Call `handler` from `loop` whenever our terminal has changed its size."""
    # Not from the signal itself, which could interrupt the handler's own work.
    wake, woken = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    _signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    _signal.signal(_signal.SIGWINCH, lambda *_: None)

    def on_signal(events: int) -> None:
        os.read(wake, 4096)
        handler(events)

    loop.watch(wake, select.POLLIN, on_signal)


class _Session:
    """One attachment. Never blocks in sending, or it and the supervisor could wait for each other.

    Writing to our own output may block: then the supervisor's frames wait, and it reads no more
    from the container.
    """

    def __init__(self, stream: _socket.socket, wishes: Wishes) -> None:
        self._stream = stream
        self._wishes = wishes
        self._reader = streams.Reader()
        self._pending = bytearray()
        self.loop = Loop()
        self._reads_input = wishes.stdin
        self._watch()
        self.exit_code = 255
        self.left = False
        """Whether the user has left with the detach keys."""
        self._ended = False
        stream.setblocking(False)

    def _watch(self) -> None:
        events = select.POLLIN | (select.POLLOUT if self._pending else 0)
        self.loop.watch(self._stream.fileno(), events, self._ready)
        if self._reads_input and len(self._pending) <= BACKLOG:
            self.loop.watch(0, select.POLLIN, self._read_input)
        else:
            self.loop.unwatch(0)

    def run(self) -> None:
        while not self._ended:
            self.loop.turn(None)

    def _read_input(self, _events: int) -> None:
        try:
            data = os.read(0, streams.CHUNK)
        except OSError:
            data = b""  # EIO: we are in the background, or the terminal is gone
        self._reads_input = bool(data)
        wanted, self.left = self._wishes.keys.feed(data)
        if wanted or (not data and self._wishes.ends_input):
            self._send(streams.STDIN, wanted)
        self._watch()
        self._ended = self._ended or self.left

    def _send(self, kind: int, payload: bytes) -> None:
        self._pending += streams.frame(kind, payload)
        self._flush()

    def _flush(self) -> None:
        try:
            while self._pending:
                del self._pending[: self._stream.send(self._pending)]
        except BlockingIOError:
            pass
        except OSError:
            self._pending.clear()  # it is ending; what it said last is still to be read
            self._reads_input = False
        self._watch()

    def _ready(self, events: int) -> None:
        if events & select.POLLOUT:
            self._flush()
        if events & ~select.POLLOUT:
            self._read_stream()

    def _read_stream(self) -> None:
        try:
            data = self._stream.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # the supervisor was killed with input from us unread
        if not data:
            self._ended = True
        for kind, payload in self._reader.feed(data):
            if kind == streams.EXIT:
                self.exit_code = struct.unpack(">i", payload)[0]
                self._ended = True
            elif kind in (streams.STDOUT, streams.STDERR):
                write_all(kind, payload)

    def send_size(self, _events: int) -> None:
        try:
            rows, columns = terminal.size(0 if os.isatty(0) else 1)
        except OSError:
            return  # no terminal on our side: the container's keeps its size
        self._send(streams.RESIZE, struct.pack(">HH", rows, columns))


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError, BrokenPipeError among them.

    Our standard descriptors may have been made non-blocking by whoever shares them with us.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
