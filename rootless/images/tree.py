"""`image tree`: an image's layers, and which images are on top of which."""

from __future__ import annotations

from rootless.oci.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.images.image import Image


class Node:
    """One layer upon those below it."""

    def __init__(self, chain: str, size: int) -> None:
        self.chain = chain
        """The chain id, hexadecimal digits."""
        self.size = size
        """Bytes uncompressed, noted when it was unpacked; 0 where it never was."""
        self.tops: list[str] = []
        """Names of the images whose last layer it is."""
        self.children: list[Node] = []


def layers(image: Image, others: Iterable[Image]) -> list[Node]:
    """Return the layers of an image, the lowest first. Raises ImageError for a damaged one."""
    nodes, below = _nodes([image, *others])
    found = []
    chain = image.chains[-1] if image.chains else ""
    while chain:
        found.append(nodes[chain])
        chain = below[chain]
    return found[::-1]


def descendants(image: Image, others: Iterable[Image]) -> Node | None:
    """Return the last layer of an image with all that others have upon it, None without layers."""
    nodes, below = _nodes([image, *others])
    for chain in sorted(nodes):
        if below[chain]:
            nodes[below[chain]].children.append(nodes[chain])
    return nodes[image.chains[-1]] if image.chains else None


def _nodes(images: list[Image]) -> tuple[dict[str, Node], dict[str, str]]:
    """All layers by chain id, and the chain id below each, "" for the lowest."""
    nodes: dict[str, Node] = {}
    below: dict[str, str] = {}
    for image in images:
        try:
            chains, sizes = image.chains, image.layer_sizes()
        except Error:
            continue  # a damaged image, which `images` tells of
        for before, chain, size in zip(["", *chains], chains, sizes, strict=False):
            nodes.setdefault(chain, Node(chain, max(size, 0)))
            below[chain] = before
        if chains:
            tops = nodes[chains[-1]].tops
            tops += [name for name in image.names if name not in tops]
    return nodes, below
