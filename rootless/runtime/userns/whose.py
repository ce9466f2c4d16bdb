"""Whose a file is that a container is not to have, in words: for errors about mounts."""

from __future__ import annotations

import os

from rootless.errors import HostError
from rootless.runtime.userns import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.userns.identity import Identity


def explained(path: str, *, write: bool = False) -> str:
    """Return who keeps us from a path, and what helps; "" where no owner does."""
    place = _barrier(path, os.W_OK | os.X_OK if write else os.X_OK)
    if not place:
        return ""
    owner = os.stat(place).st_uid
    try:
        who = identity.detect()
    except HostError:
        return ""
    if owner == os.geteuid():
        return f"{place} is yours, but its mode keeps you out: chmod u+rwx {place}"
    inside = _inside(who, owner)
    if inside >= 0:
        return (
            f"{place} belongs to user {inside} of your containers, which is {owner} here: "
            f"rootless unshare chown 0:0 {place} gives it to you, U at the mount to their user"
        )
    return (
        f"{place} belongs to {_name(owner)}, and containers have your own id and the "
        f"{_others(who)} subordinate ones: their root has your rights there, no option gives more"
    )


def _barrier(path: str, wanted: int) -> str:
    """Return the first directory on the way that we may not use so."""
    place = ""
    for step in ["/", *os.path.abspath(path).strip("/").split("/")]:
        following = os.path.join(place, step)
        if place and not os.path.lexists(following):
            return place if not os.access(place, wanted) else ""
        if os.path.isdir(following) and not os.access(following, os.X_OK):
            return following
        place = following
    return ""


def _inside(who: Identity, owner: int) -> int:
    """Return what an id of this machine is in containers; -1 for none."""
    for inside, outside, count in who.uid_map:
        if outside <= owner < outside + count:
            return inside + owner - outside
    return -1


def _others(who: Identity) -> str:
    count = sum(count for _, _, count in who.uid_map) - 1
    return str(count) if count > 0 else "no"


def _name(owner: int) -> str:
    import pwd

    try:
        return f"{pwd.getpwuid(owner).pw_name} of this machine"
    except KeyError:
        return f"the id {owner} of this machine"
