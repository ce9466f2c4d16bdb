"""One Dockerfile for several platforms: an image each, and a manifest list of them."""

from __future__ import annotations

import copy

from rootless.build.builder import Builder
from rootless.build.output.wishes import Output
from rootless.errors import UsageError
from rootless.images.lists.collection import Manifests
from rootless.images.transfer.access import Access
from rootless.images.transfer.wish import CopyWish
from rootless.oci import platform as platforms
from rootless.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.build.request import BuildRequest
    from rootless.build.watching import Watcher
    from rootless.images.collection import Images


def check(request: BuildRequest) -> None:
    """Raise UsageError for what no list can become."""
    for output in request.outputs:
        if output.kind in ("docker", "tar") and output.place:
            what = "docker's archive holds" if output.kind == "docker" else "a tar of files has"
            raise UsageError(
                f"{what} one platform, and {len(request.platforms)} are asked for",
                "type=oci,dest=FILE has all of them, type=local,dest=DIR a directory for each",
            )


def build(
    images: Images,
    request: BuildRequest,
    watcher: Watcher | None,
    access: Access | Callable[[], Access] | None,
) -> str:
    """Build for each platform; return the id of the list, or "" where files alone are wanted.

    Raises what one build raises; then there is no list.
    """
    check(request)
    made = []
    wanted = request.platforms or [str(platforms.host())]
    for platform in wanted:
        one = copy.copy(request)
        one.caching.exports = platform == wanted[-1]  # what all have made is written once
        one.platform = platform
        one.called = request.tags
        one.tags, one.manifest, one.platforms = [], "", []
        one.outputs = [_for(output, platform) for output in request.outputs if output.is_files]
        if one.outputs and len(one.outputs) < len(request.outputs):
            one.outputs.append(Output("image"))
        made.append(Builder(images, one, watcher, access).run())
    if not all(made):
        return ""
    reach = access() if callable(access) else access
    return _listed(images, request, made, reach or Access())


def _for(output: Output, platform: str) -> Output:
    """Return the same output in a directory of the platform's, as BuildKit names it."""
    own = copy.copy(output)
    own.place = f"{output.place}/{platform.replace('/', '_')}"
    return own


def _listed(images: Images, request: BuildRequest, made: list[str], access: Access) -> str:
    lists = Manifests(images.paths, images)
    members = [request.named.get(one, f"sha256:{one}") for one in dict.fromkeys(made)]
    found = ""
    if request.manifest:
        how = {"everything": True, "amend": True}
        found = lists.create(request.manifest, members, access=access, **how)
        if len(made) == 1:  # the names are those of the image
            for tag in request.tags:
                images.tag(members[0], tag)
            return found
    names = [reference.name_to_give(tag) for tag in request.tags]
    for name in names:
        if images.name_of(name):
            images.untag(name, [name])
        found = lists.create(name, members, access=access, everything=True)
    if not found:
        return ""  # images without a name, as of any build without one
    for output in request.outputs:
        if output.place and output.kind == "oci":
            transport = "oci" if output.unpacked else "oci-archive"
            target = f"{transport}:{output.place}"
            images.copy(f"containers-storage:{found}", target, CopyWish(everything=True))
        for name in names if output.push else ():
            request.pushed[name] = lists.push(name, access=access)
    return found
