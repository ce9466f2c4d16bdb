"""Packets as a guest makes and reads them, written out by hand: nothing of the stack's own code."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

GUEST_MAC = bytes.fromhex("020000000001")
GATEWAY_MAC = bytes.fromhex("020000000002")
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed


def summed(data: bytes) -> int:
    """The ones' complement sum of 16-bit words, word by word (RFC 1071, 4.1)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    head = address(source) + address(target)
    if ":" in source:
        return head + struct.pack(">IHBB", len(payload), 0, 0, protocol)
    return head + struct.pack(">BBH", 0, protocol, len(payload))


def ip(source: str, target: str, protocol: int, payload: bytes, **fields: int) -> bytes:
    """A packet of the version of its addresses; `identity` and `fragment` for IPv4."""
    if ":" in source:
        head = struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64)
        return head + address(source) + address(target) + payload
    identity, fragment = fields.get("identity", 1), fields.get("fragment", 0x4000)
    head = struct.pack(">BBHHHBBH", 0x45, 0, len(payload) + 20, identity, fragment, 64, protocol, 0)
    head += address(source) + address(target)
    check = 0xFFFF ^ summed(head)
    return head[:10] + struct.pack(">H", check) + head[12:] + payload


def tcp(ports: tuple[int, int], seq: int, ack: int, flags: int, **more: int | bytes) -> bytes:
    """A segment; `window`, `data`, `options`. Its checksum is left to the kernel, as in life."""
    options = bytes(more.get("options", b""))
    data = bytes(more.get("data", b""))
    words = 5 + len(options) // 4
    window = int(more.get("window", 65535))
    head = struct.pack(">HHIIHHHH", *ports, seq, ack, words << 12 | flags, window, 0, 0)
    return head + options + data


def udp(ports: tuple[int, int], data: bytes) -> bytes:
    return struct.pack(">HHHH", *ports, len(data) + 8, 0) + data


def echo(kind: int, identity: int, number: int, data: bytes) -> bytes:
    head = struct.pack(">BBHHH", kind, 0, 0, identity, number)
    return struct.pack(">BBHHH", kind, 0, 0xFFFF ^ summed(head + data), identity, number) + data


@dataclass
class Received:
    """A packet from the stack; its checksums were right."""

    kind: int
    source: str = ""
    target: str = ""
    protocol: int = 0
    payload: bytes = b""
    fragment: int = 0
    mac: bytes = GUEST_MAC
    """Link address of the guest that it is for."""

    @property
    def ports(self) -> tuple[int, int]:
        return struct.unpack_from(">HH", self.payload)

    @property
    def seq(self) -> int:
        return int.from_bytes(self.payload[4:8], "big")

    @property
    def ack(self) -> int:
        return int.from_bytes(self.payload[8:12], "big")

    @property
    def flags(self) -> int:
        return self.payload[13]

    @property
    def window(self) -> int:
        return int.from_bytes(self.payload[14:16], "big")

    @property
    def data(self) -> bytes:
        return (
            self.payload[(self.payload[12] >> 4) * 4 :] if self.protocol == 6 else self.payload[8:]
        )


def read(frame: bytes) -> Received:
    """Take a frame of the stack apart, and check what a receiver would."""
    received = _read(frame)
    received.mac = frame[10:16]
    assert frame[16:22] == GATEWAY_MAC
    return received


def _read(frame: bytes) -> Received:
    flags, gso, _header, size, start, offset = struct.unpack_from("=BBHHHH", frame)
    ethernet = frame[10:]
    kind = int.from_bytes(ethernet[12:14], "big")
    packet = ethernet[14:]
    if kind == ARP:
        return Received(kind, payload=packet)
    if kind == IPV4:
        assert packet[0] == 0x45
        assert summed(packet[:20]) == 0xFFFF
        assert int.from_bytes(packet[2:4], "big") == len(packet)
        source, target = (str(ipaddress.ip_address(packet[i : i + 4])) for i in (12, 16))
        fragment = int.from_bytes(packet[6:8], "big")
        received = Received(kind, source, target, packet[9], packet[20:], fragment)
    else:
        assert packet[0] >> 4 == 6
        assert int.from_bytes(packet[4:6], "big") == len(packet) - 40
        source, target = (str(ipaddress.ip_address(packet[i : i + 16])) for i in (8, 24))
        received = Received(kind, source, target, packet[6], packet[40:])
    if flags & 1:  # the checksum is to be completed: it holds the sum of the pseudo-header
        assert start == len(ethernet) - len(received.payload)
        where = offset
        (partial,) = struct.unpack_from(">H", received.payload, where)
        wanted = summed(pseudo(source, target, received.protocol, received.payload))
        assert partial % 0xFFFF == wanted % 0xFFFF
        assert gso == 0 or size > 0
    else:
        assert gso == 0
        check_upper(received)
    return received


def check_upper(received: Received) -> None:
    """The checksum of what is above IP, where it is all there."""
    protocol, payload = received.protocol, received.payload
    if received.fragment & 0x3FFF or protocol == 44:
        return
    head = b"" if protocol == 1 else pseudo(received.source, received.target, protocol, payload)
    assert summed(head + payload) == 0xFFFF
