"""One guest of a link: its packets taken apart, and all that they have begun on the host.

Each guest has connections, pairs of ports, questions and fragments of its own, each with their
bounds, so that no guest can take what another needs, nor speak in another's place: a packet is
handled by what the guest of its link address has, and nothing there bears another's address.
"""

from __future__ import annotations

import _socket
import struct

from rootless.netstack import dns, icmp, ipv4, ipv6, neighbour
from rootless.netstack.addresses import GATEWAY_MAC, Addresses
from rootless.netstack.checksum import checksum
from rootless.netstack.fragments import Reassembly
from rootless.netstack.tap import GSO_UDP_L4, START, Link, Tap
from rootless.netstack.tcp import Tcp
from rootless.netstack.udp import Udp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.linux.loop import Loop
    from rootless.netstack import names
    from rootless.netstack.addresses import Settings
    from rootless.netstack.connection import Connection

ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
"""EtherTypes."""

# Version, length, id, fragment, TTL, protocol, checksum, addresses and ports; for TCP sequence
# numbers, offset and flags, window.
_TCP4 = struct.Struct(">BxH2xHxB2x12sIIHH")
_TCP6 = struct.Struct(">B3xHBx36sIIHH")
_SIZE = struct.Struct("=H")
_NAMES = dns.PORT.to_bytes(2, "big")
_TCP, _UDP = 6, 17
_UPPER4, _UPPER6 = START + 20, START + 40
"""Where TCP or UDP begins, without options."""

_MIN4, _MIN6 = _UPPER4 + 20, _UPPER6 + 20
"""Where a TCP header without options ends."""


