"""The platforms that all bases of a build are there for."""

from __future__ import annotations

from rootless.build.course.common import Build
from rootless.errors import Error, UsageError
from rootless.images.lists.collection import Manifests
from rootless.images.transfer.access import Access
from rootless.oci import platform as platforms
from rootless.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.build.request import BuildRequest
    from rootless.images.collection import Images


def offered(
    images: Images, request: BuildRequest, access: Access | Callable[[], Access] | None
) -> list[str]:
    """Return the platforms, in the order of the first base; only manifests are fetched for it.

    Raises DockerfileError, UsageError where there is no base, or nothing in common, and what
    asking a registry raises.
    """
    build = Build(images, request, None, access)
    reach = (access() if callable(access) else access) or Access()
    common: list[str] | None = None
    names = []
    for stage in build.file.needed(build.target):
        named = request.contexts.get(stage.image.lower())
        if stage.parent is not None or stage.image == "scratch" or (named and not named.image):
            continue
        names.append(named.image if named else stage.image)
        found = _of(images, names[-1], reach)
        common = found if common is None else [one for one in common if one in found]
    if not common:
        told = ", ".join(dict.fromkeys(names))
        what = f"the images {told} have no platform in common" if told else "no stage has a base"
        raise UsageError(f"{request.name}: {what}", "name platforms instead")
    return common


def _of(images: Images, name: str, access: Access) -> list[str]:
    """Return the platforms of one image: as a list of the store says, else as its registry."""
    lists = Manifests(images.paths, images)
    here = images.get(name) if images.exists(name) else None
    try:
        if here is not None and not lists.exists(name) and _is_of_here(images.name_of(name)):
            return [here.platform]
        document = lists.inspect(name, access=access)
    except Error:
        if here is None:
            raise
        return [here.platform]
    entries = document.get("manifests")
    if entries is None:
        image = images.resolve(name, pull="missing", access=access)
        return [image.platform]
    said = [one.get("platform") for one in entries]
    found = (str(platforms.of(one)) for one in said if one and platforms.is_somewhere(one))
    return list(dict.fromkeys(found))


def _is_of_here(name: str) -> bool:
    """Whether an image has no registry that could be asked."""
    return not reference.is_valid(name) or reference.parse(name).domain == "localhost"
