"""Subnets for new networks: free ones, and whether what was asked for makes sense."""

from __future__ import annotations

import ipaddress
import os
import struct

from rootless.errors import Conflict, HostError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rootless.networks.records import Subnet

    Net = ipaddress.IPv4Network | ipaddress.IPv6Network

FIRST = "10.89.0.0/24"
"""Where podman begins, too."""

_ROUTES = "/proc/net/route"


def choose(name: str, taken: Iterable[Net]) -> Subnet:
    """Return a subnet of v4 for a network that clashes with none of `taken`. Raises HostError."""
    used = [net for net in taken if net.version == 4]
    start = int(ipaddress.ip_network(FIRST).network_address)
    end = int(ipaddress.ip_network("10.255.255.0/24").network_address)
    for number in range(start, end + 1, 256):
        found = ipaddress.IPv4Network((number, 24))
        if not any(found.overlaps(net) for net in used):
            return {"subnet": str(found), "gateway": str(found[1]), "range": ""}
    raise HostError(
        f"network {name}: no subnet between 10.89.0.0 and 10.255.255.0 is free", "name one"
    )


def choose6() -> Subnet:
    """Return a subnet of v6 that nobody else has (RFC 4193, 3.2.2: 40 random bits)."""
    prefix = bytes([0xFD]) + os.urandom(5) + bytes(10)
    found = ipaddress.IPv6Network((int.from_bytes(prefix, "big"), 64))
    return {"subnet": str(found), "gateway": str(found[1]), "range": ""}


def made(subnet: str, gateway: str, part: str) -> Subnet:
    """Return a subnet that was asked for. Raises UsageError for what none can be."""
    try:
        net = ipaddress.ip_network(subnet, strict=False)
    except ValueError:
        raise UsageError(f"{subnet!r:.60} is no subnet", "for example 10.89.7.0/24") from None
    most = 30 if net.version == 4 else 120
    if net.prefixlen > most or net.prefixlen < 8 or net.is_multicast or net.is_loopback:
        raise UsageError(f"{subnet} cannot be the subnet of a network", f"8 to {most} bits")
    door = str(net[1])
    if gateway:
        if _address(gateway) not in net:
            raise UsageError(f"gateway {gateway} is not in subnet {net}")
        door = str(_address(gateway))
    if part:
        try:
            inner = ipaddress.ip_network(part, strict=False)
        except ValueError:
            raise UsageError(f"{part!r:.60} is no range", "for example 10.89.7.128/25") from None
        if inner.version != net.version or not inner.subnet_of(net):  # type: ignore[arg-type]
            raise UsageError(f"range {part} is not in subnet {net}")
        part = str(inner)
    return {"subnet": str(net), "gateway": door, "range": part}


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise UsageError(f"{text!r:.60} is no IP address") from None


def refuse_clash(subnet: Subnet, others: Iterable[tuple[str, Subnet]]) -> None:
    """Raise Conflict where a network of ours has (a part of) the subnet."""
    net = ipaddress.ip_network(subnet["subnet"])
    for name, other in others:
        theirs = ipaddress.ip_network(other["subnet"])
        if theirs.version == net.version and theirs.overlaps(net):
            raise Conflict(f"subnet {net} is used by network {name} ({theirs})", "choose another")


def of_host() -> Iterator[Net]:
    """Yield the subnets that this machine has routes to."""
    try:
        with open(_ROUTES, encoding="ascii") as file:
            lines = file.read().splitlines()[1:]
    except OSError:
        return  # none can be seen
    for line in lines:
        words = line.split()
        try:
            destination, mask = (struct.pack("=I", int(words[at], 16)) for at in (1, 7))
        except (IndexError, ValueError):
            continue
        prefix = int.from_bytes(mask, "big").bit_count()
        if prefix:
            yield ipaddress.IPv4Network((destination, prefix))
