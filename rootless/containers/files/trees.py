"""The files of containers and images beside those that they were made from: diff and export."""

from __future__ import annotations

import os

from rootless.errors import NotFound, UsageError
from rootless.images.trees.comparing import Trees, listed
from rootless.images.trees.ids import Ids
from rootless.oci import jsonio
from rootless.runtime.supervision import notify
from rootless.runtime.supervision.ownership import LINKS
from rootless.runtime.tree.operations import Marks
from rootless.runtime.tree.rootfs import choose_driver, stacked
from rootless.runtime.tree.tree import holds_files
from rootless.runtime.userns import identity, shift
from rootless.runtime.userns.worker import call, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.collection import Containers
    from rootless.containers.handle import Handle
    from rootless.images.collection import Images


def trees_of(container: Handle, *, since_image: bool = True) -> Trees:
    """Return the container's root and its image's, with the mount points in between.

    A working container has layers of its own above its image's: without `since_image` they count as
    what was there. Raises UsageError for a container of the host's own files.
    """
    record = container.record
    source = record["rootfs"]
    if source["kind"] == "host":
        raise UsageError(f"container {container.name} shows this machine's own files")
    if source["kind"] == "directory" and not source["overlay"]:
        return Trees([source["path"]], [source["path"]])
    lowers = [source["path"]]
    if source["kind"] != "directory":
        lowers = stacked(record["layers"][::-1])
    merged, upper = f"{container.directory}/rootfs", f"{container.directory}/upper"
    new = lowers
    is_copy = os.path.isdir(merged) and holds_files(merged)  # the layers were copied together
    if is_copy:
        new = [merged]
    elif os.path.isdir(upper):
        new = [upper, *lowers]
    owners = shift.apparent(record["spec"]["rootless"], identity.detect())
    mounted = [mount["destination"] for mount in record["spec"]["mounts"]]
    old = lowers
    if since_image and (working := record.get("working")):
        old = stacked(record["layers"][: working["begun"]][::-1])
    trees = Trees(new, old, [*mounted, notify.PLACE, *Marks.PLACES])
    if new != lowers and (is_copy or choose_driver(container.paths) == "overlay"):
        trees.literal = {new[0]}  # where fuse-overlayfs has no marks of its own
    if owners and source["kind"] == "layers" and new != lowers:
        trees.owners[new[0]] = owners
    if record["spec"]["rootless"].get("record_owners") and new != lowers:
        trees.recorded = _recorded(f"{container.directory}/{LINKS}")
    return trees


def _recorded(path: str) -> dict[int | str, tuple[int, int]]:
    """Return what the file of owners of links says; the last line about one counts."""
    try:
        with open(path, encoding="ascii") as file:
            rows = [jsonio.loads(line) for line in file]
    except OSError:
        return {}
    found: dict[int | str, tuple[int, int]] = {}
    for inode, place, uid, gid in rows:
        found[inode] = found[place.lstrip("/")] = (uid, gid)
    return found


def mounted_of(container: Handle) -> list[str]:
    """Return the layers of the container's root as they are mounted: with one map of owners."""
    trees = trees_of(container)
    private = container.record["spec"]["rootless"]
    layers = container.record["layers"]
    if private.get("shifted") and layers and trees.new[1:] == stacked(layers[::-1]):
        from rootless.images.trees.skeletons import known

        return [trees.new[0], *known(container.paths, private["userns"], layers)[::-1]]
    return trees.new


def ids_of(container: Handle) -> Ids:
    """Return how the container shows the ids of its files."""
    spec = container.record["spec"]
    user = spec["process"]["user"].get("username", "")
    return Ids(identity.detect(), spec["rootless"]["userns"], user)


def check_whole(container: Handle) -> None:
    """Raises NotFound where it was removed while its files were read: some were not there."""
    if not os.path.isdir(container.directory):
        raise NotFound(f"container {container.name} was removed meanwhile")


def changes(
    containers: Containers, images: Images, name: str, other: str = "", kind: str = "all"
) -> list[list[str]]:
    """Return how a container or image differs from its image, its parent layer, or from `other`.

    Pairs of A, C or D and the path, by path. `kind` is container, image, or all for either.
    Raises NotFound, UsageError.
    """
    trees = _trees(containers, images, name, kind)
    if other:
        others = _trees(containers, images, other, "all")
        trees.old, trees.rough = others.new, True
        trees.owners |= others.owners
    found: list[list[str]] = call(images.paths, listed, trees)
    return found


def _trees(containers: Containers, images: Images, name: str, kind: str) -> Trees:
    if kind != "image":
        try:
            return trees_of(containers.get(name))
        except NotFound:
            if kind == "container":
                raise
    try:
        image = images.get(name)
    except NotFound:
        if kind == "image":
            raise
        raise NotFound(f"no such container or image: {name}") from None
    layers = image.lowers()[::-1]
    return Trees(stacked(layers), stacked(layers[1:]))


def export(container: Handle, output: str) -> None:
    """Write all files of the container as a tar to a file, or to standard output ("-").

    Raises UsageError for a place that cannot be written, StoreError, NotFound where it goes.
    """
    from rootless.images.transfer.saving import opened
    from rootless.images.trees.packing import pack

    trees = trees_of(container)
    trees.mount_points = []
    trees.is_layer = False
    with opened(output) as fd:
        ids = ids_of(container)
        spawn(container.paths, pack, fd, trees, True, ids, keep_fds=(fd,)).result()
        check_whole(container)
