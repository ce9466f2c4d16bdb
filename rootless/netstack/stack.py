"""The stack as a whole: the frames of a link, each given to the guest that has sent it.

     guests ── TAP ── Stack ── Guest ─┬─ neighbour        who we are
                                      ├─ Tcp, Udp, Echo   sockets of the host
                                      └─ Forwarder        name service

One process, one loop, no threads. Whatever a guest sends, a frame is handled or dropped. A link is
one network: it has one gateway, which is us, and guests that come and go. What they have to say to
each other does not pass here. Links of one process have a stack each, on the same loop.
"""

from __future__ import annotations

import os
import select
import struct
import time

from rootless.linux.tun import VNET_HEADER
from rootless.netstack.addresses import GATEWAY_MAC, pack, unpack
from rootless.netstack.guest import IPV4, IPV6, Guest
from rootless.netstack.tap import ETHERNET, START, Tap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.linux.loop import Loop
    from rootless.netstack import dns
    from rootless.netstack.addresses import Member, Settings
    from rootless.netstack.connection import Connection

SILENCE = 1000
"""Milliseconds without an event after which nothing more is expected of a guest that has ended."""

LINGER = 10.0
"""Seconds that the stack delivers what is left after the end of its guest."""

PATIENCE = 3.0
"""Seconds of that in which nobody takes anything."""

TICK = 0.25
"""Seconds between looks at what guests that were removed have left."""

SPINS = 80
"""Looks for the next frame, 0.3 µs each, before the process sleeps: to be woken takes longer.

That is what net.core.busy_poll does for drivers. Measured: a byte's round trip takes half the time,
and less of the processor in all.
"""

_BURST = 64
"""Frames from the guests before the host's sockets get their turn."""

_HEADER = struct.Struct(f">{ETHERNET}s")


