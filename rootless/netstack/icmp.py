"""ICMP (RFC 792) and ICMPv6 (RFC 4443): errors to the guest, and echo through ping sockets.

A ping socket (SOCK_DGRAM with IPPROTO_ICMP, icmp(7)) needs no privilege where the group is in the
range of net.ipv4.ping_group_range. The kernel puts an identifier of its own in place of the
guest's and computes the checksum.
"""

from __future__ import annotations

import _socket
import errno
import select
import struct
import time

from rootless.netstack import ipv4, ipv6
from rootless.netstack.checksum import checksum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.linux.loop import Loop
    from rootless.netstack.addresses import Addresses

ECHO_REQUEST = {4: 8, 6: 128}
ECHO_REPLY = {4: 0, 6: 129}
PORT_UNREACHABLE6 = b"\x01\x04"
"""Type and code (RFC 4443, 3.1)."""

# errno -> type and code. RFC 792, "Destination Unreachable"; RFC 1812, 5.2.7.1
_ERRORS4 = {
    errno.ENETUNREACH: (3, 0),
    errno.EHOSTUNREACH: (3, 1),
    errno.ETIMEDOUT: (3, 1),
    errno.ECONNREFUSED: (3, 3),
    errno.EMSGSIZE: (3, 4),
    errno.EACCES: (3, 13),
    errno.EPERM: (3, 13),
}
# RFC 4443, 3.1 and 3.2
_ERRORS6 = {
    errno.ENETUNREACH: (1, 0),
    errno.EACCES: (1, 1),
    errno.EPERM: (1, 1),
    errno.EHOSTUNREACH: (1, 3),
    errno.ETIMEDOUT: (1, 3),
    errno.ECONNREFUSED: (1, 4),
    errno.EMSGSIZE: (2, 0),
}

MAX_QUOTE = 548
"""Bytes of the packet that an error quotes: both versions' errors fit into 576 bytes (RFC 1812)."""

PATIENCE = 30.0
"""Seconds after the last echo until its socket is closed."""

_MAX_PINGS = 64
_IP_MTU_DISCOVER, _IP_PMTUDISC_DONT, _IP_PMTUDISC_DO, _IP_MTU = 10, 0, 2, 14
_IPV6_MTU_DISCOVER, _IPV6_MTU = 23, 24


def error(version: int, packet: bytes, code: int, gateway: bytes, mtu: int = 0) -> bytes:
    """Return the packet that tells the guest why its `packet` went nowhere; `code` is an errno."""
    quoted = packet[:MAX_QUOTE]
    if version == 4:
        kind, number = _ERRORS4.get(code, _ERRORS4[errno.EHOSTUNREACH])
        body = struct.pack(">BBHI", kind, number, 0, mtu) + quoted
        body = body[:2] + checksum(body).to_bytes(2, "big") + body[4:]
        return ipv4.header(gateway, packet[12:16], ipv4.ICMP, len(body)) + body
    kind, number = _ERRORS6.get(code, _ERRORS6[errno.EHOSTUNREACH])
    body = struct.pack(">BBHI", kind, number, 0, mtu) + quoted
    return ipv6.icmp(gateway, packet[8:24], body)


class _Ping:
    """The echo requests of one program in the guest to one host."""

    def __init__(self, sock: _socket.socket, version: int, source: bytes, target: bytes) -> None:
        self.sock = sock
        self.version = version
        self.source, self.target = source, target
        self.identity = b""
        self.used = 0.0


