"""A second user namespace, inside U, that shows the same ids under other numbers.

`--userns keep-id` shows the user as his own uid, `nomap` hides him, and where only one id
exists any user of the image is that one. The namespace is made last, when everything is mounted,
so that all other namespaces stay owned by U.

What belongs to root of the image is to be root's in there, too, and that is another id of U. So
the layers are shown with owners shifted the other way (images.trees.skeletons), and what the
engine makes in the container's tree is given to the `Owners` that its root is.
"""

from __future__ import annotations

import errno
import os

from rootless.errors import LaunchError, named
from rootless.linux import namespaces
from rootless.linux.process import set_dumpable
from rootless.runtime.userns.namespace import format_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.spec import Private
    from rootless.runtime.userns.identity import Extent, Identity


class Owners:
    """The ids of U that the container shows as others."""

    def __init__(self, uid_map: list[Extent], gid_map: list[Extent]) -> None:
        self.uid_map = uid_map
        self.gid_map = gid_map

    def uid(self, number: int) -> int:
        """Return the uid of U that is shown as `number`. Raises LaunchError where there is none."""
        return in_parent(number, self.uid_map)

    def gid(self, number: int) -> int:
        """Return the gid of U that is shown as `number`. Raises LaunchError where there is none."""
        return in_parent(number, self.gid_map)

    @property
    def root(self) -> tuple[int, int]:
        """Who root of the container is in U."""
        return self.uid(0), self.gid(0)

    def shown(self, uid: int, gid: int) -> tuple[int, int]:
        """Return how the container shows an owner of U; an id that it does not show stays."""
        return _inside(uid, self.uid_map), _inside(gid, self.gid_map)


class Shift:
    """Maps from the container's ids to those of U."""

    def __init__(
        self, uid_map: list[Extent], gid_map: list[Extent], *, single: bool, proc: int = -1
    ) -> None:
        """`proc` is a descriptor of the outer /proc, which is closed here."""
        self.uid_map = uid_map
        self.gid_map = gid_map
        self.single = single
        # The new namespace's maps are written through the outer /proc, which is out of reach
        # by name once the container's root is entered.
        self._proc = outer_proc() if proc < 0 else proc
        self._pid = os.readlink("self", dir_fd=self._proc)

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


class OneId:
    """The way to any user of a container that runs where one id exists, for a further process.

    Its first process is in U as root, or else in a namespace inside U, which shows that id as
    another. Who is to be the same as it goes there, too; for others there is one more, made last.
    """

    def __init__(self, pid: int) -> None:
        """`pid` is a process of the container. Raises OSError where it has ended."""
        self._user = _first_id(pid, "uid_map"), _first_id(pid, "gid_map")
        self._theirs = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        self._proc = outer_proc()

    def filenos(self) -> tuple[int, int]:
        """What is needed until `become`."""
        return self._theirs, self._proc

    def enter(self) -> None:
        """Enter U, which owns the container's other namespaces."""
        if self._user == _ROOT:
            namespaces.setns(self._theirs, namespaces.CLONE_NEWUSER)
            return
        shared = namespaces.parent(self._theirs)
        namespaces.setns(shared, namespaces.CLONE_NEWUSER)
        os.close(shared)

    def become(self, uid: int, gid: int) -> None:
        """Have the one id shown as `uid` and `gid`."""
        if (uid, gid) not in (self._user, _ROOT):
            Shift([(uid, 0, 1)], [(gid, 0, 1)], single=True, proc=self._proc).apply()
        else:
            os.close(self._proc)
            if (uid, gid) != _ROOT:
                namespaces.setns(self._theirs, namespaces.CLONE_NEWUSER)
        os.close(self._theirs)


_ROOT = (0, 0)


def outer_proc() -> int:
    """Return a descriptor of /proc."""
    return os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _first_id(pid: int, name: str) -> int:
    with open(f"/proc/{pid}/{name}", encoding="utf-8") as file:
        return int(file.readline().split()[0])


def become_root() -> None:
    """Be root of the new namespace: what is still made, such as the working directory, is his."""
    try:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise  # else one id exists, and it is not root's
    set_dumpable(False)  # another user may be, as the kernel is set (proc(5), suid_dumpable)


