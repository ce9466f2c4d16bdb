"""FROM: an image that is not here yet, pulled and unpacked."""

from __future__ import annotations

from rootless.build.steps.telling import Telling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.build.crew import Line
    from rootless.images.collection import Images
    from rootless.images.transfer.access import Access


def pull(
    line: Line,
    images: Images,
    access: Access | Callable[[], Access] | None,
    name: str,
    policy: str,
    platform: str,
) -> str:
    """Return the id of the image. Raises what `Images.resolve` raises."""
    teller = Telling(line)
    image = images.resolve(name, pull=policy, platform=platform, access=access, teller=teller)
    image.lowers()
    return image.id


def whole(name: str, digest: str) -> str:
    """Return the whole name of an image with its tag and digest, as BuildKit tells it."""
    from rootless.oci import reference

    if not reference.is_valid(name) or not digest:
        return name
    return name if "@" in name else f"{reference.name_to_give(name)}@{digest}"
