"""A private network: a TAP device, behind which our own stack is, in the supervisor.

Inside are the interface, its addresses, its routes. The gateway's link address is told as well, so
that no ARP goes before the first packet.
"""

from __future__ import annotations

import _socket
import os

from rootless.errors import LaunchError, named
from rootless.linux import rtnetlink, tun
from rootless.netstack.addresses import GATEWAY_MAC, INTERFACE, Addresses
from rootless.runtime.tree.operations import Loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.netstack.addresses import Settings
    from rootless.runtime.networks.named import Wired
    from rootless.runtime.spec import PrivateNetwork
    from rootless.runtime.tree.operations import Operation
    from rootless.runtime.tree.tree import Tree


class Private:
    """See `kinds.Driver`."""

    own = True
    outside = None
    home = -1

    def __init__(self, network: PrivateNetwork) -> None:
        self.settings = network["settings"]
        self._needed = network["needed"]
        self.named: Wired | None = None
        if network.get("wires"):
            from rootless.runtime.networks.named import Wired  # few have others beside it

            self.named = Wired(network)

    def check(self) -> None:
        """See Driver: only inside is it known whether there may be a TAP device."""

    def steps(self) -> list[Operation]:
        """See Driver."""
        return [Link(self.settings, needed=self._needed)]


class Link:
    """The TAP device, whose other end is the supervisor's."""

    needs = "network"
    """The new namespace without which the step is left out."""

    def __init__(self, settings: Settings, *, needed: bool) -> None:
        """`needed` is whether the container does not start without it."""
        self._settings = settings
        self._needed = needed

    def describe(self) -> str:
        """See Operation."""
        return "set up the private network"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        Loopback().apply(tree)
        try:
            tree.link = make(self._settings)
        except OSError as error:
            reason = f"{tun.DEVICE}: {error.strerror}"
            if self._needed:
                raise LaunchError(
                    f"cannot make a private network, {reason}",
                    f"use {named('networks')} host or none; rootless doctor says more",
                    errno=error.errno or 0,
                ) from error
            tree.degraded.append(f"network: none, {reason}")


def make(settings: Settings) -> int:
    """Make the interface in this network namespace; return our end of it. Raises OSError."""
    addresses = Addresses(settings)
    tap = tun.open_tap(INTERFACE)
    try:
        index = _socket.if_nametoindex(INTERFACE)
        rtnetlink.apply(
            [
                rtnetlink.set_link(index, addresses.mtu, addresses.mac),
                rtnetlink.link_up(index),
                *_addressed(index, addresses.guest4, settings["prefix"], addresses.gateway4),
            ]
        )
        if addresses.guest6:
            _try_ipv6(index, addresses, settings["prefix6"])
    except BaseException:
        os.close(tap)
        raise
    return tap


def _try_ipv6(index: int, addresses: Addresses, prefix: int) -> None:
    try:
        rtnetlink.apply(_addressed(index, addresses.guest6, prefix, addresses.gateway6))
    except OSError:
        pass  # a kernel without IPv6, or one that was told to do without


def _addressed(index: int, guest: bytes, prefix: int, gateway: bytes) -> list[bytes]:
    return [
        rtnetlink.address(index, guest, prefix),
        rtnetlink.neighbour(index, gateway, GATEWAY_MAC),
        rtnetlink.default_route(index, gateway),
    ]
