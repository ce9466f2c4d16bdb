"""image tree, mount and unmount: an image from inside."""

from __future__ import annotations

import sys

from rootless.cli import output
from rootless.errors import UsageError
from rootless.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli import options as opt
    from rootless.engine import Engine
    from rootless.images.image import Image
    from rootless.images.tree import Node


def image_tree(
    engine: Engine, image: opt.ImageName, *, whatrequires: opt.WhatRequires = False
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
    print(f"Image ID: {found.id[:12]}\nTags:     [{names}]\nSize:     {output.size(found.size)}")
    if not found.chains:
        print("No Image Layers")
        return 0
    print("Image Layers")
    if whatrequires:
        top = descendants(found, images.list())
        lines = _branches([top] if top else [], "")
    else:
        lines = _branches(layers(found, images.list()), "")
    sys.stdout.write("".join(f"{line}\n" for line in lines))
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


def image_mount(
    engine: Engine,
    images: opt.SomeImages = None,
    *,
    all: opt.EveryImage = False,  # noqa: A002 - the option's name
    format: opt.MountFormat = "",  # noqa: A002 - the option's name
) -> int:
    """Mount images, read-only, and print where; without a name list what is mounted.

    Inside `rootless unshare`, whose end unmounts them.

    Examples:
        rootless unshare sh -c 'ls $(rootless image mount busybox)'
    """
    from rootless.images.mounting import mount, mounted

    if all and images:
        raise UsageError("--all and names contradict each other")
    store = engine.images
    if images or all:
        wanted = [store.get(name) for name in images or []] if not all else store.list()
        places = {image.id: (image, mount(engine.paths, image)) for image in wanted}
    else:
        there = mounted(engine.paths)
        places = {one.id: (one, there[one.id]) for one in store.list() if one.id in there}
    if format == "json":
        print(output.pretty([_row(image, path) for image, path in places.values()]))
    elif images and len(images) == 1:
        print(places.popitem()[1][1])
    else:
        rows = [[(one.names or [one.id[:12]])[0], path] for one, path in places.values()]
        sys.stdout.write(output.table(rows))
    return 0


def _row(image: Image, path: str) -> dict[str, object]:
    """Return what podman says of a mounted image."""
    return {"id": image.id, "Repositories": image.names, "mountpoint": path}


def image_unmount(
    engine: Engine,
    images: opt.SomeImages = None,
    *,
    all: opt.UnmountAll = False,  # noqa: A002 - the option's name
    force: opt.ForceUnmount = False,
) -> int:
    """Unmount images.

    Examples:
        rootless image unmount busybox
    """
    from rootless.images.mounting import mounted, unmount

    if all == bool(images):
        raise UsageError("which image?" if not all else "--all and names contradict each other")
    names = list(mounted(engine.paths)) if all else images or []

    def one(name: str) -> None:
        image_id = name if all else engine.images.get(name).id
        unmount(engine.paths, image_id, force=force)

    return output.each(names, one)
