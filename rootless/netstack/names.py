"""The name service of a network: the names that its members have there (RFC 1035, RFC 6891).

What a zone knows is answered here, what it denies too; all else is for the servers of the host.
"""

from __future__ import annotations

import _socket
import select
import struct
import time

from rootless.netstack import dns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from rootless.linux.loop import Loop

    class Zone(Protocol):
        """What the names of a network mean to the guest that asks."""

        closed: bool
        """Whether nothing is asked of others."""

        def find(self, name: str) -> list[bytes] | None:
            """Return all addresses of a name in lower case, without its last dot; None without."""

        def name_of(self, address: bytes) -> str | None:
            """Return the name of an address: "" where it has none, None where it is not ours."""

        def denies(self, name: str) -> bool:
            """Whether nobody else is to be asked for a name that `find` does not know."""


PLAIN = 512
"""Bytes of an answer over UDP to who has not said how much he takes (RFC 1035, 4.2.1)."""

MOST = 1232
"""The same with EDNS (RFC 6891, 6.2.5, as the DNS flag day of 2020 has it)."""

_HEADER = struct.Struct(">HHHHHH")
_QR, _OPCODE, _TC, _RD, _RA = 0x8000, 0x7800, 0x0200, 0x0100, 0x0080
_NXDOMAIN = 3
_A, _PTR, _AAAA, _OPT, _ANY = 1, 12, 28, 41, 255
_IN = 1
_POINTER = b"\xc0\x0c"
"""To the name of the question, which begins behind the header."""

_TTL = bytes(4)
"""None: a name may be another's at any moment."""

_KINDS = {_A: 4, _AAAA: 16}
_V4, _V6 = ".in-addr.arpa", ".ip6.arpa"


class Question:
    """The one question of a message."""

    def __init__(self, message: bytes) -> None:
        """Raises ValueError for what is no plain question with one name in the Internet's class."""
        try:
            self.id, self.flags, count, answers, authorities, more = _HEADER.unpack_from(message)
            if self.flags & (_QR | _OPCODE) or (count, answers, authorities) != (1, 0, 0):
                raise ValueError
            labels: list[bytes] = []
            at = _HEADER.size
            while size := message[at]:
                if size > 63 or len(labels) > 127:
                    raise ValueError
                labels.append(message[at + 1 : at + 1 + size])
                at += 1 + size
            self.kind, kind_of_class = struct.unpack_from(">HH", message, at + 1)
            self.end = at + 5
            self.room = _room(message[self.end :]) if more else 0
        except (struct.error, IndexError):
            raise ValueError from None
        if kind_of_class != _IN or any(b"." in label for label in labels):
            raise ValueError
        self.name = b".".join(labels).decode("latin-1").lower()
        self.text = message[_HEADER.size : self.end]


def _room(rest: bytes) -> int:
    """Return the bytes that a client takes by its OPT record, which has no name; 0 without one."""
    if len(rest) >= 11 and rest[0] == 0:
        kind, size = struct.unpack_from(">HH", rest, 1)
        if kind == _OPT:
            return int(max(PLAIN, size))
    return 0


def answer(message: bytes, zone: Zone, *, stream: bool = False) -> bytes | None:
    """Return the answer to a question; None where it is for others to answer.

    Over UDP one that is too long says so (TC), `stream` is whether it goes over TCP.
    """
    try:
        question = Question(message)
    except ValueError:
        return None
    if question.name.endswith((_V4, _V6)):
        return _reverse(question, zone)
    found = zone.find(question.name)
    if found is None:
        return _reply(question, [], _NXDOMAIN) if zone.denies(question.name) else None
    wanted = _KINDS.get(question.kind, 0 if question.kind == _ANY else -1)
    records = [
        (_A if len(address) == 4 else _AAAA, address)
        for address in found
        if wanted in (0, len(address))
    ]
    if stream:
        return _reply(question, records)
    room = min(question.room, MOST) if question.room else PLAIN
    reply = _reply(question, records)
    if len(reply) > room:
        return _reply(question, [], flags=_TC)
    return reply


def _reverse(question: Question, zone: Zone) -> bytes | None:
    address = _address(question.name)
    name = zone.name_of(address) if address else None
    if name is None:
        return None
    if not name:
        return _reply(question, [], _NXDOMAIN)
    if question.kind not in (_PTR, _ANY):
        return _reply(question, [])
    labels = name.encode("latin-1", "replace").split(b".")
    target = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _reply(question, [(_PTR, target)])


