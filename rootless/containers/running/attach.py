"""The client's side of an attached container: a stream to its supervisor, served to given ends."""

from __future__ import annotations

import _socket
import os
import select
import struct
import time

from rootless.containers import events
from rootless.containers.running.ends import WINDOW, Feed, watch_size, window
from rootless.errors import Conflict, HostError
from rootless.linux.loop import Loop
from rootless.runtime.supervision import streams
from rootless.runtime.supervision.relay import BACKLOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootless.containers.handle import Handle
    from rootless.containers.record import Record
    from rootless.containers.running.ends import Ends
    from rootless.containers.running.keys import Keys

_PATIENCE = 10
"""Seconds that a supervisor has to answer."""


def join(container: Handle, ends: Ends, detach_keys: str) -> int:
    """Attach to a container that runs already; see Container.attach."""
    keys_of(container.record, detach_keys)  # refused before anything has happened
    refuse_inactive(container, "attach to")
    stream = connect(container, streams.ATTACH)
    events.tell(container.root, container.record, "attach")
    code = serve(stream, container, ends, detach_keys)
    if code is None:
        events.tell(container.root, container.record, "detach")
    return 0 if code is None else code


def resize(container: Handle, rows: int, columns: int) -> None:
    """Change the window of a running container's terminal; see Container.resize."""
    size = window(rows, columns)
    refuse_inactive(container, "resize the terminal of")
    if not container.record["tty"]:
        raise Conflict(f"container {container.name} has no terminal")
    stream = connect(container, streams.ATTACH)
    try:
        stream.sendall(streams.frame(streams.RESIZE, size))
        # Until it hangs up as well: one that finds us gone with output for us would not look at
        # what we have said.
        stream.shutdown(_socket.SHUT_WR)
        while stream.recv(1 << 18):
            pass
    except OSError:
        pass  # it ended just now, and its terminal with it
    finally:
        stream.close()


def keys_of(record: Record, detach_keys: str) -> Keys | None:
    """Return the keys that leave a container's terminal, None without one. Raises UsageError."""
    if not record["tty"]:
        return None
    from rootless.containers.running.keys import Keys

    return Keys(detach_keys)


def refuse_inactive(container: Handle, verb: str) -> None:
    """Raise Conflict where it does not run, or stands still."""
    state = container.state()
    if not state.active:
        raise Conflict(
            f"cannot {verb} container {container.name}: it is not running", "start it first"
        )
    if not state.running or state.status == "paused":
        raise Conflict(f"cannot {verb} container {container.name}: it is {state.status}")


def connect(
    container: Handle, wish: int, payload: bytes = b"", passed: Sequence[int] = ()
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
        _refuse_standing(container)  # it was stopped since we looked
        raise HostError(
            f"the supervisor of container {container.name} does not answer: "
            f"{error.strerror or 'no word from it'}",
            f"is it stopped? rootless kill {container.name} ends the container",
        ) from error
    return stream


def answer(
    container: Handle, stream: _socket.socket, size: int, patience: float = _PATIENCE
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


def _refuse_standing(container: Handle) -> None:
    """Raise HostError where the supervisor cannot answer, because somebody has stopped it."""
    from rootless.containers.running.stopping import check_supervisor

    pid = container.state().values.get("supervisor", 0)
    kill = f"rootless kill {container.name} ends the container"
    check_supervisor(container, pid, f"lets it go on; {kill}")


def serve(
    stream: _socket.socket,
    container: Handle,
    ends: Ends,
    detach_keys: str,
    *,
    first: bool = False,
) -> int | None:
    """Move bytes between `ends` and the container until it ends.

    Return its exit code, None where the user has left it by the keys; 255 where the supervisor
    was killed. Raises OSError where `ends` cannot write: at once, or where they are the container's
    `first` after it has heard of that and ended. `stream` is closed here, whatever `ends` raise.
    """
    try:
        keys = keys_of(container.record, detach_keys)
        session = _Session(stream, container.record, ends, keys, first=first)
        with ends:
            ends.pass_signals(container.send_signal)
            session.run()
    finally:
        stream.close()
    if session.lost:
        raise next(iter(session.lost.values()))
    if not session.left:
        return session.exit_code
    ends.leave()
    return None


class _Session:
    """One attachment. Never blocks in sending, or it and the supervisor could wait for each other.

    Writing to our own output may block: then the supervisor's frames wait, and it reads no more
    from the container.
    """

    def __init__(
        self,
        stream: _socket.socket,
        record: Record,
        ends: Ends,
        keys: Keys | None,
        *,
        first: bool,
    ) -> None:
        self._stream = stream
        self._ends = ends
        self._tty = record["tty"]
        # docker's StdinOnce: only where it was made to run in the foreground does the end of
        # our input end the container's.
        self._ends_input = not record["request"]["detached"]
        self._reader = streams.Reader()
        self._pending = bytearray()
        self._loop = Loop()
        fd = ends.stdin if record["stdin"] else -1
        self._input = Feed(self._loop, fd, keys, self._take)
        self.exit_code = 255
        self._first = first
        self.lost: dict[int, OSError] = {}
        """The streams that cannot be written any more, and why."""
        self._ended = False
        stream.setblocking(False)

    @property
    def left(self) -> bool:
        """Whether the user has left with the detach keys."""
        return self._input.left

    def _watch(self) -> None:
        events = select.POLLIN | (select.POLLOUT if self._pending else 0)
        self._loop.watch(self._stream.fileno(), events, self._ready)
        self._input.pause(len(self._pending) > BACKLOG)

    def run(self) -> None:
        self._watch()
        watch_size(self._loop, self._ends, self._resize)
        while not (self._ended or self.left):
            self._loop.turn(None)

    def _take(self, data: bytes) -> None:
        # A terminal of ours that hangs up, or that is another's now, is no end of input.
        ends = self._ends_input and not (self._tty and os.isatty(self._ends.stdin))
        if data or ends:
            self._send(streams.STDIN, data)

    def _resize(self, rows: int, columns: int) -> None:
        if self._tty:
            self._send(streams.RESIZE, WINDOW.pack(rows, columns))

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
            self._input.stop()
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
                self._deliver(kind, payload)

    def _deliver(self, stream: int, data: bytes) -> None:
        if stream in self.lost:
            return
        try:
            self._ends.write(stream, data)
        except OSError as error:
            if not self._first:
                raise
            self.lost[stream] = error
            self._send(streams.LOST, bytes((stream,)))
