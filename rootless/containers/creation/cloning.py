"""`container clone`: another container by the request of one that there is."""

from __future__ import annotations

from rootless.containers.request import request as usual

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.collection import Containers
    from rootless.containers.container import Container
    from rootless.containers.request import Request
    from rootless.images.collection import Images
    from rootless.images.image import Image


def wanted(containers: Containers, one: Container, name: str = "", image: str = "") -> Request:
    """Return what a container like `one` is asked for by, of its image or of another.

    Without a name it is called after the first, as by podman. What can be of one container only
    is not asked for again: files that tell of it, and hardware addresses.
    """
    found: Request = {**usual(""), **one.record["request"]}
    found["name"] = name or _name(containers, one.name)
    found["cidfile"] = found["pidfile"] = found["conmon_pidfile"] = ""
    found["create_command"] = []
    found["networks"] = [{**each, "mac": ""} for each in found["networks"]]
    if image:
        found["image"], found["rootfs"] = image, None
    return found


def image_of(images: Images, one: Container, image: str = "") -> Image | None:
    """Return the image for one like `one`: `image`, else the same; None for a root of its own.

    Raises NotFound for one that is gone.
    """
    if not image and one.record["request"]["rootfs"] is not None:
        return None
    id_ = one.record["image_id"]
    same = f"sha256:{id_}" if id_ else one.record["request"]["image"]
    return images.get(image or same)


def _name(containers: Containers, base: str) -> str:
    """Return NAME-clone, or NAME-clone1 and so on where that is taken."""
    taken, number = {*containers.names()}, 0
    while (name := f"{base}-clone{number or ''}") in taken:
        number += 1
    return name
