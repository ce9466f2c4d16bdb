"""The stack as a whole: it takes the guest's frames apart and gives each protocol its own.

     guest ── TAP ── Stack ─┬─ neighbour        who we are
                            ├─ Tcp, Udp, Echo   sockets of the host
                            └─ Forwarder        name service

One process, one loop, no threads. Whatever the guest sends, a frame is handled or dropped.
"""

from __future__ import annotations

import os
import select
import struct
import time

from rootless.netstack import dns, icmp, ipv4, ipv6, neighbour
from rootless.netstack.addresses import GATEWAY_MAC, GUEST_MAC, Addresses
from rootless.netstack.checksum import checksum
from rootless.netstack.fragments import Reassembly
from rootless.netstack.tap import GSO_UDP_L4, START, Tap
from rootless.netstack.tcp import Tcp
from rootless.netstack.udp import Udp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.linux.loop import Loop
    from rootless.netstack.addresses import Settings

_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_KIND = START - 2
"""Where the EtherType stands."""

SILENCE = 1000
"""Milliseconds without an event after which nothing more is expected of a guest that has ended."""

LINGER = 10.0
"""Seconds that the stack delivers what is left after the end of its guest."""

PATIENCE = 3.0
"""Seconds of that in which nobody takes anything."""

SPINS = 80
"""Looks for the next frame, 0.3 µs each, before the process sleeps: to be woken takes longer.

That is what net.core.busy_poll does for drivers. Measured: a byte's round trip takes half the time,
and less of the processor in all.
"""

_BURST = 64
"""Frames from the guest before the host's sockets get their turn."""

# From the total length on: length, id, fragment, TTL, protocol, checksum, addresses and ports;
# for TCP sequence numbers, offset and flags, window.
_TCP4 = struct.Struct(">H2xHxB2x12sIIHH")
_TCP6 = struct.Struct(">HBx36sIIHH")
_SIZE = struct.Struct("=H")
_NAMES = dns.PORT.to_bytes(2, "big")
_LENGTH4, _LENGTH6 = START + 2, START + 4
_TCP, _UDP = 6, 17
_MIN4, _MIN6 = START + 40, START + 60
"""Bytes read for a packet with a TCP header."""


