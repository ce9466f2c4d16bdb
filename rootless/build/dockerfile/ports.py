"""EXPOSE: ranges and protocols -> single ports, as an image's configuration has them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.dockerfile.model import Expose

_PROTOCOLS = ("tcp", "udp", "sctp")


def ports(one: Expose) -> list[str]:
    """Return the ports of an expanded EXPOSE: 80/tcp. Raises DockerfileError.

    Of what names an address or a port of the host, the container's port counts, as in docker.
    """
    found: dict[str, None] = {}
    for text in one.ports:
        numbers, slash, protocol = text.rpartition(":")[2].partition("/")
        protocol = protocol.lower() if slash else "tcp"
        first, dash, last = numbers.partition("-")
        bounds = [_number(first), _number(last if dash else first)]
        if protocol not in _PROTOCOLS:
            hint = f"the protocols are {', '.join(_PROTOCOLS)}"
            raise one.node.error(f"EXPOSE: invalid proto in {text!r}", hint, protocol)
        if 0 in bounds or bounds[0] > bounds[1]:
            hint = "PORT, or FIRST-LAST, from 1 to 65535"
            raise one.node.error(f"EXPOSE: invalid containerPort: {text!r}", hint, text)
        for number in range(bounds[0], bounds[1] + 1):
            found[f"{number}/{protocol}"] = None
    return list(found)


def _number(text: str) -> int:
    """Return a port; 0 for what is none."""
    valid = text.isascii() and text.isdigit() and len(text) < 9 and int(text) < 65536
    return int(text) if valid else 0