def wanted(userns: str, who: Identity, uid: int, gid: int) -> Shift | None:
    """Return the shift that `userns` (see runtime.spec.Private) means for a process of `uid`:`gid`.

    None where the ids of U are right as they are. Raises LaunchError for a map that cannot be.
    """
    if who.mode == "single" and not userns.startswith("map:"):
        if userns == "nomap":
            raise LaunchError(
                f"cannot hide the user ({named('userns')} nomap): no other id exists here",
                "subordinate ids would be needed; rootless doctor says how to get them",
            )
        if (uid, gid) == (0, 0):
            return None
        return Shift([(uid, 0, 1)], [(gid, 0, 1)], single=True)
    owners = owners_of(userns, who)
    if owners is None:
        return None
    uids, gids = _split(owners.uid_map, who.uid_map), _split(owners.gid_map, who.gid_map)
    return Shift(uids, gids, single=False)


def _split(wanted_map: list[Extent], here: list[Extent]) -> list[Extent]:
    """Return a map in parts of which each lies in one extent of U's own, `here`.

    The kernel takes no others (map_id_range_down in kernel/user_namespace.c), and who has two lines
    in /etc/subuid has two extents. Ids that U has not are left out.
    """
    found = []
    for inside, outside, count in wanted_map:
        for first, _, length in here:
            start, end = max(outside, first), min(outside + count, first + length)
            if start < end:
                found.append((inside + start - outside, start, end - start))
    return found


def owners_of(userns: str, who: Identity) -> Owners | None:
    """Return the ids that `userns` means where many exist; None where those of U are right."""
    mode, _, rest = userns.partition(":")
    uids, gids = _end(who.uid_map), _end(who.gid_map)
    if mode == "keep-id":
        ids = dict(item.partition("=")[::2] for item in rest.split(","))
        return Owners(_around(int(ids["uid"]), uids), _around(int(ids["gid"]), gids))
    if mode == "map":
        ids = dict(item.partition("=")[::2] for item in rest.split(","))
        return Owners(_extents(ids["uid"]), _extents(ids["gid"]))
    if mode == "nomap":
        return Owners([(0, 1, uids - 1)], [(0, 1, gids - 1)])
    return None


def unchanged(who: Identity) -> Owners:
    """Return the ids of U as themselves."""
    uids, gids = _end(who.uid_map), _end(who.gid_map)
    return Owners([(0, 0, uids)], [(0, 0, gids)])


def apparent(private: Private, who: Identity) -> Owners | None:
    """Return whose the files of a container are on the disk; None where the ids of U are right.

    That is so where there is one id, and with `keep-id:shared`, as with all containers of old.
    """
    if who.mode == "single" or not private.get("shifted"):
        return None
    owners = owners_of(private["userns"], who)
    own = private["userns"].startswith("map:") or (owners is not None and owners.root != (0, 0))
    return owners if own else None


def check(userns: str, who: Identity) -> None:
    """Raise LaunchError for maps of ids that there are not."""
    if not userns.startswith("map:"):
        return
    found = owners_of(userns, who)
    maps = ((found.uid_map, who.uid_map), (found.gid_map, who.gid_map)) if found else ()
    for field, (wanted_map, here) in zip(("uidmap", "gidmap"), maps, strict=False):
        total = _end(here)
        last = max(first + count for _, first, count in wanted_map)
        if last > total:
            raise LaunchError(
                f"cannot map ids up to {last - 1} ({named(field)}): there are {total} here, from 0",
                f"{named('userns')} keep-id and nomap take what there is; "
                "rootless doctor says how to get more",
            )


def _end(extents: list[Extent]) -> int:
    """Return the first id behind all of U's."""
    return max(first + count for first, _, count in extents)


def _extents(text: str) -> list[Extent]:
    numbers = (one.split("-") for one in text.split("+"))
    return [(int(inside), int(outside), int(count)) for inside, outside, count in numbers]


def _around(mine: int, total: int) -> list[Extent]:
    """Map `mine` to 0 of U and all other ids to those that are left, in order."""
    if mine >= total:
        return [(0, 1, total - 1), (mine, 0, 1)]
    extents = [(0, 1, mine), (mine, 0, 1), (mine + 1, mine + 1, total - mine - 1)]
    return [extent for extent in extents if extent[2] > 0]


def in_parent(number: int, extents: list[Extent]) -> int:
    """Return the id of U that a nested namespace with the map `extents` shows as `number`.

    Raises LaunchError where it shows none.
    """
    for inside, outside, count in extents:
        if inside <= number < inside + count:
            return outside + number - inside
    raise LaunchError(
        f"the id {number} is not mapped into the container",
        f"choose another user or {named('userns')}",
    )


def _inside(number: int, extents: list[Extent]) -> int:
    for inside, outside, count in extents:
        if outside <= number < outside + count:
            return inside + number - outside
    return number
