"""What is on record of a network, and what a switch is told of it."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from rootless.runtime.spec import Segment

    class Subnet(TypedDict):
        """One subnet of a network, v4 or v6."""

        subnet: str
        """In the form of CIDR."""
        gateway: str
        range: str
        """The part that containers get addresses of, CIDR as well, empty for all of it."""

    class Record(TypedDict):
        """A network."""

        id: str
        name: str
        created: float
        """Seconds since the epoch."""
        subnets: list[Subnet]
        """One of v4, and perhaps one of v6 behind it."""
        internal: bool
        ipv6: bool
        dns: bool
        """Whether names are looked up in it."""
        servers: list[str]
        """Who knows all other names; empty for the host's."""
        labels: dict[str, str]
        options: dict[str, str]
        """Of its driver, as they were given: mtu, ..."""


is_name = re.compile("[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}").fullmatch
"""Whether a text is the name of a network, or an id."""

_MTU_NAMES = ("mtu", "com.docker.network.driver.mtu")


def segment(record: Record) -> Segment:
    """Return what a switch is told of a network."""
    import ipaddress

    four = record["subnets"][0]
    six = record["subnets"][1] if len(record["subnets"]) > 1 else None
    found: Segment = {
        "id": record["id"],
        "name": record["name"],
        "gateway": four["gateway"],
        "prefix": ipaddress.ip_network(four["subnet"]).prefixlen,
        "range": span(four),
        "gateway6": six["gateway"] if six else "",
        "prefix6": ipaddress.ip_network(six["subnet"]).prefixlen if six else 0,
        "range6": span(six) if six else ["", ""],
        "mtu": mtu(record["options"]),
        "internal": record["internal"],
        "resolves": record["dns"],
        "servers": record["servers"],
    }
    return found


def mtu(options: dict[str, str]) -> int:
    """Return the MTU of a network. Raises ValueError."""
    from rootless.netstack import addresses

    least, most = addresses.MIN_MTU, addresses.MTU
    for name in _MTU_NAMES:
        if text := options.get(name, ""):
            if not (text.isascii() and text.isdigit() and least <= int(text[:6]) <= most):
                raise ValueError(f"{name}={text}: a number from {least} to {most}")
            return int(text)
    return most


def span(subnet: Subnet) -> list[str]:
    """Return the first and the last address that containers may get of a subnet."""
    import ipaddress

    whole = ipaddress.ip_network(subnet["subnet"])
    part = ipaddress.ip_network(subnet["range"] or subnet["subnet"], strict=False)
    first, last = int(part.network_address), int(part.broadcast_address)
    # Neither the network's own address nor that for all.
    first += first == int(whole.network_address)
    if whole.version == 4:
        last -= last == int(whole.broadcast_address)
    make = ipaddress.IPv4Address if whole.version == 4 else ipaddress.IPv6Address
    return [str(make(first)), str(make(last))]
