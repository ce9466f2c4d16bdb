"""UDP (RFC 768) between the guest and host sockets.

Each port of the guest has one socket on the host, whoever it talks to, so that the world sees it
under one port (RFC 4787, REQ-1). Answers come in from hosts to which the guest has sent something
(address-dependent filtering, REQ-8). Where a published port takes part, it is the published
socket through which the answers leave.
"""

from __future__ import annotations

import _socket
import errno
import select
import struct
import time

from rootless.netstack import icmp, ipv4, ipv6, tap
from rootless.netstack.checksum import add_up, checksum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.linux.loop import Loop
    from rootless.netstack.addresses import Addresses
    from rootless.netstack.tap import Link

MAX_PATHS = 4096
"""Pairs of guest port and host that are remembered; one more, and the oldest is forgotten."""

PATIENCE = 120
"""Seconds without a datagram until a pair is forgotten (RFC 4787, REQ-5)."""

SHORT_PATIENCE = 20
"""The same for name service, where each question comes from a port of its own."""

TICK = 10
MAX_READ = 65535

_SOL_UDP, _UDP_SEGMENT, _UDP_GRO = 17, 103, 104
_MSG_ERRQUEUE = 0x2000
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_BATCH = 32
"""Datagrams from one host socket before others get their turn."""

_BUFFER = 1 << 20
"""Bytes of a host socket's receive buffer, where the kernel allows as much."""

_V4 = struct.Struct(">26sH6sH12sHH")
_V6 = struct.Struct(">28sH2s36sHH")
_MIDDLE4 = b"\0\0\x40\0\x40\x11"
_MIDDLE6 = b"\x11\x40"


class Path:
    """A port of the guest and one it talks to."""

    __slots__ = ("age", "fresh", "key", "limit", "peer", "send", "sock", "socket")

    def __init__(self, socket: Socket, key: bytes, peer: tuple[str, int]) -> None:
        self.socket = socket
        self.key = key
        self.peer = peer
        """Its address on the host."""
        self.send = socket.sock.sendto
        self.fresh = True
        self.age = 0
        self.limit = SHORT_PATIENCE if peer[1] == 53 else PATIENCE


class Socket:
    """A socket of the host, for one port of the guest."""

    def __init__(self, sock: _socket.socket, *, published: bool) -> None:
        self.sock = sock
        self.published = published
        self.paths: dict[tuple[str, int], Callable[..., bool]] = {}
        """Peer -> what sends its datagrams to the guest."""
        self.hosts: dict[str, bytes] = {}
        """Host -> what the guest calls it: who may answer."""
        self.counts: dict[str, int] = {}
        """Host -> paths to it. With the last it is forgotten: anybody may come to a port."""


