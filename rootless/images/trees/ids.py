"""The ids of what a container has made, as the container saw them (`runtime.userns.shift`).

A second user namespace may show the ids of the store's as others: with `--userns keep-id`, or for
any user where one id exists. What was unpacked from an image keeps the owners of the image.

Where the layers were shown with owners of their own (images.trees.skeletons) every file that the
container has written has one id only, which `shift.Owners.shown` tells: see `views.Layer`. With
`keep-id:shared`, in containers of old and where one id exists, root's files and the user's own are
the same on the disk.
"""

from __future__ import annotations

import os

from rootless.errors import LaunchError
from rootless.runtime.launch import users
from rootless.runtime.userns import shift

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.trees.views import View
    from rootless.runtime.userns.identity import Extent, Identity


class Ids:
    """The map of one container; `look` comes first, inside the user namespace."""

    def __init__(self, who: Identity, userns: str, user: str) -> None:
        """`userns` and `user` are the container's, as its specification has them."""
        self._who = who
        self._userns = userns
        self._user = user
        self._maps: tuple[list[Extent], list[Extent]] | None = None

    def look(self, root: View) -> None:
        """Find out who the container's user is, where that matters, by its own /etc/passwd."""
        uid = gid = 0
        try:
            if self._who.mode == "single" and self._user:
                user = _resolve(root, self._user)
                uid, gid = user.uid, user.gid
            change = shift.wanted(self._userns, self._who, uid, gid)
        except LaunchError:
            return  # it never ran
        if change is not None:
            self._maps = (change.uid_map, change.gid_map)

    def shown(self, uid: int, gid: int) -> tuple[int, int]:
        """Return the owner as the container sees it."""
        if self._maps is None:
            return uid, gid
        return shift.Owners(*self._maps).shown(uid, gid)


def _resolve(root: View, user: str) -> users.User:
    """Look the user up in the topmost layer that has users. Raises LaunchError."""
    for _, directory in root.parts:
        try:
            os.lstat("etc/passwd", dir_fd=directory.fd)
        except OSError:
            continue
        return users.resolve(directory.fd, user)
    return users.resolve(-1, user)  # by number only
