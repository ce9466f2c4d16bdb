"""image tree: the layers of an image, and what is upon them."""

from __future__ import annotations

from rootless.cli import output
from rootless.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import common
    from rootless.cli.options import images as opt
    from rootless.engine import Engine
    from rootless.images.tree import Node


def image_tree(
    engine: Engine, image: common.ImageName, *, whatrequires: opt.WhatRequires = False
) -> int:
    """Show the layers of an image, or the images that are made upon it.

    Examples:
        rootless image tree busybox
        rootless image tree --whatrequires debian:12
    """
    from rootless.images.tree import descendants, layers

    images = engine.images
    found = images.get(image)
    names = " ".join(map(_familiar, found.names))
    output.say(f"Image ID: {found.id[:12]}")
    output.say(f"Tags:     [{names}]")
    output.say(f"Size:     {output.size(found.size)}")
    if not found.chains:
        output.say("No Image Layers")
        return 0
    output.say("Image Layers")
    if whatrequires:
        top = descendants(found, images.list())
        lines = _branches([top] if top else [], "")
    else:
        lines = _branches(layers(found, images.list()), "")
    output.say_lines(lines)
    return 0


def _branches(nodes: list[Node], before: str) -> list[str]:
    lines = []
    for node in nodes:
        last = node is nodes[-1]
        tops = f" Top Layer of: [{' '.join(map(_familiar, node.tops))}]" if node.tops else ""
        text = f"ID: {node.chain[:12]} Size: {output.size(node.size):>7}{tops}"
        lines.append(f"{before}{'└── ' if last else '├── '}{text}")
        lines += _branches(node.children, before + ("    " if last else "│   "))
    return lines


def _familiar(name: str) -> str:
    return reference.parse(name).familiar if reference.is_valid(name) else name
