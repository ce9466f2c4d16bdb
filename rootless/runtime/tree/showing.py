"""Images that are mounted into a container: their layers merged, whole or below a path in them.

They are mounted beside the container's root, and what is to be seen of them is bound into it: so a
path in them is looked up in them, and no link there leads out. A layer is never bound itself: who
has the capability could make the mount writable, and so the store's own file.
"""

from __future__ import annotations

import os
import stat

from rootless.errors import LaunchError
from rootless.linux.openat2 import open_in_root
from rootless.runtime.tree.binding import bind, on
from rootless.runtime.tree.mount_options import Options
from rootless.runtime.tree.rootfs import escaped, mount_fuse, mount_overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.spec import Layers
    from rootless.runtime.tree.tree import Tree


def step(layers: Layers, driver: str) -> Shown:
    """Return the step that shows `layers` by this driver (rootfs.choose_driver)."""
    if not layers["lowers"]:
        return Shown(layers)
    return FuseStack(layers) if driver == "fuse-overlayfs" else Stack(layers)


class Shown:
    """What has been copied already, or is empty."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        self.merged = f"{layers['place']}/merged"

    def describe(self) -> str:
        """See Operation."""
        return f"mount the image {self.layers['source']} at {self.layers['destination']}"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        self.mount()
        top = os.open(self.merged, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = self._find(top)
        finally:
            os.close(top)
        try:
            is_directory = stat.S_ISDIR(os.fstat(found).st_mode)
            target = tree.target(self.layers["destination"], directory=is_directory)
            try:
                words = ["nodev", "rw" if self.layers["rw"] else "ro"]
                bind(on(found), on(target), Options(words), recursive=False)
            finally:
                os.close(target)
        finally:
            os.close(found)

    def _find(self, top: int) -> int:
        path = self.layers["subpath"]
        try:
            return open_in_root(top, path)
        except OSError as error:
            raise LaunchError(
                f"image {self.layers['source']}: cannot mount {path} of it: "
                f"{os.strerror(error.errno or 0)}",
                "name a file or directory that is in it, or leave out the subpath",
                errno=error.errno or 0,
            ) from error

    def mount(self) -> None:
        """Make it appear at `merged`, where that is not done yet."""

    def writable(self) -> tuple[str, str]:
        """Return the upper and the work directory, which has the owner and the mode of the image's.

        Empty for none.
        """
        if not self.layers["rw"]:
            return "", ""
        upper = f"{self.layers['place']}/upper"
        status = os.stat(self.layers["lowers"][0])
        os.chmod(upper, stat.S_IMODE(status.st_mode))
        os.chown(upper, status.st_uid, status.st_gid)
        return upper, f"{self.layers['place']}/work"


class Stack(Shown):
    """Layers that the kernel merges."""

    def mount(self) -> None:
        """See Shown."""
        lowers = self.layers["lowers"]
        upper, work = self.writable()
        data = "userxattr"
        if upper:
            data += f",upperdir={escaped(upper)},workdir={escaped(work)}"
        elif len(lowers) == 1:
            lowers = [*lowers, f"{self.layers['place']}/empty"]  # it wants two
        mount_overlay(lowers, self.merged, data)


class FuseStack(Shown):
    """Layers that fuse-overlayfs merges, started by the launcher as for the root (FuseRoot)."""

    def start(self) -> None:
        """Mount, and leave the helper running. Raises OSError where it fails."""
        upper, work = self.writable()
        mount_fuse(self.layers["lowers"], upper, work, self.merged)
