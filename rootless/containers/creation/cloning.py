"""`container clone`: another container by the request of one that there is."""

from __future__ import annotations

from rootless.containers.request import request as usual

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.collection import Containers
    from rootless.containers.container import Container
    from rootless.containers.request import Request
    from rootless.images.collection import Images


def clone(
    containers: Containers,
    images: Images,
    one: Container,
    name: str = "",
    image: str = "",
    *,
    replace: bool = False,
) -> Container:
    """Make a container as `one` was asked for, of its image or of another; return it.

    Without a name it is called after the first, as by podman. With `replace` the first goes, once
    the other is there. Raises what `Containers.create` raises, NotFound for an image that is gone.
    """
    wanted: Request = {**usual(""), **one.record["request"]}
    wanted["name"] = name or _name(containers, one.name)
    wanted["cidfile"] = ""
    wanted["create_command"] = []
    if image:
        wanted["image"], wanted["rootfs"] = image, None
    found = None
    if wanted["rootfs"] is None:
        known = one.record["image_id"] and not image
        found = images.get(f"sha256:{one.record['image_id']}" if known else wanted["image"])
    if replace and wanted["name"] == one.name:
        return containers.create(wanted, found, replace=True)
    made = containers.create(wanted, found)
    if replace:
        one.remove(force=True)
    return made


def _name(containers: Containers, base: str) -> str:
    """Return NAME-clone, or NAME-clone1 and so on where that is taken."""
    taken, number = {*containers.names()}, 0
    while (name := f"{base}-clone{number or ''}") in taken:
        number += 1
    return name
