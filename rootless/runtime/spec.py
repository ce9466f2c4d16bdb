"""What the runtime is told of a container, as plain values."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias, TypedDict

    Kind: TypeAlias = Literal["none", "host", "container", "ns", "private", "pasta", "slirp4netns"]
    """What makes a container's network; `networks.kinds` has a driver for each."""

    class Attachment(TypedDict):
        """One network that a container is attached to."""

        kind: Kind
        name: str
        """Of kind container its id, of kind ns the path of a namespace, else empty."""
        aliases: list[str]
        """Further names of the container in that network."""
        ipv4: str
        """Its address there, empty for any."""
        ipv6: str
        mac: str
        """Its link address, empty for any: six bytes in hexadecimal with colons between."""