class Stack:
    """The user-mode network of the guests of one link."""

    def __init__(self, loop: Loop, fd: int, settings: Settings, servers: dns.Servers) -> None:
        """`fd` is the TAP device, or anything that keeps frames apart; it stays the caller's.

        The guest that the settings name is there from the beginning. Raises what `add_guest` does.
        """
        os.set_blocking(fd, False)
        self.strangers = 0
        """Frames from a link address that no guest has: they were dropped."""
        self._loop = loop
        self._tap = Tap(fd)
        self._settings = settings
        self._servers = servers
        self._most = 0
        self._guests: dict[bytes, Guest] = {}
        """IPv4 address -> guest."""
        self._senders: dict[bytes, Guest] = {}
        """Link address -> guest."""
        self._takers: dict[bytes, Callable[[bytearray, int], bool]] = {}
        """Ethernet header -> what takes the everyday packets behind it."""
        self._owed: dict[Connection, None] = {}
        """Connections that owe their guest an acknowledgement."""
        self._leaving: dict[Guest, _Rest] = {}
        self._timer = -1
        if settings["guest"]:
            self._add(settings, servers)
        loop.watch(fd, select.POLLIN, self.receive)
        loop.spins = SPINS

    # -- who there is

    @property
    def guests(self) -> list[Guest]:
        """All guests, those included whose last bytes are still on their way."""
        return list(self._guests.values())

    def guest(self, address: str = "") -> Guest | None:
        """Return the guest of an IPv4 address, or without one the only guest; else None."""
        if not address:
            return next(iter(self._guests.values())) if len(self._guests) == 1 else None
        return self._guests.get(pack(address))

    def add_guest(self, member: Member, servers: dns.Servers | None = None) -> Guest:
        """Let a further guest use the network, and ask `servers` in place of the network's.

        Raises ValueError where one of its addresses is taken, or not of this network, and OSError
        for an IP address that is none. One that was removed and has not gone yet makes way.
        """
        return self._add({**self._settings, **member}, servers or self._servers)

    def _add(self, settings: Settings, servers: dns.Servers) -> Guest:
        guest = Guest(self._loop, self._tap, settings, servers, self._owed)
        own, mac = guest.addresses, guest.addresses.mac
        taken = {own.gateway4, own.gateway6, GATEWAY_MAC}
        for one in self.guests:
            if one not in self._leaving:
                taken.update(one.addresses.all(), (one.addresses.mac,))
        for address in own.all():
            if address in taken or not own.is_on_link(address):
                raise ValueError(f"{unpack(address)} is not free in this network")
        if mac in taken:
            raise ValueError(f"the link address {mac.hex(':')} is taken")
        for one in list(self._leaving):
            if {*own.all(), mac} & {*one.addresses.all(), one.addresses.mac}:
                self._forget(one)
        guest.tcp.listen = self.receive
        self._guests[own.guest4] = self._senders[mac] = guest
        ends = GATEWAY_MAC + mac
        self._takers[ends + IPV4.to_bytes(2, "big")] = guest.receive_plain4
        if own.guest6:
            self._takers[ends + IPV6.to_bytes(2, "big")] = guest.receive_plain6
        self._divide()
        return guest

    def remove_guest(self, address: str) -> None:
        """The guest of an IPv4 address has gone: open nothing more to it, and soon forget it.

        What it has sent is still delivered, as far as that gets on; see `close`, which waits for
        it. Does nothing where there is no such guest, or no more.
        """
        guest = self._guests.get(pack(address))
        if guest is None or guest in self._leaving:
            return
        self.receive()
        guest.leave()
        self._leaving[guest] = _Rest([guest])
        self._loop.cancel(self._timer)
        self._look()

    def _look(self) -> None:
        """Forget those of the removed guests of whom nothing is left to deliver."""
        for guest, rest in list(self._leaving.items()):
            if rest.is_over() or (not rest.queued and rest.silence * 1000 >= SILENCE):
                self._forget(guest)
        if self._leaving:
            self._timer = self._loop.at(time.monotonic() + TICK, self._look)

    def _forget(self, guest: Guest) -> None:
        self._leaving.pop(guest, None)
        guest.close()
        del self._guests[guest.addresses.guest4], self._senders[guest.addresses.mac]
        ends = GATEWAY_MAC + guest.addresses.mac
        for kind in (IPV4, IPV6):
            self._takers.pop(ends + kind.to_bytes(2, "big"), None)
        self._divide()

    def limit(self, connections: int) -> None:
        """Let there be so many connections at most; each guest may have an equal part of them."""
        self._most = connections
        self._divide()

    def _divide(self) -> None:
        for guest in self.guests if self._most else ():
            if guest not in self._leaving:
                part = self._most // len(self._guests)
                guest.tcp.most = min(guest.tcp.budget.connections, part)

    # -- the end

    @property
    def is_idle(self) -> bool:
        """Whether nothing is remembered that the next packet could need."""
        return all(guest.is_idle for guest in self.guests)

    def close(self) -> None:
        """The guests have ended: deliver what they have sent, then take no more frames.

        A process that ends leaves its last bytes to the kernel, and the kernel of the guest is
        ours: what waits there has its FIN behind it and comes at once, unless nobody reads it. Who
        has not taken all by then sees a reset: an end would say that this was all.
        """
        for guest in self.guests:
            guest.leave()
        rest = _Rest(self.guests)
        while not rest.is_over():
            if not self._loop.turn(SILENCE) and not rest.queued:
                break
        self._loop.unwatch(self._tap.fd)
        self._loop.cancel(self._timer)
        for guest in self.guests:
            guest.close()
        self._loop.spins = 0

    # -- frames

    def receive(self, _events: int = 0) -> None:
        """Handle the frames that wait, up to _BURST."""
        read, buffer, taker = self._tap.read, self._tap.buffer, self._takers.get
        unpack = _HEADER.unpack_from
        for _ in range(_BURST):
            try:
                length = read()
            except OSError:
                break
            (header,) = unpack(buffer, VNET_HEADER)
            take = taker(header)
            if take is None or not take(buffer, length):
                self._receive_other(header, bytes(self._tap.view[START:length]))
        owed = self._owed
        while owed:
            owed.popitem()[0].acknowledge()

    def _receive_other(self, header: bytes, packet: bytes) -> None:
        """Handle what is not an everyday packet of TCP or UDP to us."""
        if not packet:
            return  # not even a whole Ethernet header
        target, sender, kind = header[:6], header[6:12], header[12:]
        guest = self._senders.get(sender)
        if guest is None:
            self.strangers += 1
        elif target == GATEWAY_MAC or target[0] & 1:  # to us, or to a group
            guest.receive(int.from_bytes(kind, "big"), packet)


class _Rest:
    """What guests that have ended have left: how long it is worth waiting for."""

    def __init__(self, guests: list[Guest]) -> None:
        self._guests = guests
        self._begun = self._last = time.monotonic()
        self._before = -1
        self.silence = 0.0
        """Seconds since somebody took something, when `is_over` was asked last."""
        self.queued = 0
        """Bytes that the host's sockets have not taken, then."""

    def is_over(self) -> bool:
        """Whether all is delivered, or there is no hope of it any more."""
        left = [one for guest in self._guests for one in guest.tcp.connections.values()]
        self.queued = sum(one.queued for one in left)
        count = self.queued + sum(not one.finished for one in left)
        now = time.monotonic()
        if count != self._before:
            self._before, self._last = count, now
        self.silence = now - self._last
        return not count or self.silence > PATIENCE or now - self._begun > LINGER
