"""Children that do the steps of a build: one for each, as many at once as there are jobs.

A child is a fork of the build, does one thing, and says on its socket what happens meanwhile and
what came of it: frames of a length and a JSON object. The build itself never has threads, so that
it can fork. Whoever kills the build kills its children, and they their containers.
"""

from __future__ import annotations

import _socket
import os
import select
import struct

from rootless.errors import Error, Interrupted
from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable
    from typing import Any, NoReturn

    Message = dict[str, Any]
else:
    import _signal

_GRACE = 30
"""Seconds that a child has to clean up when it is ended."""

_LENGTH = struct.Struct(">I")


class Line:
    """A child's way to speak to the build."""

    def __init__(self, stream: _socket.socket) -> None:
        self._stream = stream
        self._actions: list[Callable[[], None]] = []

    def afterwards(self, action: Callable[[], None]) -> None:
        """Have something done when the step has ended, for which nobody has to wait."""
        self._actions.append(action)

    def leave(self) -> None:
        """Do what was left for the end."""
        for action in self._actions:
            action()

    def say(self, **message: Any) -> None:
        """Send a message of JSON values."""
        data = jsonio.dump_bytes(message)
        self._stream.sendall(_LENGTH.pack(len(data)) + data)


class Member:
    """One child at work."""

    def __init__(self, pid: int, stream: _socket.socket) -> None:
        self.pid = pid
        self.stream = stream
        self.buffer = bytearray()
        self.answered = False
        """Whether it has said what came of it, and only cleans up."""

    def feed(self) -> list[Message] | None:
        """Return what it has said; None at the end."""
        data = self.stream.recv(1 << 18)
        if not data:
            return None
        self.buffer += data
        found = []
        while len(self.buffer) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self.buffer)
            if len(self.buffer) < _LENGTH.size + size:
                break
            found.append(jsonio.loads(bytes(self.buffer[_LENGTH.size : _LENGTH.size + size])))
            del self.buffer[: _LENGTH.size + size]
        return found


class Crew:
    """The children of one build."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._members: dict[int, tuple[Member, Any]] = {}
        self._poll = select.poll()

    @property
    def has_room(self) -> bool:
        """Whether one more may begin."""
        return sum(not member.answered for member, _ in self._members.values()) < self._jobs

    @property
    def is_idle(self) -> bool:
        """Whether nobody is at work."""
        return all(member.answered for member, _ in self._members.values())

    def start(self, token: object, function: Callable[..., Any], *arguments: Any) -> None:
        """Have a child call `function(line, *arguments)`; `turn` returns `token` with the end.

        What the function returns is a JSON value.
        """
        ours, theirs = _socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            for member, _ in self._members.values():
                member.stream.close()
            _be_child(theirs, function, arguments)
        theirs.close()
        self._members[ours.fileno()] = (Member(pid, ours), token)
        self._poll.register(ours.fileno(), select.POLLIN)

    def turn(
        self, timeout: int | None, hear: Callable[[Any, Message], None]
    ) -> list[tuple[Any, Any, Error | None]]:
        """Wait for news; return who has ended: token, value, error. `hear` gets all messages."""
        ended: list[tuple[Any, Any, Error | None]] = []
        for fd, _ in self._poll.poll(timeout):
            member, token = self._members[fd]
            said = member.feed()
            for message in said or ():
                if "answer" in message:
                    member.answered = True
                    ended.append(_outcome(token, message["answer"].encode("latin-1")))
                else:
                    hear(token, message)
            if said is None:
                self._dismiss(fd)
                if not member.answered:
                    ended.append(_outcome(token, b""))
        return ended

    def _dismiss(self, fd: int) -> None:
        member, _ = self._members.pop(fd)
        self._poll.unregister(fd)
        member.stream.close()
        os.waitpid(member.pid, 0)

    def cancel(self) -> list[Any]:
        """End all children, and wait until they have cleaned up; return their tokens."""
        tokens = [token for member, token in self._members.values() if not member.answered]
        for member, _ in self._members.values():
            if not member.answered:
                os.kill(member.pid, _signal.SIGTERM)
        self.wait()
        return tokens

    def wait(self) -> None:
        """Wait until all children have left."""
        while self._members:
            self.turn(None, lambda _token, _message: None)


def _outcome(token: Any, answer: bytes) -> tuple[Any, Any, Error | None]:
    from rootless.runtime.userns.worker import unpacked

    try:
        return token, unpacked(answer, "a step was killed"), None
    except Error as error:
        return token, None, error


def _be_child(
    stream: _socket.socket, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> NoReturn:
    from rootless.linux import process

    try:
        process.prctl(process.PR_SET_PDEATHSIG, _signal.SIGTERM)
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)  # it is the build's, which then ends us
        _signal.signal(_signal.SIGTERM, _interrupt)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        line = Line(stream)
        line.say(answer=_answer(function, line, arguments).decode("latin-1"))
        _signal.signal(_signal.SIGTERM, _signal.SIG_IGN)
        line.leave()
    finally:
        os._exit(0)


def _answer(function: Callable[..., Any], line: Line, arguments: tuple[Any, ...]) -> bytes:
    """What `worker.unpacked` understands."""
    try:
        return jsonio.dump_bytes({"value": function(line, *arguments)})
    except Interrupted as error:
        kind, message, hint = "Error", error.message, ""
    except Error as error:
        message, hint = error.marked
        kind = type(error).__name__
    except OSError as error:
        kind, hint = "StoreError", ""
        message = f"{error.filename or 'a step'}: {error.strerror}"
    return jsonio.dump_bytes({"error": kind, "message": message, "hint": hint})


def _interrupt(number: int, _frame: object) -> NoReturn:
    _signal.signal(_signal.SIGTERM, _signal.SIG_IGN)
    _signal.alarm(_GRACE)  # whatever holds the cleaning up: SIGALRM ends it
    raise Interrupted(number)
