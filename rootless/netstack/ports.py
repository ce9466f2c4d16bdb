"""Published ports: connections and datagrams from the host's network to a guest.

The guest sees the peer's own address, for its answers come back through us anyway. A peer on the
host's loopback has none that means anything inside, and appears as the gateway.
"""

from __future__ import annotations

import _socket
import os
import select
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NotRequired, TypedDict

    from rootless.linux.loop import Loop
    from rootless.netstack.guest import Guest
    from rootless.netstack.stack import Stack

    class Port(TypedDict):
        """A published port: plain values."""

        fd: int
        """The host's socket: it listens, or for UDP is bound."""
        ip: str
        host: int
        container: int
        protocol: str
        """tcp or udp."""
        guest: NotRequired[str]
        """IPv4 address of the guest, the only one's where it is missing."""


_BATCH = 32
"""Connections accepted before others get their turn."""

_PAUSE = 0.1
"""Seconds without accepting where no descriptor is left, or the guest is not there."""

_TRIES = 16


class Listener:
    """One published port. Who comes while its guest is not there waits for it."""

    def __init__(self, loop: Loop, port: Port, stack: Callable[[], Stack]) -> None:
        """`stack` returns the stack, which may have to be loaded. Owns the descriptor."""
        self.port = port
        self._loop = loop
        self._stack = stack
        self._sock = _socket.socket(fileno=port["fd"])
        self._sock.setblocking(False)
        self._end: Callable[[], None] | None = None
        self._held = False
        self.watch()

    def watch(self) -> None:
        """Take what comes."""
        take = self._accept if self.port["protocol"] == "tcp" else self._load
        self._loop.watch(self._sock.fileno(), select.POLLIN, take)

    def hold(self) -> None:
        """Take nothing more: who comes waits for the next life of the guest, or for `close`."""
        self._held = True
        self._loop.unwatch(self._sock.fileno())

    def close(self) -> None:
        """Publish it no more; connections that are open stay."""
        if self._end is not None:
            self._end()
        else:
            self._loop.unwatch(self._sock.fileno())
        self._sock.close()

    def _load(self, _events: int) -> None:
        """The first datagram: from now on they are the stack's."""
        guest = self._guest()
        if guest is None:
            self._pause()
            return
        self._loop.unwatch(self._sock.fileno())
        self._end = guest.udp.publish(self._sock, self.port["container"], self._await_next)

    def _guest(self) -> Guest | None:
        return self._stack().guest(self.port.get("guest", ""))

    def _await_next(self) -> None:
        """The guest has gone: datagrams are for the next one of its address."""
        self._end = None
        if not self._held:
            self.watch()

    def _accept(self, _events: int) -> None:
        guest = self._guest()
        for _ in range(_BATCH):
            if guest is None or guest.tcp.is_full:
                self._pause()
                return
            try:
                fd, peer = self._sock._accept()  # type: ignore[attr-defined]
            except BlockingIOError:
                return
            except OSError:  # the peer has gone again; or no descriptor is left
                self._pause()
                return
            sock = _socket.socket(fileno=fd)
            sock.setblocking(False)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            connect(guest, sock, peer, self.port["container"])
            guest.tcp.listen()

    def _pause(self) -> None:
        """Let those who come wait."""
        self._loop.unwatch(self._sock.fileno())
        self._loop.at(time.monotonic() + _PAUSE, self._resume)

    def _resume(self) -> None:
        if self._sock.fileno() >= 0 and not self._held:
            self.watch()


def connect(guest: Guest, sock: _socket.socket, peer: tuple[str, int], port: int) -> None:
    """Connect what was accepted from `peer` to a port of a guest. Owns the socket.

    Who comes over IPv6 to a guest that does not listen there is passed on as the gateway, by
    IPv4: "localhost" is the one or the other, and servers often know only one.
    """
    addresses = guest.addresses
    inside = addresses.inside(peer[0])
    if len(inside) == 16 and addresses.guest6:
        refused = lambda: _open(guest, sock, addresses.gateway4, peer[1], port, None)  # noqa: E731
        _open(guest, sock, inside, peer[1], port, refused)
    else:
        _open(guest, sock, inside if len(inside) == 4 else addresses.gateway4, peer[1], port, None)


def _open(
    guest: Guest,
    sock: _socket.socket,
    inside: bytes,
    peer_port: int,
    port: int,
    refused: Callable[[], None] | None,
) -> None:
    version = 4 if len(inside) == 4 else 6
    for _ in range(_TRIES):
        key = guest.addresses.guest(version) + inside + struct.pack(">HH", port, peer_port)
        connection = guest.tcp.accept(version, key, sock)
        if connection is not None:
            connection.on_refused = refused
            return
        # Two peers that look alike inside: another port tells them apart.
        peer_port = 1024 + int.from_bytes(os.urandom(2), "big") % 64000
    sock.close()
