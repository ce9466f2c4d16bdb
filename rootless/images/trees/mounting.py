"""Images and containers as directories, for who is in `rootless unshare`; most are read-only.

Mounts are those of the caller's mount namespace: they end with it, and no other sees them. The
directories they are on lie in the runtime directory, named after what is mounted, and stay there,
empty: removing one would end the mount that another namespace has on it. So that is what is done
with it when the image or the container goes (`shown`).
"""

from __future__ import annotations

import errno
import os

from rootless.errors import HostError, NotFound, NotPermitted, named
from rootless.images.trees import shown
from rootless.linux import mount as m
from rootless.runtime.tree.binding import bind, mounts_below
from rootless.runtime.tree.mount_options import Options
from rootless.runtime.tree.rootfs import (
    SECOND,
    check_finds_data,
    choose_driver,
    data_layers,
    escaped,
    mount_fuse,
    mount_overlay,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

INSIDE = "it is possible inside `rootless unshare`"
_FLAGS = m.MS_RDONLY | m.MS_NOSUID | m.MS_NODEV


class Mounts:
    """What is mounted in this namespace of one kind of things: `image` or `container`."""

    def __init__(self, paths: Paths, kind: str) -> None:
        self._paths = paths
        self._kind = kind
        self._base = shown.base(paths, kind)

    def all(self) -> dict[str, str]:
        """Return the ids of what is mounted, and where."""
        return {os.path.basename(path): path for path in mounts_below(self._base)}

    def mount(
        self,
        id: str,  # noqa: A002 - the field's own word
        layers: list[str],
        above: tuple[str, str] | None = None,
    ) -> str:
        """Mount directories, topmost first, merged, unless it is done; return where.

        `above` is the directory that takes what is written there, and one beside it for the
        kernel's use; without it nothing can be written. Raises HostError where that may not be.
        """
        target = f"{self._base}/{id}"
        if id in self.all():
            return target
        try:
            os.makedirs(target, 0o700, exist_ok=True)
            if above is not None:
                self._mount_writable(layers, target, *above)
            else:
                self._mount(layers, target)
        except OSError as error:
            refused = error.errno in (errno.EPERM, errno.EACCES)
            kind, hint = (NotPermitted, INSIDE) if refused else (HostError, "")
            reason = error.strerror or str(error)
            raise kind(f"cannot mount {self._kind} {id[:12]}: {reason}", hint) from error
        return target

    def _mount(self, layers: list[str], target: str) -> None:
        if len(layers) == 1 and not data_layers(layers):  # an overlay wants two
            bind(layers[0], target, Options(["ro", "nosuid", "nodev"]), recursive=False)
            return
        driver = choose_driver(self._paths)
        check_finds_data(driver, layers)
        firsts = [layer for layer in layers if not layer.endswith(f"/{SECOND}")]
        if (
            driver == "copy" and len(firsts) == 1
        ):  # all but set-id bits, which count for nothing here
            bind(firsts[0], target, Options(["ro", "nosuid", "nodev"]), recursive=False)
            return
        if driver == "overlay":
            mount_overlay(layers, target, "userxattr", _FLAGS)
        elif driver == "fuse-overlayfs":
            mount_fuse(layers, "", "", target)
        else:
            raise HostError(
                f"{len(layers)} layers cannot be mounted at {target} by the driver {driver}",
                "rootless doctor says what an overlay file system needs",
            )

    def _mount_writable(self, layers: list[str], target: str, upper: str, work: str) -> None:
        driver = choose_driver(self._paths)
        check_finds_data(driver, layers)
        if driver == "overlay":
            data = f"upperdir={escaped(upper)},workdir={escaped(work)},userxattr"
            mount_overlay(layers, target, data, m.MS_NOSUID | m.MS_NODEV)
        elif driver == "fuse-overlayfs":
            mount_fuse(layers, upper, work, target)
        else:
            raise HostError(
                f"{target} cannot be written into with the driver {driver}",
                "rootless doctor says what an overlay file system needs",
            )

    def unmount(self, id: str, *, force: bool = False) -> None:  # noqa: A002 - as above
        """Unmount it; with `force` also while it is in use.

        Raises NotFound where it is not mounted, HostError where it cannot be unmounted.
        """
        target = self.all().get(id)
        name = f"{self._kind} {id[:12]}"
        if target is None:
            raise NotFound(f"{name} is not mounted here", "each `rootless unshare` has its own")
        try:
            m.umount2(target, m.MNT_DETACH if force else 0)
        except OSError as error:
            busy = error.errno == errno.EBUSY
            hint = f"{named('force')} unmounts it all the same" if busy else ""
            raise HostError(f"cannot unmount {name}: {error.strerror}", hint) from error
