"""IPv4 (RFC 791): headers, fragments to the guest."""

from __future__ import annotations

import struct

from rootless.netstack.checksum import checksum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = 20
DONT_FRAGMENT = 0x4000
MORE_FRAGMENTS = 0x2000
ICMP, TCP, UDP = 1, 6, 17

_HEADER = struct.Struct(">BBHHHBBH4s4s")
_TTL = 64


def header(
    source: bytes,
    destination: bytes,
    protocol: int,
    length: int,
    *,
    identity: int = 0,
    fragment: int = DONT_FRAGMENT,
) -> bytes:
    """Return the header for a payload of `length` bytes.

    `fragment` are the flags and the offset in units of 8 bytes.
    """
    fields = (0x45, 0, length + HEADER, identity, fragment, _TTL, protocol)
    bare = _HEADER.pack(*fields, 0, source, destination)
    return _HEADER.pack(*fields, checksum(bare), source, destination)


def packets(
    source: bytes, destination: bytes, protocol: int, payload: bytes, mtu: int, identity: int
) -> Iterator[bytes]:
    """Yield the packet for a payload, or its fragments where one packet is more than the MTU."""
    if len(payload) + HEADER <= mtu:
        yield header(source, destination, protocol, len(payload)) + payload
        return
    most = (mtu - HEADER) & ~7
    for start in range(0, len(payload), most):
        part = payload[start : start + most]
        more = MORE_FRAGMENTS if start + most < len(payload) else 0
        fragment = more | start >> 3
        head = header(
            source, destination, protocol, len(part), identity=identity, fragment=fragment
        )
        yield head + part