class Udp:
    """All UDP of one guest."""

    def __init__(self, loop: Loop, link: Link, addresses: Addresses) -> None:
        self._loop = loop
        self._link = link
        self._addresses = addresses
        self._paths: dict[bytes, Path] = {}
        self._sockets: dict[bytes, Socket] = {}
        """Address and port of the guest -> its socket."""
        self._timer = -1
        self._identity = 0
        self.unreachable: Callable[..., None] = lambda *_: None
        """Sends an ICMP error: (IP version, packet, errno, MTU)."""
        self.on_stranger: Callable[[], None] = lambda: None
        """Called for a datagram whose source is not the guest's address: it goes nowhere."""
        self._published: dict[int, Callable[[], None]] = {}
        """Descriptor of a published port -> who is told when the guest has gone."""

    @property
    def is_idle(self) -> bool:
        """Whether no answer can come."""
        return not self._paths

    # -- from the guest

    def receive(self, version: int, key: bytes, data: memoryview | bytes, size: int) -> None:
        """Take a datagram; with `size` it stands for many of so many bytes each."""
        path = self._paths.get(key) or self._open(version, key)
        if path is None:
            return
        path.fresh = True
        try:
            if size:
                _send_many(path, data, size)
            else:
                path.send(data, path.peer)
        except BlockingIOError:
            pass  # its buffer is full: a datagram may be lost
        except OSError as failure:
            self._on_failure(path, data, failure.errno or 0)

    def _on_failure(self, path: Path, data: memoryview | bytes, code: int) -> None:
        if code == errno.ECONNREFUSED:  # of a datagram before, and told by `_read_errors`
            self._read_errors(path.socket)
            try:
                path.send(data, path.peer)
            except OSError:
                pass
            return
        self._tell(path.key, len(data), code, 0)

    def _tell(self, key: bytes, length: int, code: int, mtu: int) -> None:
        """Tell the guest why a datagram of `key` went nowhere."""
        half = (len(key) - 4) // 2
        head = key[2 * half :] + struct.pack(">HH", min(length + 8, 0xFFFF), 0)
        version = 4 if half == 4 else 6
        packet = icmp.describe(key[:half], key[half : 2 * half], ipv4.UDP, head + bytes(length))
        self.unreachable(version, packet, code, mtu)

    def _open(self, version: int, key: bytes) -> Path | None:
        """A datagram to somebody new."""
        half = 4 if version == 4 else 16
        if key[:half] != self._addresses.guest(version):
            self.on_stranger()
            return None
        source, port = key[:half] + key[-4:-2], int.from_bytes(key[-2:], "big")
        host = self._addresses.outside(key[half : 2 * half])
        if not host or not port:
            if key[half] not in (0xFF, 224, 239):
                self._tell(key, 0, errno.ECONNREFUSED, 0)
            return None
        socket = self._sockets.get(source)
        if socket is None:
            try:
                socket = self._make(version)
            except OSError as failure:
                self._tell(key, 0, failure.errno or 0, 0)
                return None
            self._sockets[source] = socket
        return self._add(socket, key, (host, port))

    def _make(self, version: int) -> Socket:
        family = _socket.AF_INET if version == 4 else _socket.AF_INET6
        kind = _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK | _socket.SOCK_CLOEXEC
        sock = _socket.socket(family, kind)
        if version == 4:
            sock.setsockopt(_socket.IPPROTO_IP, _IP_RECVERR, 1)
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_BROADCAST, 0)
        else:
            sock.setsockopt(_socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, _BUFFER)
        try:
            sock.setsockopt(_SOL_UDP, _UDP_GRO, 1)
        except OSError:
            pass  # before Linux 5.0
        socket = Socket(sock, published=False)
        self._watch(socket)
        return socket

    def _watch(self, socket: Socket) -> None:
        self._loop.watch(
            socket.sock.fileno(), select.POLLIN, lambda events: self._ready(socket, events)
        )

    def _add(self, socket: Socket, key: bytes, peer: tuple[str, int]) -> Path:
        """Remember that the guest talks to `peer`, which it calls by what is in `key`."""
        half = (len(key) - 4) // 2
        # Before another path is dropped: with its last one a socket is closed.
        socket.hosts[peer[0]] = key[half : 2 * half]
        socket.counts[peer[0]] = socket.counts.get(peer[0], 0) + 1
        if key in self._paths:
            self._drop(key)
        while len(self._paths) >= MAX_PATHS:
            self._drop(next(iter(self._paths)))
        path = self._paths[key] = Path(socket, key, peer)
        socket.paths[peer[:2]] = self._writer(key)
        if self._timer < 0:
            self._timer = self._loop.at(time.monotonic() + TICK, self._expire)
        return path

    # -- from the host

    def publish(
        self, sock: _socket.socket, port: int, on_close: Callable[[], None] = lambda: None
    ) -> Callable[[], None]:
        """Pass what comes to `sock` to `port` of the guest; return what ends that.

        `on_close` is called where the guest goes first: from then on nobody reads the socket.
        """
        socket = Socket(sock, published=True)
        fileno = sock.fileno()
        try:
            sock.setsockopt(_SOL_UDP, _UDP_GRO, 1)
        except OSError:
            pass  # before Linux 5.0
        self._loop.watch(fileno, select.POLLIN, lambda _events: self._take(socket, port))
        self._published[fileno] = on_close

        def end() -> None:
            if self._published.pop(fileno, None) is not None:
                self._loop.unwatch(fileno)
            for key in [key for key, path in self._paths.items() if path.socket is socket]:
                self._drop(key)

        return end

    def _take(self, socket: Socket, port: int) -> None:
        """Datagrams to a published port."""
        for _ in range(_BATCH):
            try:
                data, ancillary, _, peer = socket.sock.recvmsg(MAX_READ, 64)
            except OSError:
                return
            send = socket.paths.get(peer[:2]) or self._welcome(socket, port, peer)
            if send is not None:
                send(data, _segment_size(ancillary, len(data)))

    def _welcome(
        self, socket: Socket, port: int, peer: tuple[str, int]
    ) -> Callable[..., bool] | None:
        """Somebody new comes to a published port; None where the guest has no such address."""
        inside = self._addresses.inside(peer[0])
        guest = self._addresses.guest(4 if len(inside) == 4 else 6)
        if not guest or not inside:
            return None
        self._add(socket, guest + inside + struct.pack(">HH", port, peer[1]), peer)
        return socket.paths[peer[:2]]

    def refused(self, key: bytes, data: bytes) -> None:
        """The guest does not listen to IPv6: pass on as the gateway, by IPv4 (see `ports`).

        `key` is what it does not take, `data` the datagram, empty where that is not known.
        """
        path = self._paths.get(key)
        if path is None or len(key) != 36 or not path.socket.published:
            return
        self._drop(key)
        key = self._addresses.guest4 + self._addresses.gateway4 + key[-4:]
        self._add(path.socket, key, path.peer)
        if data:
            path.socket.paths[path.peer[:2]](data)

    def _ready(self, socket: Socket, events: int) -> None:
        if events & select.POLLERR:
            self._read_errors(socket)
        for _ in range(_BATCH):
            try:
                data, ancillary, _, peer = socket.sock.recvmsg(MAX_READ, 64)
            except OSError:
                return
            send = socket.paths.get(peer[:2]) or self._admit(socket, peer)
            if send is not None:
                send(data, _segment_size(ancillary, len(data)))

    def _admit(self, socket: Socket, peer: tuple[str, int]) -> Callable[..., bool] | None:
        """Somebody answers from another port than he was asked at (TFTP); None for strangers."""
        inside = socket.hosts.get(peer[0])
        source = next((key for key, one in self._sockets.items() if one is socket), None)
        if inside is None or source is None:
            return None
        key = source[:-2] + inside + source[-2:] + peer[1].to_bytes(2, "big")
        self._add(socket, key, peer[:2])
        return socket.paths[peer[:2]]

    def _read_errors(self, socket: Socket) -> None:
        """Take what the network says of our datagrams (ip(7), IP_RECVERR)."""
        for _ in range(_BATCH):
            try:
                data, ancillary, _, peer = socket.sock.recvmsg(2048, 512, _MSG_ERRQUEUE)
            except OSError:
                return
            inside = socket.hosts.get(peer[0]) if peer else None
            key = next(
                (k for k, p in self._paths.items() if p.socket is socket and p.peer == peer[:2]),
                None,
            )
            for level, kind, content in ancillary:
                expected = (level, kind) in ((0, _IP_RECVERR), (41, _IPV6_RECVERR))
                if expected and len(content) >= 16 and inside is not None and key is not None:
                    code, _, _, _, info = struct.unpack_from("=IBBBxI", content)
                    self._tell(key, len(data), code, info if code == errno.EMSGSIZE else 0)

    def _writer(self, key: bytes) -> Callable[..., bool]:
        """Return what sends datagrams to the guest of `key`: (data, size of each or 0)."""
        half = (len(key) - 4) // 2
        ours = key[half : 2 * half] + key[:half] + key[-2:] + key[-4:-2]
        return self._writer4(ours) if half == 4 else self._writer6(ours)

    def _writer4(self, key: bytes) -> Callable[..., bool]:
        kind = b"\x08\0\x45\0"
        plain = tap.vnet(34, 6) + self._link.ends + kind
        ip_sum = add_up(b"\x45\0" + _MIDDLE4 + key[:8])
        pseudo = add_up(key[:8]) + ipv4.UDP
        write, packing, mtu = self._link.write, _V4.pack, self._addresses.mtu

        def send(data: bytes, size: int = 0) -> bool:
            length = len(data) + 28
            if length > mtu and not size:
                return self._send_fragments(4, key, data)
            head = plain if not size else self._cut(34, size, kind)
            total = 0xFFFF - (ip_sum + length) % 0xFFFF
            middle = (pseudo + length - 20) % 0xFFFF
            return write((packing(head, length, _MIDDLE4, total, key, length - 20, middle), data))

        return send

    def _writer6(self, key: bytes) -> Callable[..., bool]:
        kind = b"\x86\xdd\x60\0\0\0"
        plain = tap.vnet(54, 6) + self._link.ends + kind
        pseudo = add_up(key[:32]) + ipv4.UDP
        write, packing, mtu = self._link.write, _V6.pack, self._addresses.mtu

        def send(data: bytes, size: int = 0) -> bool:
            length = len(data) + 8
            if length + ipv6.HEADER > mtu and not size:
                return self._send_fragments(6, key, data)
            head = plain if not size else self._cut(54, size, kind)
            return write(
                (packing(head, length, _MIDDLE6, key, length, (pseudo + length) % 0xFFFF), data)
            )

        return send

    def _cut(self, start: int, size: int, kind: bytes) -> bytes:
        """Return the head of a frame that the kernel is to cut into datagrams of `size`."""
        head = tap.vnet(start, 6, gso=tap.GSO_UDP_L4, size=size, header=start + 8)
        return head + self._link.ends + kind

    def _send_fragments(self, version: int, key: bytes, data: bytes) -> bool:
        half = (len(key) - 4) // 2
        source, target = key[:half], key[half : 2 * half]
        length = len(data) + 8
        datagram = key[-4:] + struct.pack(">HH", length, 0) + data
        summed = checksum(datagram, ipv6.pseudo(source, target, ipv4.UDP, length)) or 0xFFFF
        datagram = datagram[:6] + summed.to_bytes(2, "big") + data
        self._identity = (self._identity + 1) & 0xFFFF
        module, kind = (ipv4, 0x0800) if version == 4 else (ipv6, 0x86DD)
        mtu = self._addresses.mtu
        sent = [
            self._link.send(kind, packet)
            for packet in module.packets(source, target, ipv4.UDP, datagram, mtu, self._identity)
        ]
        return all(sent)

    # -- the end

    def close(self) -> None:
        """Forget all, and take nothing more from published ports."""
        for key in list(self._paths):
            self._drop(key)
        while self._published:
            fileno, on_close = self._published.popitem()
            self._loop.unwatch(fileno)
            on_close()

    def _expire(self) -> None:
        for key, path in list(self._paths.items()):
            path.age = 0 if path.fresh else path.age + TICK
            path.fresh = False
            if path.age >= path.limit:
                self._drop(key)
        self._timer = -1
        if self._paths:
            self._timer = self._loop.at(time.monotonic() + TICK, self._expire)

    def _drop(self, key: bytes) -> None:
        path = self._paths.pop(key)
        socket = path.socket
        socket.paths.pop(path.peer[:2], None)
        socket.counts[path.peer[0]] -= 1
        if not socket.counts[path.peer[0]]:
            del socket.counts[path.peer[0]], socket.hosts[path.peer[0]]
        if not socket.counts and not socket.published:
            half = (len(key) - 4) // 2
            self._sockets.pop(key[:half] + key[-4:-2], None)
            self._loop.unwatch(socket.sock.fileno())
            socket.sock.close()


def _send_many(path: Path, data: memoryview | bytes, size: int) -> None:
    """Send datagrams of `size` bytes at once, if the host's link takes such. Raises OSError."""
    segment = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", size))]
    try:
        path.socket.sock.sendmsg([data], segment, 0, path.peer)
        return
    except OSError as failure:
        if failure.errno not in (errno.EINVAL, errno.EMSGSIZE, errno.EIO):
            raise
    for start in range(0, len(data), size):  # those larger than the link go as fragments
        path.send(data[start : start + size], path.peer)


def _segment_size(ancillary: list[tuple[int, int, bytes]], length: int) -> int:
    """Return the size of the datagrams that the kernel has put together (UDP_GRO), else 0."""
    for level, kind, content in ancillary:
        if level == _SOL_UDP and kind == _UDP_GRO:
            size = int(struct.unpack_from("=i", content)[0])
            return size if size < length else 0
    return 0