class Stack:
    """The user-mode network of one guest."""

    def __init__(self, loop: Loop, fd: int, settings: Settings, servers: dns.Servers) -> None:
        """`fd` is the TAP device, or anything that keeps frames apart; it stays the caller's."""
        os.set_blocking(fd, False)
        self.addresses = Addresses(settings)
        self._loop = loop
        self._tap = Tap(fd, GUEST_MAC, GATEWAY_MAC)
        self._servers = servers
        self._reassembly = Reassembly()
        self._identity = 0
        self._gateways = (self.addresses.gateway4, self.addresses.gateway6)
        self.tcp = Tcp(loop, self._tap, self.addresses)
        self.tcp.unreachable = self._unreachable
        self.tcp.redirect = self._redirect
        self.tcp.listen = self.receive
        self.udp = Udp(loop, self._tap, self.addresses)
        self.udp.unreachable = self._unreachable
        self._echo = icmp.Echo(loop, self.addresses)
        self._echo.unreachable = self._unreachable
        self._echo.send = self._send
        self._names = dns.Forwarder(loop, servers)
        self._names.answer = self._answer
        loop.watch(fd, select.POLLIN, self.receive)
        loop.spins = SPINS

    @property
    def is_idle(self) -> bool:
        """Whether nothing is remembered that the next packet could need."""
        return (
            not self.tcp.connections
            and self.udp.is_idle
            and self._echo.is_idle
            and self._names.is_idle
            and self._reassembly.is_empty
        )

    def close(self) -> None:
        """The guest has ended: deliver what it has sent, then take no more frames.

        A process that ends leaves its last bytes to the kernel, and the kernel of the guest is
        ours: what waits there has its FIN behind it and comes at once, unless nobody reads it. Who
        has not taken all by then sees a reset: an end would say that this was all.
        """
        for connection in list(self.tcp.connections.values()):
            if not connection.established:
                connection.drop(abort=True)
        self._deliver_rest()
        self._loop.unwatch(self._tap.fd)
        for connection in list(self.tcp.connections.values()):
            connection.drop(abort=bool(not connection.finished or connection.queue))
        for part in (self.udp, self._echo, self._names):
            part.close()
        self._loop.spins = 0

    def _deliver_rest(self) -> None:
        """Wait until the host's sockets have taken all, as long as that gets on."""
        begun = last = time.monotonic()
        before = -1
        while True:
            connections = self.tcp.connections.values()
            queued = sum(one.queued for one in connections)
            left = queued + sum(not one.finished for one in connections)
            now = time.monotonic()
            if left != before:
                before, last = left, now
            if not left or now - last > PATIENCE or now - begun > LINGER:
                return
            if not self._loop.turn(SILENCE) and not queued:
                return

    # -- from the guest

    def receive(self, _events: int = 0) -> None:
        """Handle the frames that wait, up to _BURST."""
        read, buffer = self._tap.read, self._tap.buffer
        for _ in range(_BURST):
            try:
                length = read()
            except OSError:
                break
            kind = buffer[_KIND] << 8 | buffer[_KIND + 1]
            if not (
                (kind == _IPV4 and length >= _MIN4 and self._receive_plain4(buffer, length))
                or (kind == _IPV6 and length >= _MIN6 and self._receive_plain6(buffer, length))
            ):
                self._receive_other(kind, bytes(self._tap.view[START:length]))
        self.tcp.settle()

    def _receive_plain4(self, buffer: bytearray, length: int) -> bool:
        """Handle a whole packet of TCP or UDP without IP options; False for anything else."""
        size, fragment, protocol, key, seq, ack, flags, window = _TCP4.unpack_from(buffer, _LENGTH4)
        end = START + size
        if fragment & 0x3FFF or buffer[START] != 0x45 or not START + 40 <= end <= length:
            return False
        if protocol == _TCP:
            start = START + 20 + (flags >> 12 << 2)
            if START + 40 <= start <= end:
                self.tcp.receive(4, key, seq, ack, flags, window, start, end)
            return True
        if protocol == _UDP and key[4:8] not in self._gateways:
            self.udp.receive(4, key, self._tap.view[START + 28 : end], _segment_size(buffer))
            return True
        return False

    def _receive_plain6(self, buffer: bytearray, length: int) -> bool:
        """The same for IPv6."""
        size, protocol, key, seq, ack, flags, window = _TCP6.unpack_from(buffer, _LENGTH6)
        end = START + 40 + size
        if buffer[START] >> 4 != 6 or not START + 60 <= end <= length:
            return False
        if protocol == _TCP:
            start = START + 40 + (flags >> 12 << 2)
            if START + 60 <= start <= end:
                self.tcp.receive(6, key, seq, ack, flags, window, start, end)
            return True
        if protocol == _UDP and key[16:32] not in self._gateways:
            self.udp.receive(6, key, self._tap.view[START + 48 : end], _segment_size(buffer))
            return True
        return False

    def _receive_other(self, kind: int, packet: bytes) -> None:
        """Handle what is not an everyday packet of TCP or UDP."""
        if kind == _ARP:
            answer = neighbour.answer_arp(packet, self.addresses)
            if answer:
                self._tap.send(_ARP, answer)
        elif kind == _IPV4 and len(packet) >= ipv4.HEADER:
            self._receive4(packet)
        elif kind == _IPV6 and len(packet) >= ipv6.HEADER and self.addresses.guest6:
            self._receive6(packet)

    def _receive4(self, packet: bytes) -> None:
        words = packet[0] & 15
        size, identity, fragment = struct.unpack_from(">HHH", packet, 2)
        if packet[0] >> 4 != 4 or words < 5 or not words * 4 <= size <= len(packet):
            return
        payload: bytes | None = packet[words * 4 : size]
        source, target, protocol = packet[12:16], packet[16:20], packet[9]
        if fragment & 0x3FFF:
            key = source + target + packet[9:10] + identity.to_bytes(2, "big")
            more = bool(fragment & ipv4.MORE_FRAGMENTS)
            payload = self._reassembly.add(key, (fragment & 0x1FFF) << 3, payload or b"", more=more)
        if payload is not None:
            self._deliver(4, source, target, protocol, payload, packet)

    def _receive6(self, packet: bytes) -> None:
        size, protocol = struct.unpack_from(">HB", packet, 4)
        if packet[0] >> 4 != 6 or size > len(packet) - ipv6.HEADER:
            return
        payload: bytes | None = packet[ipv6.HEADER : ipv6.HEADER + size]
        source, target = packet[8:24], packet[24:40]
        if protocol == ipv6.FRAGMENT and payload and size >= 8:
            protocol, start, identity = struct.unpack_from(">BxHI", payload)
            key = source + target + identity.to_bytes(4, "big")
            more = bool(start & ipv6.MORE_FRAGMENTS)
            payload = self._reassembly.add(key, start & 0xFFF8, payload[8:], more=more)
        if payload is not None:
            self._deliver(6, source, target, protocol, payload, packet)

    def _deliver(
        self,
        version: int,
        source: bytes,
        target: bytes,
        protocol: int,
        payload: bytes,
        packet: bytes,
    ) -> None:
        """Give a whole payload to its protocol; `packet` is (a part of) what carried it."""
        if protocol == _UDP and len(payload) >= 8:
            size = int.from_bytes(payload[4:6], "big")
            if 8 <= size <= len(payload):
                key = source + target + payload[:4]
                self._deliver_udp(version, key, payload[8:size])
        elif protocol == _TCP and len(payload) >= 20:
            self._deliver_tcp(version, source + target, payload)
        elif protocol in (ipv4.ICMP, ipv6.ICMP) and len(payload) >= 8:
            if payload[0] == icmp.ECHO_REQUEST[version] and payload[1] == 0:
                self._echo.receive(version, source, target, payload, packet)
            elif version == 6 and payload[0] == neighbour.NEIGHBOR_SOLICITATION:
                answer = neighbour.answer_solicitation(source, payload, self.addresses)
                if answer:
                    self._tap.send(_IPV6, answer)
            elif version == 6 and payload[:2] == icmp.PORT_UNREACHABLE6:
                self._on_unreachable(payload[8:])

    def _on_unreachable(self, packet: bytes) -> None:
        """The guest does not listen where `packet`, or what is left of it, has brought it."""
        if len(packet) < ipv6.HEADER + 8 or packet[6] != _UDP:
            return
        source, target, ports = packet[8:24], packet[24:40], packet[40:44]
        size = int.from_bytes(packet[44:46], "big") - 8
        data = packet[48 : 48 + size]
        key = target + source + ports[2:] + ports[:2]
        self.udp.refused(key, data if len(data) == size else b"")

    def _deliver_udp(self, version: int, key: bytes, data: bytes) -> None:
        half = 4 if version == 4 else 16
        if key[half : 2 * half] == self.addresses.gateway(version) and key[-2:] == _NAMES:
            self._names.ask(key, data)
        else:
            self.udp.receive(version, key, data, 0)

    def _deliver_tcp(self, version: int, addresses: bytes, payload: bytes) -> None:
        """TCP behind IP options, or in fragments: as if it had come in one plain packet."""
        at = START + (ipv4.HEADER if version == 4 else ipv6.HEADER)
        end = at + len(payload)
        if end > len(self._tap.buffer):
            return
        self._tap.view[at:end] = payload
        seq, ack, flags, window = struct.unpack_from(">IIHH", payload, 4)
        start = at + (flags >> 12 << 2)
        if at + 20 <= start <= end:
            key = addresses + payload[:4]
            self.tcp.receive(version, key, seq, ack, flags, window, start, end)

    # -- to the guest

    def _send(
        self, version: int, source: bytes, target: bytes, protocol: int, payload: bytes
    ) -> None:
        module, kind = (ipv4, _IPV4) if version == 4 else (ipv6, _IPV6)
        self._identity = (self._identity + 1) & 0xFFFF
        mtu = self.addresses.mtu
        for packet in module.packets(source, target, protocol, payload, mtu, self._identity):
            self._tap.send(kind, packet)

    def _unreachable(self, version: int, packet: bytes, code: int, mtu: int = 0) -> None:
        gateway = self.addresses.gateway(version)
        if gateway:
            answer = icmp.error(version, packet, code, gateway, mtu)
            self._tap.send(_IPV4 if version == 4 else _IPV6, answer)

    # -- name service

    def _redirect(self, address: bytes, port: int) -> list[str]:
        """Return the hosts that stand behind an address and port of ours."""
        if port == dns.PORT and address in self._gateways:
            return self._servers.get()
        return []

    def _answer(self, key: bytes, message: bytes) -> None:
        half = (len(key) - 4) // 2
        source, target = key[half : 2 * half], key[:half]
        length = len(message) + 8
        datagram = key[-2:] + key[-4:-2] + struct.pack(">HH", length, 0) + message
        summed = checksum(datagram, ipv6.pseudo(source, target, _UDP, length)) or 0xFFFF
        datagram = datagram[:6] + summed.to_bytes(2, "big") + message
        self._send(4 if half == 4 else 6, source, target, _UDP, datagram)


def _segment_size(buffer: bytearray) -> int:
    """Return the size of the datagrams that a frame stands for, 0 for a single one."""
    return _SIZE.unpack_from(buffer, 4)[0] if buffer[1] & 0x7F == GSO_UDP_L4 else 0
