"""The guest's end of a private network: the interface, its addresses, its routes.

The gateway's link address is told as well, so that no ARP goes before the first packet.
"""

from __future__ import annotations

import _socket
import os

from rootless.linux import rtnetlink, tun
from rootless.netstack.addresses import GATEWAY_MAC, INTERFACE, Addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.netstack.addresses import Settings


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
