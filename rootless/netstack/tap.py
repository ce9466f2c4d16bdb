"""The guests' link: Ethernet frames to and from a TAP device, each behind a virtio header.

The virtio header (Virtual I/O Device 1.2, 5.1.6) says what the kernel left undone: a checksum
that is still to be computed, or TCP data of many segments in one frame. To us it gives up to
64 KiB at once. We leave the same to it.
"""

from __future__ import annotations

import os
import struct

from rootless.linux.tun import VNET_HEADER

ETHERNET = 14
"""Bytes of an Ethernet header."""

START = VNET_HEADER + ETHERNET
"""Where the network layer begins in what is read and written."""

MAX_PACKET = 65535
"""Bytes of the largest IPv4 packet, and of IPv6 without jumbograms (RFC 791, RFC 8200)."""

NEEDS_CSUM = 1
GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 = 0, 1, 4, 5

_VNET = struct.Struct("=BBHHHH")


def vnet(
    start: int = 0, offset: int = 0, *, gso: int = GSO_NONE, size: int = 0, header: int = 0
) -> bytes:
    """Return a virtio header.

    `start` is where the checksummed part begins, counted from the Ethernet header, 0 for a frame
    whose checksums are complete; `offset` is where in it the checksum stands. `size` is the
    payload of each segment that the kernel makes, `header` the bytes before the payload.
    """
    return _VNET.pack(NEEDS_CSUM if start else 0, gso, header, size, start, offset)


class Tap:
    """One TAP device, or anything that keeps frames apart."""

    def __init__(self, fd: int) -> None:
        """`fd` does not block and stays the caller's."""
        self.fd = fd
        self.buffer = bytearray(START + MAX_PACKET + 1)
        """What was read last."""
        self.view = memoryview(self.buffer)
        self._into = [self.buffer]

    def read(self) -> int:
        """Fill `buffer` with the next frame and return its length, header included.

        Raises BlockingIOError where there is none.
        """
        return os.readv(self.fd, self._into)

    def write(self, parts: tuple[bytes | memoryview, ...]) -> bool:
        """Send one frame that begins with its virtio header; False where it was lost."""
        try:
            os.writev(self.fd, parts)
        except OSError:
            return False  # its queue is full, or the interface is down: as on any link
        return True


class Link:
    """The way to one guest of a device."""

    def __init__(self, tap: Tap, guest: bytes, gateway: bytes) -> None:
        """`guest` and `gateway` are the link addresses (MAC) of the two ends."""
        self.view = tap.view
        """What was read last from the device."""
        self.write = tap.write
        self.ends = guest + gateway
        """The first 12 bytes of every frame to the guest."""
        self._plain = bytes(VNET_HEADER) + self.ends

    def send(self, kind: int, packet: bytes) -> bool:
        """Send a packet of the EtherType `kind`, complete with checksums."""
        return self.write((self._plain + kind.to_bytes(2, "big") + packet,))
