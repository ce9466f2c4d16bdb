"""How a process under way to a container tells its parent what happened: typed messages.

One SEQPACKET socket pair, one JSON object a message, closed by exec. The reader always reads before
it waits, so the child's true error is never lost behind a broken pipe.

Beside the socket there is a pipe, the verdict, which goes on into the stub
(`runtime.launch.stub`): it writes the errno of the last execve(2) there, or closes it by that. So a
parent that reads the end of the stream and of the pipe after `Phase.READY` knows that the command
runs.
"""

from __future__ import annotations

import _socket
import os
import select
import struct

from rootless.errors import CommandNotExecutable, CommandNotFound, Error, LaunchError
from rootless.oci import jsonio
from rootless.runtime.launch.command import not_executable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_MESSAGE = 65536
_PATIENCE = 10_000
"""Milliseconds for the verdict. The stub is a process of the container, whose root may catch the
pipe and keep it: then nobody waits for longer."""
_MAX_TEXT = 4096
_SCM_CREDENTIALS = 2
_CREDENTIALS = struct.Struct("iii")  # struct ucred: pid, uid, gid
_KINDS = {kind.__name__: kind for kind in (CommandNotExecutable, CommandNotFound)}
"""What arrives as what it was; everything else becomes a LaunchError."""


class Phase:
    """What a message says; both sides use these names."""

    FORKED = "forked"  # launcher: the container's init has this pid
    GO = "go"  # supervisor: the launcher is reaped, die with me from now on
    TERMINAL = "terminal"  # init: here is the master side of the terminal
    LINK = "link"  # init: here is our end of the private network
    OWNERS = "owners"  # init: here is who asks whose files are to be (supervision.ownership)
    READY = "ready"  # init: everything is set up, exec of this command comes next
    ERROR = "error"  # any: this step failed


class Report:
    """One end of the channel."""

    def __init__(self, end: _socket.socket, verdict: int) -> None:
        self._end = end
        self.verdict = verdict
        """This side's end of the pipe."""
        self._command: str | None = None

    @classmethod
    def pair(cls) -> tuple[Report, Report]:
        """Return both ends, (parent's, child's)."""
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        ours.setsockopt(_socket.SOL_SOCKET, _socket.SO_PASSCRED, 1)
        reader, writer = os.pipe()
        os.set_blocking(reader, False)  # what poll(2) saw may be gone (`_await_verdict`)
        return cls(ours, reader), cls(theirs, writer)

    def fileno(self) -> int:
        """The descriptor, for poll."""
        return self._end.fileno()

    def filenos(self) -> tuple[int, int]:
        """All descriptors, for who closes the others."""
        return self._end.fileno(), self.verdict

    def close(self) -> None:
        """Close this end."""
        self._end.close()
        if self.verdict >= 0:
            os.close(self.verdict)
            self.verdict = -1

    def send(self, phase: str, *, fd: int = -1, **values: Any) -> bool:
        """Send one message, with a descriptor if there is one; False where the reader is gone."""
        data = jsonio.dump_bytes({"phase": phase, **values})
        if len(data) > MAX_MESSAGE:  # hundreds of mounts: all but the lists, which only inform
            lean = {key: [] if isinstance(value, list) else value for key, value in values.items()}
            data = jsonio.dump_bytes({"phase": phase, **lean})
        rights: list[tuple[int, int, bytes]] = []
        if fd >= 0:
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", fd))]
        try:
            self._end.sendmsg([data], rights, _socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def ready(self, command: str, **values: Any) -> bool:
        """Say that `command` is executed next; False where the reader is gone."""
        return self.send(Phase.READY, command=command[:_MAX_TEXT], **values)

    def fail(self, step: str, error: BaseException) -> None:
        """Send an error with the step that met it."""
        values: dict[str, Any] = {"step": step, "errno": getattr(error, "errno", 0) or 0}
        if isinstance(error, Error):
            message, hint = error.marked
            values |= {"message": message, "hint": hint, "kind": type(error).__name__}
        elif isinstance(error, OSError) and error.errno:
            name = f" {error.filename!r}" if isinstance(error.filename, str) else ""
            values["message"] = f"cannot {step}: {os.strerror(error.errno)}{name}"
        else:
            values["message"] = f"cannot {step}: {type(error).__name__}: {error}"
        values["message"] = values["message"][:_MAX_TEXT]  # it may quote an argument of any length
        self.send(Phase.ERROR, **values)

    def receive(self) -> dict[str, Any] | None:
        """Return the next message, None at the end.

        A descriptor that came is under "fd"; the parent finds the pid of the sender, as seen
        from its own pid namespace, under "sender" (unix(7), SO_PASSCRED).
        Raises LaunchError (or its subclass) for an ERROR message, and where the command could not
        be executed at the very end.
        """
        data, ancillary, _, _ = self._end.recvmsg(
            MAX_MESSAGE,
            _socket.CMSG_SPACE(4) + _socket.CMSG_SPACE(_CREDENTIALS.size),
            _socket.MSG_CMSG_CLOEXEC,
        )
        if not data:
            self._await_verdict()
            return None
        message: dict[str, Any] = jsonio.loads(data)
        for _, kind, content in ancillary:
            if kind == _socket.SCM_RIGHTS:
                message["fd"] = struct.unpack_from("i", content)[0]
            elif kind == _SCM_CREDENTIALS:
                message["sender"] = _CREDENTIALS.unpack(content)[0]
        if message["phase"] == Phase.ERROR:
            raise _error(message)
        self._command = message.get("command")
        return message

    def _await_verdict(self) -> None:
        """After READY: wait for the last execve(2); raise `not_executable` where it failed."""
        if self._command is None:
            return
        poll = select.poll()
        poll.register(self.verdict, select.POLLIN)
        try:
            said = os.read(self.verdict, 4) if poll.poll(_PATIENCE) else b""
        except BlockingIOError:
            said = b""  # who has caught the pipe has written there, and read it before us
        if len(said) == 4:
            number = struct.unpack("i", said)[0]
            raise not_executable(self._command, OSError(number, ""))


def _error(message: dict[str, Any]) -> LaunchError:
    kind = _KINDS.get(message.get("kind", ""), LaunchError)
    return kind(
        message["message"],
        message.get("hint", ""),
        step=message.get("step", ""),
        errno=message.get("errno", 0),
    )
