"""TCP segments to the guest: RFC 9293, 3.1, with their IPv4 or IPv6 header before them.

All that does not change within a connection is prepared once. Checksums of the data are left to
the kernel, and data of many segments goes in one frame (see `tap`): the 16-bit sums here are
those of headers, and known up to a few fields.
"""

from __future__ import annotations

import struct

from rootless.netstack import tap
from rootless.netstack.checksum import add_up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

_PROTOCOL = 6
_NO_OPTIONS = 5 << 12

# Virtio header, Ethernet header and version; length; id, flags, hop limit, protocol; checksum;
# addresses and ports; sequence numbers; offset and flags; window, checksum, urgent pointer.
_V4 = struct.Struct(">26sH6sH12sIIHHHH")
_V6 = struct.Struct(">28sH2s36sIIHHHH")

_MIDDLE4 = b"\0\0\x40\0\x40\x06"  # id 0 is allowed to what is never fragmented (RFC 6864)
_MIDDLE6 = b"\x06\x40"

HEADERS = {4: 40, 6: 60}
"""Bytes of the two headers, without options."""

Writer = "Callable[[int, int, int, int, bytes | memoryview], bool]"
"""Sends (sequence number, acknowledgement, flags, window, data); False where it was lost."""


def options(mss: int, shift: int) -> bytes:
    """Return the options of a SYN: maximum segment size, window scale (RFC 7323)."""
    return struct.pack(">BBHBBBB", 2, 4, mss, 1, 3, 3, shift)


def read_options(data: bytes | memoryview) -> tuple[int, int]:
    """Return (maximum segment size, window scale) of a SYN's options; 0 and -1 for none."""
    mss, shift, at = 0, -1, 0
    while at + 1 < len(data) and data[at] != 0:
        if data[at] == 1:
            at += 1
            continue
        length = data[at + 1]
        if length < 2:
            break
        if data[at] == 2 and length == 4 and at + 4 <= len(data):
            mss = data[at + 2] << 8 | data[at + 3]
        elif data[at] == 3 and length == 3 and at + 3 <= len(data):
            shift = min(data[at + 2], 14)  # RFC 7323, 2.3
        at += length
    return mss, shift


def writer4(link: tap.Link, key: bytes, mss: int) -> Callable[..., bool]:
    """Return what sends segments whose addresses and ports are `key` (12 bytes, ours first)."""
    kind = b"\x08\0\x45\0"
    plain = tap.vnet(34, 16) + link.ends + kind
    cut = tap.vnet(34, 16, gso=tap.GSO_TCPV4, size=mss, header=54) + link.ends + kind
    ip_sum = add_up(b"\x45\0" + _MIDDLE4 + key[:8])
    pseudo = add_up(key[:8]) + _PROTOCOL
    pack, write = _V4.pack, link.write

    def send(seq: int, ack: int, flags: int, window: int, data: bytes | memoryview = b"") -> bool:
        length = len(data) + 40
        header = pack(
            plain if length - 40 <= mss or flags & SYN else cut,
            length,
            _MIDDLE4,
            0xFFFF - (ip_sum + length) % 0xFFFF,
            key,
            seq,
            ack,
            flags + _NO_OPTIONS,
            window,
            (pseudo + length - 20) % 0xFFFF,
            0,
        )
        return write((header, data) if data else (header,))

    return send


def writer6(link: tap.Link, key: bytes, mss: int) -> Callable[..., bool]:
    """Return what sends segments whose addresses and ports are `key` (36 bytes, ours first)."""
    kind = b"\x86\xdd\x60\0\0\0"
    plain = tap.vnet(54, 16) + link.ends + kind
    cut = tap.vnet(54, 16, gso=tap.GSO_TCPV6, size=mss, header=74) + link.ends + kind
    pseudo = add_up(key[:32]) + _PROTOCOL
    pack, write = _V6.pack, link.write

    def send(seq: int, ack: int, flags: int, window: int, data: bytes | memoryview = b"") -> bool:
        length = len(data) + 20
        header = pack(
            plain if length - 20 <= mss or flags & SYN else cut,
            length,
            _MIDDLE6,
            key,
            seq,
            ack,
            flags + _NO_OPTIONS,
            window,
            (pseudo + length) % 0xFFFF,
            0,
        )
        return write((header, data) if data else (header,))

    return send
