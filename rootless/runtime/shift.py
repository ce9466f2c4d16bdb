"""A second user namespace, inside U, that shows the same ids under other numbers.

`--userns keep-id` shows the user as his own uid, `nomap` hides him, and where only one id
exists any user of the image is that one. The namespace is made last, when everything is mounted,
so that all other namespaces stay owned by U and images need no change of owners.
"""

from __future__ import annotations

import os

from rootless.errors import LaunchError
from rootless.linux import namespaces
from rootless.linux.process import set_dumpable
from rootless.runtime.userns import format_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.identity import Extent, Identity


class Shift:
    """Maps from the container's ids to those of U."""

    def __init__(self, uid_map: list[Extent], gid_map: list[Extent], *, single: bool) -> None:
        self.uid_map = uid_map
        self.gid_map = gid_map
        self.single = single
        # The new namespace's maps are written through the outer /proc, which is out of reach
        # by name once the container's root is entered.
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._pid = os.readlink("/proc/self")

    def apply(self) -> None:
        """Enter the new namespace. Raises OSError or LaunchError."""
        ready, done = os.pipe(), os.pipe()
        # A map of several ids must be written from outside the new namespace (user_namespaces(7)).
        writer = 0 if self.single else os.fork()
        if writer == 0 and not self.single:
            self._write_from_outside(ready, done)
        # The files below /proc/PID belong to the container's root only while we are dumpable.
        # Nothing of the container runs yet that could make use of it.
        set_dumpable(True)
        namespaces.unshare(namespaces.CLONE_NEWUSER)
        if self.single:
            self._write("setgroups", "deny")
            self._write_maps()
        else:
            os.write(ready[1], b"u")
            os.close(done[1])
            if os.read(done[0], 1) != b"m":
                raise LaunchError("cannot map the ids of the container's user namespace")
            os.waitpid(writer, 0)
        set_dumpable(False)
        for fd in (*ready, done[0], self._proc):
            os.close(fd)
        if self.single:
            os.close(done[1])

    def _write_from_outside(self, ready: tuple[int, int], done: tuple[int, int]) -> None:
        try:
            os.close(ready[1])
            if os.read(ready[0], 1) == b"u":
                self._write_maps()
                os.write(done[1], b"m")
        finally:
            os._exit(0)

    def _write_maps(self) -> None:
        self._write("uid_map", format_map(self.uid_map))
        self._write("gid_map", format_map(self.gid_map))

    def _write(self, name: str, text: str) -> None:
        fd = os.open(f"{self._pid}/{name}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)


def wanted(userns: str, who: Identity, uid: int, gid: int) -> Shift | None:
    """Return the shift that `userns` (see options.Private) means for a process of `uid`:`gid`.

    None where the ids of U are right as they are. Raises LaunchError for a map that cannot be.
    """
    if who.mode == "single":
        if userns == "nomap":
            raise LaunchError(
                "cannot hide the user (--userns nomap): no other id exists here",
                "subordinate ids would be needed; rootless doctor says how to get them",
            )
        if (uid, gid) == (0, 0):
            return None
        return Shift([(uid, 0, 1)], [(gid, 0, 1)], single=True)
    mode, _, rest = userns.partition(":")
    uids = sum(count for _, _, count in who.uid_map)
    gids = sum(count for _, _, count in who.gid_map)
    if mode == "keep-id":
        ids = dict(item.partition("=")[::2] for item in rest.split(","))
        mine, my_group = int(ids["uid"]), int(ids["gid"])
        return Shift(_around(mine, uids), _around(my_group, gids), single=False)
    if mode == "nomap":
        return Shift([(0, 1, uids - 1)], [(0, 1, gids - 1)], single=False)
    return None


def _around(mine: int, total: int) -> list[Extent]:
    """Map `mine` to 0 of U and all other ids to those that are left, in order."""
    if mine >= total:
        return [(0, 1, total - 1), (mine, 0, 1)]
    extents = [(0, 1, mine), (mine, 0, 1), (mine + 1, mine + 1, total - mine - 1)]
    return [extent for extent in extents if extent[2] > 0]
