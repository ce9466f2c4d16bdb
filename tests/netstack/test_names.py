"""The name service of networks: what is answered, denied and left to others."""

from __future__ import annotations

import socket
import struct

import pytest

from rootless.netstack import names

A, NS, PTR, AAAA, ANY = 1, 2, 12, 28, 255
V4, OTHER4, V6 = (
    socket.inet_pton(socket.AF_INET, "10.89.0.2"),
    socket.inet_pton(socket.AF_INET, "10.89.0.3"),
    socket.inet_pton(socket.AF_INET6, "fd00::2"),
)


class Zone:
    """Two members and a denied domain."""

    closed = False

    def find(self, name: str) -> list[bytes] | None:
        """See names.Zone."""
        known = {"web": [V4, V6], "both": [V4, OTHER4], "many": [V4] * 60}
        return known.get(name)

    def name_of(self, address: bytes) -> str | None:
        """See names.Zone."""
        return {V4: "web.net", V6: "web.net", OTHER4: ""}.get(address)

    def denies(self, name: str) -> bool:
        """See names.Zone."""
        return "." not in name


def question(name: str, kind: int, *, edns: int = 0, flags: int = 0x0100) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    text = struct.pack(">HHHHHH", 7, flags, 1, 0, 0, bool(edns))
    text += labels + b"\0" + struct.pack(">HH", kind, 1)
    return text + (b"\0" + struct.pack(">HHIH", 41, edns, 0, 0) if edns else b"")


def answer(message: bytes, *, stream: bool = False) -> tuple[int, list[bytes]]:
    """Return the code of the answer and its data."""
    said = names.answer(message, Zone(), stream=stream)
    assert said is not None
    id, flags, questions, count, _, more = struct.unpack_from(">HHHHHH", said)  # noqa: A001
    assert (id, questions) == (7, 1)
    assert flags & 0x8180 == 0x8180  # an answer, recursion desired and available
    end = said.index(b"\0", 12) + 5
    assert said[12:end] == message[12:end]
    found, at = [], end
    for _ in range(count):
        pointer, _, klass, ttl, size = struct.unpack_from(">HHHIH", said, at)
        assert (pointer, klass, ttl) == (0xC00C, 1, 0)
        found.append(said[at + 12 : at + 12 + size])
        at += 12 + size
    assert len(said) - at == 11 * more
    return flags & 0x020F, found


@pytest.mark.parametrize(
    ("asked", "code", "data"),
    [
        (question("web", A), 0, [V4]),
        (question("WEB", A), 0, [V4]),
        (question("web", AAAA), 0, [V6]),
        (question("web", ANY), 0, [V4, V6]),
        (question("web", NS), 0, []),
        (question("both", A), 0, [V4, OTHER4]),
        (question("both", AAAA), 0, []),
        (question("web", A, edns=4096), 0, [V4]),
        (question("nosuch", A), 3, []),
        (question("many", A), 0x0200, []),  # too long: ask over TCP
        (question("many", A, edns=1232), 0, [V4] * 60),
        (question("2.0.89.10.in-addr.arpa", PTR), 0, [b"\3web\3net\0"]),
        (question("3.0.89.10.in-addr.arpa", PTR), 3, []),
        (question("2.0.89.10.in-addr.arpa", A), 0, []),
        (question(".".join("2" + "0" * 27 + "00df") + ".ip6.arpa", PTR), 0, [b"\3web\3net\0"]),
    ],
)
def test_answers(asked: bytes, code: int, data: list[bytes]) -> None:
    assert answer(asked) == (code, data)


def test_nothing_is_too_long_for_a_stream() -> None:
    assert answer(question("many", A), stream=True) == (0, [V4] * 60)


@pytest.mark.parametrize(
    "message",
    [
        question("example.com", A),
        question("1.0.0.127.in-addr.arpa", PTR),
        question("0.89.10.in-addr.arpa", PTR),
        question("web", A, flags=0x8100),  # an answer
        question("web", A, flags=0x2800),  # an update
        question("web", A)[:-1],
        question("web", A)[:14],
        b"",
        struct.pack(">HHHHHH", 7, 0x0100, 2, 0, 0, 0) + question("web", A)[12:],
        struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",  # points at itself
        question("web", A)[:-2] + b"\0\3",  # of another class
    ],
)
def test_what_is_left_to_others(message: bytes) -> None:
    assert names.answer(message, Zone()) is None