def _address(name: str) -> bytes:
    """Return the address that a name below in-addr.arpa or ip6.arpa stands for; else nothing."""
    try:
        if name.endswith(_V4):
            parts = name[: -len(_V4)].split(".")
            return _socket.inet_pton(_socket.AF_INET, ".".join(reversed(parts)))
        digits = name[: -len(_V6)].split(".")
        if len(digits) == 32 and all(len(digit) == 1 for digit in digits):
            return bytes.fromhex("".join(reversed(digits)))
    except (OSError, ValueError):
        pass  # a part of one
    return b""


def _reply(
    question: Question, records: list[tuple[int, bytes]], code: int = 0, *, flags: int = 0
) -> bytes:
    said = _QR | _RA | flags | (question.flags & _RD) | code
    opt = b"\0" + struct.pack(">HHIH", _OPT, MOST, 0, 0) if question.room else b""
    text = [_HEADER.pack(question.id, said, 1, len(records), 0, bool(opt)), question.text]
    for kind, data in records:
        text.append(_POINTER + struct.pack(">HH", kind, _IN) + _TTL)
        text.append(len(data).to_bytes(2, "big") + data)
    return b"".join(text) + opt


class Conversation:
    """Questions over TCP (RFC 7766), one after the other."""

    def __init__(
        self, loop: Loop, sock: _socket.socket, zone: Zone, servers: Callable[[], list[str]]
    ) -> None:
        """`servers` are the addresses of those who know the rest. Owns the socket."""
        self._loop = loop
        self._sock = sock
        self._zone = zone
        self._servers = servers
        self._asked = b""
        self._upstream: _socket.socket | None = None
        sock.setblocking(False)
        loop.watch(sock.fileno(), select.POLLIN, self._read)

    def _read(self, _events: int) -> None:
        try:
            data = self._sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._asked += data
        self._serve()

    def _serve(self) -> None:
        """Answer what has come whole, up to a question that others have to answer."""
        while self._upstream is None and len(self._asked) >= 2:
            size = int.from_bytes(self._asked[:2], "big")
            if len(self._asked) < 2 + size:
                return
            message, self._asked = self._asked[2 : 2 + size], self._asked[2 + size :]
            said = answer(message, self._zone, stream=True)
            if said is None:
                self._pass_on(message)
            else:
                self._send(said)

    def _send(self, message: bytes) -> None:
        try:
            self._sock.send(len(message).to_bytes(2, "big") + message)
        except OSError:
            self.close()  # nobody reads: there is room for an answer of any length

    def _pass_on(self, message: bytes) -> None:
        """Ask the first server; what it says goes back as it is. Nothing else is read meanwhile."""
        servers = self._servers()
        if not servers:
            self.close()
            return
        address = dns.sockaddr(servers[0], dns.PORT)
        family = _socket.AF_INET if len(address) == 2 else _socket.AF_INET6
        self._upstream = sock = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        self._loop.unwatch(self._sock.fileno())
        sock.setblocking(False)
        sock.connect_ex(address)
        question = len(message).to_bytes(2, "big") + message
        came = bytearray()
        self._loop.watch(sock.fileno(), select.POLLOUT, lambda _: self._ask(question, came))
        self._timer = self._loop.at(time.monotonic() + dns.LAST_PATIENCE, self.close)

    def _ask(self, question: bytes, came: bytearray) -> None:
        assert self._upstream is not None  # noqa: S101 - it is watched
        try:
            self._upstream.send(question)
        except OSError:
            self.close()
            return
        self._loop.watch(self._upstream.fileno(), select.POLLIN, lambda _: self._hear(came))

    def _hear(self, came: bytearray) -> None:
        assert self._upstream is not None  # noqa: S101 - it is watched
        try:
            data = self._upstream.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        came += data
        if not data:
            self.close()
        elif len(came) >= 2 and len(came) >= 2 + int.from_bytes(came[:2], "big"):
            self._leave_upstream()
            self._send(bytes(came[2:]))
            if self._sock.fileno() >= 0:
                self._loop.watch(self._sock.fileno(), select.POLLIN, self._read)
                self._serve()

    def _leave_upstream(self) -> None:
        if self._upstream is not None:
            self._loop.cancel(self._timer)
            self._loop.unwatch(self._upstream.fileno())
            self._upstream.close()
            self._upstream = None

    def close(self) -> None:
        """End it; whoever asked sees that."""
        self._leave_upstream()
        if self._sock.fileno() >= 0:
            self._loop.unwatch(self._sock.fileno())
            self._sock.close()
