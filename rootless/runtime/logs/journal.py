"""The systemd journal as a log: its native protocol, a datagram of fields for each line.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. The fields are docker's and podman's. A message that is
too large for a datagram goes as a sealed file in memory, whose descriptor is sent.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import struct

from rootless.errors import HostError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.logs.charge import LogCharge

SOCKET = "/run/systemd/journal/socket"
_PRIORITIES = {1: b"6", 2: b"3"}  # info and err, as docker has them
_LONGEST = 48 << 10
"""Bytes of a line before it is sent as parts, as docker and podman do: the journal cuts fields."""


def connect() -> int:
    """Return a socket to the journal. Raises HostError where there is none."""
    journal = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    try:
        journal.connect(SOCKET)
    except OSError as error:
        journal.close()
        raise HostError(
            f"{named('log.driver')} journald: cannot reach {SOCKET}: {error.strerror}",
            "choose json-file or k8s-file",
        ) from error
    return journal.detach()


class Journal:
    """Sends what a container writes, line by line. What the journal does not take is lost."""

    def __init__(self, charge: LogCharge) -> None:
        self._socket = _socket.socket(fileno=charge["fd"])
        self._socket.setblocking(False)
        self._rest = {1: b"", 2: b""}
        self._fields = b"".join(
            field(name.encode(), value.encode()) for name, value in charge["fields"].items()
        )

    def write(self, stream: int, data: bytes) -> None:
        """Send the lines that `data` ends; the rest waits for its end, if it is not too long."""
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        for line in lines:
            self._send(stream, line, partial=False)
        while len(rest) > _LONGEST:
            self._send(stream, rest[:_LONGEST], partial=True)
            rest = rest[_LONGEST:]
        self._rest[stream] = rest

    def finish(self) -> None:
        """Send what has no end."""
        for stream, rest in self._rest.items():
            if rest:
                self._send(stream, rest, partial=True)

    def _send(self, stream: int, line: bytes, *, partial: bool) -> None:
        message = field(b"MESSAGE", line) + field(b"PRIORITY", _PRIORITIES[stream]) + self._fields
        if partial:
            message += field(b"CONTAINER_PARTIAL_MESSAGE", b"true")
        try:
            self._socket.send(message)
        except BlockingIOError:
            pass  # the journal is not as fast as the container, which is not to wait
        except OSError:
            self._send_file(message)

    def _send_file(self, message: bytes) -> None:
        """For what is too large for a datagram (EMSGSIZE)."""
        try:
            fd = os.memfd_create("journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            try:
                os.write(fd, message)
                seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
                fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals | fcntl.F_SEAL_SEAL)
                rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", fd))]
                self._socket.sendmsg([b""], rights)
            finally:
                os.close(fd)
        except OSError:
            pass  # it is gone, and nobody is there to be told


def field(name: bytes, value: bytes) -> bytes:
    """Return one field: NAME=value, or with its length where the value holds a newline."""
    if b"\n" in value:
        return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return name + b"=" + value + b"\n"
