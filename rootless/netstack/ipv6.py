"""IPv6 (RFC 8200): headers, fragments to the guest, checksums of what is above it."""

from __future__ import annotations

import struct

from rootless.netstack.checksum import add_up, checksum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = 40
FRAGMENT = 44
ICMP = 58
MORE_FRAGMENTS = 1

_HEADER = struct.Struct(">IHBB16s16s")
_FRAGMENT = struct.Struct(">BBHI")


def header(source: bytes, destination: bytes, protocol: int, length: int, hops: int = 64) -> bytes:
    """Return the header for a payload of `length` bytes."""
    return _HEADER.pack(6 << 28, length, protocol, hops, source, destination)


def pseudo(source: bytes, destination: bytes, protocol: int, length: int) -> int:
    """Return the sum of the pseudo-header (RFC 8200, 8.1), which that of IPv4 equals."""
    return add_up(source + destination) + protocol + length


def icmp(source: bytes, destination: bytes, message: bytes, hops: int = 64) -> bytes:
    """Return the packet with an ICMPv6 message, whose checksum is filled in (RFC 4443, 2.3)."""
    summed = checksum(message, pseudo(source, destination, ICMP, len(message)))
    message = message[:2] + summed.to_bytes(2, "big") + message[4:]
    return header(source, destination, ICMP, len(message), hops) + message


def packets(
    source: bytes, destination: bytes, protocol: int, payload: bytes, mtu: int, identity: int
) -> Iterator[bytes]:
    """Yield the packet for a payload, or its fragments where one packet is more than the MTU."""
    if len(payload) + HEADER <= mtu:
        yield header(source, destination, protocol, len(payload)) + payload
        return
    most = (mtu - HEADER - _FRAGMENT.size) & ~7
    for start in range(0, len(payload), most):
        part = payload[start : start + most]
        more = MORE_FRAGMENTS if start + most < len(payload) else 0
        yield (
            header(source, destination, FRAGMENT, len(part) + _FRAGMENT.size)
            + _FRAGMENT.pack(protocol, 0, start | more, identity)
            + part
        )
