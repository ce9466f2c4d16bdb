"""`image mount`: an image's files as a read-only directory, for who is in `rootless unshare`.

Mounts are those of the caller's mount namespace: they end with it, and no other sees them. The
directories they are on lie in the runtime directory, named after the image, and stay there, empty:
removing one would end the mount that another namespace has on it.
"""

from __future__ import annotations

import errno
import os

from rootless.errors import HostError, NotFound
from rootless.linux import mount as m
from rootless.runtime.binding import bind, mounts_below
from rootless.runtime.options import Options
from rootless.runtime.rootfs import choose_driver, mount_fuse, mount_overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.image import Image
    from rootless.store.paths import Paths

INSIDE = "it is possible inside `rootless unshare`"


def mount(paths: Paths, image: Image) -> str:
    """Mount the image, if it is not yet; return where. Raises HostError where that may not be."""
    target = f"{_base(paths)}/{image.id}"
    if target in mounts_below(_base(paths)):
        return target
    try:
        os.makedirs(target, 0o700, exist_ok=True)
        _mount(paths, image.lowers()[::-1], target)
    except OSError as error:
        hint = INSIDE if error.errno in (errno.EPERM, errno.EACCES) else ""
        reason = error.strerror or str(error)
        raise HostError(f"cannot mount image {image.id[:12]}: {reason}", hint) from error
    return target


def _mount(paths: Paths, layers: list[str], target: str) -> None:
    if len(layers) == 1:  # an overlay wants two
        bind(layers[0], target, Options(["ro", "nosuid", "nodev"]), recursive=False)
        return
    driver = choose_driver(paths)
    if driver == "overlay":
        mount_overlay(layers, target, "userxattr", m.MS_RDONLY | m.MS_NOSUID | m.MS_NODEV)
    elif driver == "fuse-overlayfs":
        mount_fuse(layers, "", "", target)
    else:
        raise HostError("images of several layers cannot be mounted without an overlay file system")


def mounted(paths: Paths) -> dict[str, str]:
    """Return the ids of the images that are mounted here, and where."""
    return {os.path.basename(path): path for path in mounts_below(_base(paths))}


def unmount(paths: Paths, image_id: str, *, force: bool = False) -> None:
    """Unmount an image; with `force` also one that is in use.

    Raises NotFound where it is not mounted, HostError where it cannot be unmounted.
    """
    target = mounted(paths).get(image_id)
    if target is None:
        raise NotFound(
            f"image {image_id[:12]} is not mounted here", "each `rootless unshare` has its own"
        )
    try:
        m.umount2(target, m.MNT_DETACH if force else 0)
    except OSError as error:
        hint = "--force unmounts it all the same" if error.errno == errno.EBUSY else ""
        raise HostError(f"cannot unmount image {image_id[:12]}: {error.strerror}", hint) from error


def _base(paths: Paths) -> str:
    return f"{paths.runtime}/mounts"