class Echo:
    """Echo requests and their replies."""

    def __init__(self, loop: Loop, addresses: Addresses) -> None:
        self._loop = loop
        self._addresses = addresses
        self._pings: dict[bytes, _Ping] = {}
        self._timer = -1
        self.send: Callable[[int, bytes, bytes, int, bytes], None] = lambda *_: None
        """Sends (IP version, source, destination, protocol, payload) to the guest."""
        self.unreachable: Callable[..., None] = lambda *_: None
        """Sends an ICMP error: (IP version, packet, errno, MTU)."""

    @property
    def is_idle(self) -> bool:
        """Whether no reply is awaited."""
        return not self._pings

    def receive(
        self, version: int, source: bytes, target: bytes, message: bytes, packet: bytes
    ) -> None:
        """Take an echo request; `packet` is what an error quotes."""
        if target == self._addresses.gateway(version):
            self._reply(version, target, source, message)
            return
        host = self._addresses.outside(target)
        if not host:
            self.unreachable(version, packet, errno.EHOSTUNREACH, 0)
            return
        key = source + target + message[4:6]
        ping = self._pings.get(key)
        try:
            if ping is None:
                ping = self._open(version, source, target, host)
                ping.identity = message[4:6]
                self._pings[key] = ping
            ping.used = time.monotonic()
            self._choose_fragments(ping, packet)
            ping.sock.send(message)
        except OSError as failure:
            self._on_failure(ping, version, packet, failure.errno or 0)

    def _open(self, version: int, source: bytes, target: bytes, host: str) -> _Ping:
        family, protocol = (
            (_socket.AF_INET, _socket.IPPROTO_ICMP)
            if version == 4
            else (_socket.AF_INET6, _socket.IPPROTO_ICMPV6)
        )
        while len(self._pings) >= _MAX_PINGS:
            self._close(next(iter(self._pings)))
        kind = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        sock = _socket.socket(family, kind, protocol)
        try:
            sock.connect((host, 0))
        except OSError:
            sock.close()
            raise
        ping = _Ping(sock, version, source, target)
        self._loop.watch(sock.fileno(), select.POLLIN, lambda _events: self._answer(ping))
        if self._timer < 0:
            self._timer = self._loop.at(time.monotonic() + PATIENCE, self._expire)
        return ping

    def _choose_fragments(self, ping: _Ping, packet: bytes) -> None:
        """What the guest did not fragment, nor allows to be, finds the path's MTU (RFC 1191)."""
        if ping.version == 4:
            level, option, whole = _socket.IPPROTO_IP, _IP_MTU_DISCOVER, packet[6] & 0x40
        else:
            level, option = _socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER
            whole = packet[6] != ipv6.FRAGMENT
        ping.sock.setsockopt(level, option, _IP_PMTUDISC_DO if whole else _IP_PMTUDISC_DONT)

    def _on_failure(self, ping: _Ping | None, version: int, packet: bytes, code: int) -> None:
        mtu = 0
        if ping is not None and code == errno.EMSGSIZE:
            option = (
                (_socket.IPPROTO_IP, _IP_MTU) if version == 4 else (_socket.IPPROTO_IPV6, _IPV6_MTU)
            )
            mtu = ping.sock.getsockopt(*option)
        self.unreachable(version, packet, code, mtu)

    def _answer(self, ping: _Ping) -> None:
        try:
            message = ping.sock.recv(65535)
        except OSError:
            return  # an error that the network reported: ping waits in vain, as anywhere
        if len(message) >= 8 and message[0] == ECHO_REPLY[ping.version]:
            message = message[:4] + ping.identity + message[6:]
            self._finish(ping.version, ping.target, ping.source, message)

    def _reply(self, version: int, source: bytes, target: bytes, message: bytes) -> None:
        self._finish(version, source, target, bytes([ECHO_REPLY[version], 0, 0, 0]) + message[4:])

    def _finish(self, version: int, source: bytes, target: bytes, message: bytes) -> None:
        protocol = ipv4.ICMP if version == 4 else ipv6.ICMP
        start = 0 if version == 4 else ipv6.pseudo(source, target, protocol, len(message))
        message = message[:2] + b"\0\0" + message[4:]
        message = message[:2] + checksum(message, start).to_bytes(2, "big") + message[4:]
        self.send(version, source, target, protocol, message)

    def close(self) -> None:
        """Forget all."""
        for key in list(self._pings):
            self._close(key)

    def _expire(self) -> None:
        now = time.monotonic()
        for key, ping in list(self._pings.items()):
            if now - ping.used >= PATIENCE:
                self._close(key)
        self._timer = -1
        if self._pings:
            self._timer = self._loop.at(now + PATIENCE, self._expire)

    def _close(self, key: bytes) -> None:
        ping = self._pings.pop(key)
        self._loop.unwatch(ping.sock.fileno())
        ping.sock.close()


def describe(source: bytes, target: bytes, protocol: int, payload: bytes) -> bytes:
    """Return the beginning of a packet as the guest sent it, for an error to quote."""
    if len(source) == 4:
        return ipv4.header(source, target, protocol, len(payload)) + payload[:8]
    return ipv6.header(source, target, protocol, len(payload)) + payload[:8]
