"""What a supervisor and a switch say to each other: one JSON object a datagram, with descriptors.

     supervisor -> switch   {"attach": Wire, "id"}, the container's network namespace and a socket
                            of rtnetlink(7) there; with {"known": Address} it is there already
                            {"publish": [Port]}, a socket each; {"withdraw": [[port, protocol]]}
                            {"names": [name]}; {"space": true}
     switch -> supervisor   the answer: {"address": Address}, the descriptors of the segment; {};
                            or {"error": text}

A supervisor that hangs up has left the network.
"""

from __future__ import annotations

import _socket
import array
import struct

from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MOST = 1 << 16
"""Bytes of a datagram."""

FILES = 200
"""Descriptors of a datagram; the kernel takes 253 (SCM_MAX_FD)."""

_SPACE = _socket.CMSG_SPACE(FILES * 4)


def send(sock: _socket.socket, value: dict[str, Any], fds: Iterable[int] = ()) -> None:
    """Send one message. Raises OSError where the other side has gone."""
    rights = array.array("i", fds)
    ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights.tobytes())] if rights else []
    sock.sendmsg([jsonio.dump_bytes(value)], ancillary, _socket.MSG_NOSIGNAL)


def receive(sock: _socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return the next message and its descriptors, None at the end. Raises OSError."""
    data, ancillary, _, _ = sock.recvmsg(MOST, _SPACE, _socket.MSG_CMSG_CLOEXEC)
    fds: list[int] = []
    for _, kind, content in ancillary:
        if kind == _socket.SCM_RIGHTS:
            fds += struct.unpack(f"{len(content) // 4}i", content[: len(content) // 4 * 4])
    if not data:
        return None
    try:
        value = jsonio.loads(data)
    except (ValueError, RecursionError):
        value = {}
    return value if isinstance(value, dict) else {}, fds
