"""OpenPGP data taken apart: armour, packets, compression, subpackets (RFC 9580, sections 4 to 6).

Whatever is read comes from strangers: every length is checked against what is there, the number
of packets is bounded, and so is what a compressed packet unfolds to. Everything that is wrong is
a SignatureError, nothing else is ever raised.
"""

from __future__ import annotations

import zlib

from rootless.oci.errors import SignatureError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PACKETS = 10_000
MAX_BYTES = 4 << 20
"""Of a key file, of a signature, and of what the latter unfolds to."""

SIGNATURE, ONE_PASS, SECRET_KEY, PUBLIC_KEY, COMPRESSED, MARKER = 2, 4, 5, 6, 8, 10
LITERAL, TRUST, USER_ID, SUBKEY, ATTRIBUTE, PADDING = 11, 12, 13, 14, 17, 21
"""Packet types (section 5)."""

_STREAMED = (COMPRESSED, LITERAL)
"""Packets that may come without their length in front (section 4.2.1.4)."""

_BEGIN, _END = b"-----BEGIN PGP ", b"-----END PGP "


class Octets:
    """Bytes that are read from the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """The next `size` bytes. Raises SignatureError where there are fewer."""
        data = self._data[self._at : self._at + size]
        if len(data) != size:
            raise SignatureError("OpenPGP data is cut short")
        self._at += size
        return data

    def number(self, size: int) -> int:
        """The next `size` bytes as a number."""
        return int.from_bytes(self.take(size), "big")

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data) - self._at)

    def integer(self) -> bytes:
        """A multiprecision integer (section 3.2), without leading zeros."""
        bits = self.number(2)
        data = self.take((bits + 7) // 8)
        if int.from_bytes(data, "big").bit_length() != bits:
            raise SignatureError("an integer in OpenPGP data has another length than it says")
        return data


class Packet:
    """A packet: its type and its body."""

    def __init__(self, tag: int, body: bytes) -> None:
        self.tag = tag
        self.body = body


def packets(data: bytes) -> Iterator[Packet]:
    """Yield the packets that `data` consists of. Raises SignatureError."""
    octets = Octets(data)
    for _ in range(MAX_PACKETS):
        if not octets:
            return
        head = octets.number(1)
        if not head & 0x80:
            raise SignatureError("this is no OpenPGP data")
        if head & 0x40:
            yield Packet(head & 0x3F, _body(octets, head & 0x3F))
        else:
            yield Packet(head >> 2 & 0xF, _old_body(octets, head))
    raise SignatureError(f"OpenPGP data of more than {MAX_PACKETS} packets")


def _old_body(octets: Octets, head: int) -> bytes:
    """The body behind a header of the legacy form (section 4.2.2)."""
    if head & 3 < 3:
        return octets.take(octets.number(1 << (head & 3)))
    if head >> 2 & 0xF not in _STREAMED:
        raise SignatureError("an OpenPGP packet without a length")
    return octets.rest()


def _body(octets: Octets, tag: int) -> bytes:
    """The body behind a header of the present form, perhaps in pieces (section 4.2.1)."""
    pieces = []
    while True:
        first = octets.number(1)
        if not 224 <= first < 255:
            pieces.append(octets.take(_length(octets, first)))
            return b"".join(pieces)
        if tag not in _STREAMED:
            raise SignatureError("an OpenPGP packet in pieces that must not be")
        pieces.append(octets.take(1 << (first & 0x1F)))


def _length(octets: Octets, first: int) -> int:
    if first < 192:
        return first
    if first == 255:
        return octets.number(4)
    return (first - 192 << 8) + octets.number(1) + 192


def subpackets(area: bytes) -> Iterator[tuple[int, bool, bytes]]:
    """Yield type, whether it is critical, and body of what an area of a signature holds (5.2.3.7).

    Raises SignatureError.
    """
    octets = Octets(area)
    while octets:
        body = Octets(octets.take(_length(octets, octets.number(1))))
        kind = body.number(1)
        yield kind & 0x7F, kind >= 0x80, body.rest()


def decompress(body: bytes) -> bytes:
    """The content of a compressed packet (section 5.6). Raises SignatureError."""
    import bz2

    algorithm, data = body[:1], body[1:]
    try:
        if algorithm == b"\0":
            plain, whole = data, True
        elif algorithm == b"\3":
            unpacker = bz2.BZ2Decompressor()
            plain = unpacker.decompress(data, MAX_BYTES + 1)
            whole = unpacker.eof
        elif algorithm in (b"\1", b"\2"):
            inflater = zlib.decompressobj(-15 if algorithm == b"\1" else 15)
            plain = inflater.decompress(data, MAX_BYTES + 1)
            whole = inflater.eof
        else:
            raise SignatureError("an OpenPGP packet with an unknown compression")
    except (zlib.error, OSError, ValueError) as error:
        raise SignatureError(f"a compressed OpenPGP packet is damaged: {error}") from error
    if len(plain) > MAX_BYTES:
        raise SignatureError(f"a compressed OpenPGP packet of more than {MAX_BYTES} bytes")
    if not whole:
        raise SignatureError("a compressed OpenPGP packet is cut short")
    return plain


def dearmour(data: bytes) -> bytes:
    """`data` itself, or what its blocks of armour hold (section 6.2), one after another.

    The checksum of a block is not looked at: it proves nothing that the signatures do not.
    Raises SignatureError.
    """
    if len(data) > MAX_BYTES:
        raise SignatureError(f"OpenPGP data of more than {MAX_BYTES} bytes")
    if _BEGIN not in data or data[:1] >= b"\x80":
        return data
    return b"".join(map(_block, data.split(_BEGIN)[1:]))


def _block(text: bytes) -> bytes:
    import binascii

    inside, end, _ = text.partition(_END)
    lines = [line.strip() for line in inside.splitlines()]
    if not end or b"" not in lines:
        raise SignatureError("an armoured OpenPGP block is cut short")
    content = [line for line in lines[lines.index(b"") + 1 :] if line[:1] != b"="]
    try:
        return binascii.a2b_base64(b"".join(content), strict_mode=True)
    except ValueError as error:
        raise SignatureError(f"an armoured OpenPGP block is damaged: {error}") from error