class Guest:
    """One guest, and the protocols as it sees them."""

    def __init__(
        self,
        loop: Loop,
        tap: Tap,
        settings: Settings,
        servers: dns.Servers,
        owed: dict[Connection, None],
    ) -> None:
        """`owed` is that of the link (see `Tcp`). Raises ValueError and OSError (`Addresses`)."""
        self.addresses = Addresses(settings)
        self.strangers = 0
        """Packets that it has sent under an address that is not its own: they were dropped."""
        self._tap = tap
        self._link = Link(tap, self.addresses.mac, GATEWAY_MAC)
        self._servers = servers
        self._reassembly = Reassembly()
        self._identity = 0
        self._gateways = (self.addresses.gateway4, self.addresses.gateway6)
        self.tcp = Tcp(loop, self._link, self.addresses, owed)
        self.tcp.unreachable = self._unreachable
        self.tcp.redirect = self._redirect
        self.tcp.on_stranger = self._count_stranger
        self.udp = Udp(loop, self._link, self.addresses)
        self.udp.unreachable = self._unreachable
        self.udp.on_stranger = self._count_stranger
        self._echo = icmp.Echo(loop, self.addresses)
        self._echo.unreachable = self._unreachable
        self._echo.send = self._send
        self._names = dns.Forwarder(loop, servers)
        self._names.answer = self._answer
        self.zone: names.Zone | None = None
        """The names of the network, where it has some of its own."""
        self._loop = loop
        self.tcp.serve = self._serve
        self._take_segment, self._take_datagram = self.tcp.receive, self.udp.receive

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

    def leave(self) -> None:
        """It has ended: nothing new begins, and what was not answered yet never will be."""
        self.tcp.most = 0
        for connection in list(self.tcp.connections.values()):
            if not connection.established:
                connection.drop(abort=True)

    def close(self) -> None:
        """Forget all. Who has not taken all that the guest has sent sees a reset."""
        for connection in list(self.tcp.connections.values()):
            connection.drop(abort=bool(not connection.finished or connection.queue))
        for part in (self.udp, self._echo, self._names):
            part.close()

    # -- from the guest

    def receive_plain4(self, buffer: bytearray, length: int) -> bool:
        """Handle a whole packet of TCP or UDP without IP options; False for anything else.

        Questions to the gateway's name service are something else.
        """
        first, size, fragment, protocol, key, seq, ack, flags, window = _TCP4.unpack_from(
            buffer, START
        )
        end = START + size
        if first != 0x45 or fragment & 0x3FFF or not _MIN4 <= end <= length:
            return False
        if protocol == _TCP:
            start = _UPPER4 + (flags >> 12 << 2)
            if _MIN4 <= start <= end:
                self._take_segment(4, key, seq, ack, flags, window, start, end)
            return True
        if protocol == _UDP and (key[10:] != _NAMES or key[4:8] not in self._gateways):
            self._take_datagram(4, key, self._tap.view[START + 28 : end], _segment_size(buffer))
            return True
        return False

    def receive_plain6(self, buffer: bytearray, length: int) -> bool:
        """The same for IPv6."""
        first, size, protocol, key, seq, ack, flags, window = _TCP6.unpack_from(buffer, START)
        end = _UPPER6 + size
        if first >> 4 != 6 or not _MIN6 <= end <= length:
            return False
        if protocol == _TCP:
            start = _UPPER6 + (flags >> 12 << 2)
            if _MIN6 <= start <= end:
                self._take_segment(6, key, seq, ack, flags, window, start, end)
            return True
        if protocol == _UDP and (key[34:] != _NAMES or key[16:32] not in self._gateways):
            self._take_datagram(6, key, self._tap.view[START + 48 : end], _segment_size(buffer))
            return True
        return False

    def receive(self, kind: int, packet: bytes) -> None:
        """Handle what is not an everyday packet of TCP or UDP; `kind` is an EtherType."""
        if kind == ARP:
            self._receive_arp(packet)
        elif kind == IPV4 and len(packet) >= ipv4.HEADER:
            self._receive4(packet)
        elif kind == IPV6 and len(packet) >= ipv6.HEADER and self.addresses.guest6:
            self._receive6(packet)

    def _count_stranger(self) -> None:
        self.strangers += 1

    def _receive_arp(self, packet: bytes) -> None:
        answer = neighbour.answer_arp(packet, self.addresses)
        if len(packet) >= neighbour.ARP_SIZE and not neighbour.is_of(packet, self.addresses):
            self._count_stranger()
        elif answer:
            self._link.send(ARP, answer)

    def _receive4(self, packet: bytes) -> None:
        words = packet[0] & 15
        size, identity, fragment = struct.unpack_from(">HHH", packet, 2)
        if packet[0] >> 4 != 4 or words < 5 or not words * 4 <= size <= len(packet):
            return
        payload: bytes | None = packet[words * 4 : size]
        source, target, protocol = packet[12:16], packet[16:20], packet[9]
        if source != self.addresses.guest4:
            if any(source):  # one that has no address yet uses 0.0.0.0 (RFC 1122, 3.2.1.3)
                self._count_stranger()
            return
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
        if source != self.addresses.guest6 and not neighbour.is_of_link(source):
            self._count_stranger()
            return
        if protocol == ipv6.FRAGMENT and payload and size >= 8:
            protocol, start, identity = struct.unpack_from(">BxHI", payload)
            key = source + target + identity.to_bytes(4, "big")
            more = bool(start & ipv6.MORE_FRAGMENTS)
            payload = self._reassembly.add(key, start & 0xFFF8, payload[8:], more=more)
        if payload is not None and (source == self.addresses.guest6 or protocol == ipv6.ICMP):
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
                    self._link.send(IPV6, answer)
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
            self._ask(key, data)
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
        module, kind = (ipv4, IPV4) if version == 4 else (ipv6, IPV6)
        self._identity = (self._identity + 1) & 0xFFFF
        mtu = self.addresses.mtu
        for packet in module.packets(source, target, protocol, payload, mtu, self._identity):
            self._link.send(kind, packet)

    def _unreachable(self, version: int, packet: bytes, code: int, mtu: int = 0) -> None:
        gateway = self.addresses.gateway(version)
        if gateway:
            answer = icmp.error(version, packet, code, gateway, mtu)
            self._link.send(IPV4 if version == 4 else IPV6, answer)

    # -- name service

    def _ask(self, key: bytes, message: bytes) -> None:
        said = None
        if self.zone is not None:
            from rootless.netstack import names  # most networks have none

            said = names.answer(message, self.zone)
        if said is not None:
            self._answer(key, said)
        elif self.zone is None or not self.zone.closed:
            self._names.ask(key, message)

    def _serve(self, address: bytes, port: int) -> _socket.socket | None:
        """Return the guest's end of a conversation about names, None for anything else."""
        if self.zone is None or port != dns.PORT or address not in self._gateways:
            return None
        from rootless.netstack import names

        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        ours.setblocking(False)
        others = list[str] if self.zone.closed else self._servers.for_tcp
        names.Conversation(self._loop, theirs, self.zone, others)
        return ours

    def _redirect(self, address: bytes, port: int) -> list[str]:
        """Return the hosts that stand behind an address and port of ours."""
        if port == dns.PORT and address in self._gateways:
            return self._servers.for_tcp()
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
