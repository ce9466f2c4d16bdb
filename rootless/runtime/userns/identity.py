"""Whose ids the containers get: the modes mapped, single and root, chosen by looking.

    mapped  subordinate ids and newuidmap: uid 0 inside is the user, 1... are the subordinate ids
    single  none of them: uid 0 inside is the user, and nobody else exists
    root    we are root already and may write a map ourselves: mapped, with a range of our own

`ROOTLESS_IDENTITY` overrides the choice. See user_namespaces(7), subuid(5).
"""

from __future__ import annotations

import os
import stat

from rootless.errors import HostError
from rootless.linux.caps import no_new_privs

TYPE_CHECKING = False
if TYPE_CHECKING:
    Extent = tuple[int, int, int]
    """(first id inside, first id outside, how many)"""

MODES = ("mapped", "single", "root")

HELPERS = (("newuidmap", 7), ("newgidmap", 6))
"""The programs that write maps, and the capabilities that they need: CAP_SETUID, CAP_SETGID."""

ROOT_RANGE = (0x70000000, 65536)
"""Where root's containers live when nothing else is said: above the ranges that distributions give
to users and that systemd (UIDS-GIDS.md) keeps for its containers and dynamic users."""


class Identity:
    """A mode and the maps that belong to it."""

    def __init__(self, mode: str, uid_map: list[Extent], gid_map: list[Extent]) -> None:
        self.mode = mode
        self.uid_map = uid_map
        self.gid_map = gid_map

    @property
    def helper(self) -> bool:
        """Whether the maps must be written by newuidmap and newgidmap."""
        return self.mode == "mapped"


def detect() -> Identity:
    """Choose the identity mode for this user on this host.

    Raises HostError where ROOTLESS_IDENTITY asks for what cannot be had.
    """
    asked = os.environ.get("ROOTLESS_IDENTITY", "")
    if asked and asked not in MODES:
        raise HostError(f"ROOTLESS_IDENTITY={asked} is none of {', '.join(MODES)}")
    if asked in ("", "root") and may_map_any():
        identity = _root()
        # Root of a namespace with nobody else in it (unshare -r): that is single.
        alone = sum(count for _, _, count in identity.uid_map) == 1
        return _single() if alone and not asked else identity
    if asked in ("", "mapped"):
        mapped = _mapped()
        if mapped is not None:
            return mapped
    if asked in ("mapped", "root"):
        raise HostError(
            f"identity mode {asked} cannot be had here", "rootless doctor says what is missing"
        )
    return _single()


def _single() -> Identity:
    return Identity("single", [(0, os.geteuid(), 1)], [(0, os.getegid(), 1)])


def may_map_any() -> bool:
    """Whether this process may write any id map: root with CAP_SETUID and CAP_SETGID."""
    if os.geteuid() != 0:
        return False
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("CapEff:"):
                wanted = 1 << 6 | 1 << 7  # CAP_SETGID, CAP_SETUID
                return int(line.split()[1], 16) & wanted == wanted
    return False


def _root() -> Identity:
    return Identity("root", _root_map("/etc/subuid", "uid"), _root_map("/etc/subgid", "gid"))


def _root_map(path: str, kind: str) -> list[Extent]:
    """Root's own range, else ours, else (nested, neither is mapped) all ids that there are."""
    ranges = subordinate(path, 0) or [ROOT_RANGE]
    extents = _stack(0, ranges)
    ours = current_map(kind)
    if all(_covered(ours, outside, count) for _, outside, count in extents):
        return extents
    return [(inside, inside, count) for inside, _, count in ours]


def _covered(extents: list[Extent], first: int, count: int) -> bool:
    return any(
        inside <= first and first + count <= inside + length for inside, _, length in extents
    )


def current_map(kind: str) -> list[Extent]:
    """Return /proc/self/uid_map (kind "uid") or gid_map (kind "gid")."""
    with open(f"/proc/self/{kind}_map", encoding="utf-8") as file:
        rows = [line.split() for line in file]
    return [(int(inside), int(outside), int(count)) for inside, outside, count in rows]


def _mapped() -> Identity | None:
    """Return the mapped identity, or None without subordinate ids or helpers that can map them."""
    uids = subordinate("/etc/subuid", os.getuid())
    gids = subordinate("/etc/subgid", os.getuid())
    if not uids or not gids or any(helper_problem(*helper) for helper in HELPERS):
        return None
    for kind, ranges in (("uid", uids), ("gid", gids)):
        # In an outer container the file may speak of ids that are not mapped into it.
        ours = current_map(kind)
        if not all(_covered(ours, first, count) for first, count in ranges):
            return None
    return Identity("mapped", _stack(os.geteuid(), uids), _stack(os.getegid(), gids))


def helper_problem(name: str, capability: int) -> str:
    """Return what keeps newuidmap or newgidmap from its privilege `capability`, else ""."""
    path = find_program(name)
    if not path:
        return f"{name} is not installed"
    status = os.stat(path)
    if not (status.st_mode & stat.S_ISUID and status.st_uid == 0):
        try:
            # struct vfs_cap_data of linux/capability.h: the permitted set is the second word.
            attribute = os.getxattr(path, "security.capability")
        except OSError:
            attribute = b""
        if not int.from_bytes(attribute[4:8], "little") >> capability & 1:
            return f"{path} is neither set-uid root nor has file capabilities"
    if os.statvfs(path).f_flag & os.ST_NOSUID:
        return f"{path} lies on a file system mounted nosuid"
    if no_new_privs():
        return f"{path} cannot gain privileges: this process has no_new_privs set"
    return ""


def _stack(first: int, ranges: list[tuple[int, int]]) -> list[Extent]:
    """Put id `first` at 0 and `ranges` behind it, without a gap."""
    extents = [(0, first, 1)]
    inside = 1
    for start, count in ranges:
        extents.append((inside, start, count))
        inside += count
    return extents


def subordinate(path: str, uid: int) -> list[tuple[int, int]]:
    """Return the ranges (start, count) that subuid(5) or subgid(5) at `path` gives to `uid`.

    Lines may name the user or give the uid. Ranges that only a directory service knows
    (nsswitch `subid`) are not seen here; `rootless doctor` says so.
    """
    names = {str(uid)}
    try:
        import pwd

        names.add(pwd.getpwuid(uid).pw_name)
    except KeyError:
        pass  # a uid without a name, as in many containers
    ranges = []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.strip().split(":")
                if len(fields) == 3 and fields[0] in names and fields[1].isdigit():
                    ranges.append((int(fields[1]), int(fields[2] or 0)))
    except OSError:
        pass  # missing or unreadable means: none
    return ranges


def find_program(name: str) -> str:
    """Return the path of an executable on PATH (and where administrators keep theirs), else ""."""
    directories = os.environ.get("PATH", "").split(":")
    for directory in [*directories, "/usr/bin", "/usr/sbin", "/usr/local/bin"]:
        path = f"{directory}/{name}"
        if directory.startswith("/") and os.access(path, os.X_OK):
            return path
    return ""
