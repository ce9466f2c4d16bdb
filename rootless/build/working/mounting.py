"""The files of a working container as a directory, which may be written into.

Inside `rootless unshare`, or as root: the mount is one of the caller's mount namespace. A step in
the same session takes it away while it works, for layers come below what is mounted, and shows it
again at the same place. Where it is mounted in another session, whose files a step would pull away,
the step is refused.
"""

from __future__ import annotations

import contextlib
import os
import stat

from rootless.errors import Conflict
from rootless.images.trees.mounting import Mounts
from rootless.runtime.tree.rootfs import stacked
from rootless.runtime.tree.tree import holds_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.container import Container

_MARK = "mounted"
"""A file in the container's directory: the mount namespace that it is mounted in."""


class Shown:
    """Where a working container is mounted."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._mounts = Mounts(container.paths, "container")
        self._mark = f"{container.directory}/{_MARK}"
        self._hidden = False

    @property
    def written(self) -> list[str]:
        """The directories that hold what was written, of whichever driver."""
        return [f"{self._container.directory}/{name}" for name in ("upper", "work", "rootfs")]

    @property
    def has_changes(self) -> bool:
        """Whether something may have been written."""
        upper, _, copied = self.written
        return any(os.path.isdir(place) and holds_files(place) for place in (upper, copied))

    @property
    def place(self) -> str:
        """Where it is mounted in this namespace; "" for nowhere."""
        return self._mounts.all().get(self._container.id, "")

    def show(self, lowers: list[str]) -> str:
        """Mount it, unless it is; return where. Raises HostError, Conflict where another has it."""
        self._refuse_others()
        upper, work, _ = self.written
        for place in (upper, work):
            os.makedirs(place, 0o700, exist_ok=True)
        trees = stacked(lowers[::-1])
        if not holds_files(upper):
            os.chmod(upper, stat.S_IMODE(os.stat(trees[0]).st_mode))
        place = self._mounts.mount(self._container.id, trees, (upper, work))
        with open(self._mark, "w", encoding="ascii") as file:
            file.write(_namespace("self"))
        return place

    def hide(self) -> None:
        """Unmount it here, for as long as a step works. Raises Conflict where another has it."""
        self._refuse_others()
        if self.place:
            self._mounts.unmount(self._container.id, force=True)
            self._hidden = True

    def show_again(self, lowers: list[str]) -> None:
        """Mount it where `hide` has unmounted it."""
        if self._hidden:
            self.show(lowers)

    def unmount(self) -> None:
        """Unmount it. Raises NotFound where it is not mounted here, HostError."""
        self._mounts.unmount(self._container.id)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._mark)

    def _refuse_others(self) -> None:
        try:
            with open(self._mark, encoding="ascii") as file:
                noted = file.read()
        except FileNotFoundError:
            return
        if noted != _namespace("self") and any(
            _namespace(one) == noted for one in os.listdir("/proc") if one.isdigit()
        ):
            name = self._container.name
            raise Conflict(
                f"container {name} is mounted in another session", f"rootless build umount {name}"
            )


def _namespace(process: str) -> str:
    """Return the mount namespace of a process; "" where it is nobody's whom we know."""
    try:
        return os.readlink(f"/proc/{process}/ns/mnt")
    except OSError:
        return ""
