"""The Internet checksum (RFC 1071)."""

from __future__ import annotations


def add_up(data: bytes | bytearray | memoryview) -> int:
    """Return the ones' complement sum of `data` as 16-bit words, 0 to 65534.

    Since 2^16 = 1 modulo 65535, the sum is the remainder of the whole as one number. 0 and 65535
    are the same number here (RFC 1071, 2): whoever sends it may choose.
    """
    total = int.from_bytes(data, "big")
    return (total << 8 if len(data) % 2 else total) % 0xFFFF


def checksum(data: bytes | bytearray | memoryview, start: int = 0) -> int:
    """Return the checksum of `data`; `start` is the sum of what else belongs to it."""
    return 0xFFFF - (add_up(data) + start) % 0xFFFF
