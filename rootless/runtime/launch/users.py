"""Users and groups by the container's own /etc/passwd and /etc/group (passwd(5), group(5))."""

from __future__ import annotations

import os

from rootless.errors import LaunchError
from rootless.linux.openat2 import open_in_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_FILE = 4 << 20
"""Bytes of a passwd or group file that are read; the image may be hostile."""

_MAX_ID = (1 << 32) - 2
_MAX_GROUPS = 65536
"""NGROUPS_MAX of linux/limits.h."""


class User:
    """Who the container's process is."""

    def __init__(self, uid: int, gid: int, groups: list[int], name: str, home: str) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups
        """Supplementary groups, `gid` first."""
        self.name = name
        """Name in the container's /etc/passwd, "" where the uid has none."""
        self.home = home


def resolve(root: int, asked: str, extra_groups: Iterable[str] = ()) -> User:
    """Return the user that `asked` ("", "name", "uid", "name:group", ...) means below `root`.

    `root` is a descriptor of the container's root directory. As docker has it, a number is always
    an id, and its group is the one in /etc/passwd, else 0. An image that names its root 1000, or a
    number that is too large to be an id, changes nothing about that (CVE-2026-46680). The group is
    among the supplementary ones, too, as after a login: or a program that changes its group would
    lose it, and with it what a file denies to that group (CVE-2022-2989, CVE-2022-36109).
    Raises LaunchError for a name that does not exist, or for more groups than the kernel takes.
    """
    name, _, group = asked.partition(":")
    users = _table(root, "/etc/passwd", 7)
    groups = _table(root, "/etc/group", 4)
    user = _find_user(users, name or "0")
    if group:
        user.gid = _find_group(groups, group)
    else:
        # Only a user taken whole gets the groups that list it as a member.
        user.groups += [
            gid
            for row in groups
            if user.name and user.name in row[3].split(",") and (gid := _number(row[2])) >= 0
        ]
    user.groups += [_find_group(groups, extra) for extra in extra_groups]
    user.groups = list(dict.fromkeys([user.gid, *user.groups]))
    if len(user.groups) > _MAX_GROUPS:
        raise LaunchError(
            f"user {asked or user.name or user.uid} is in {len(user.groups)} groups: "
            f"the kernel takes {_MAX_GROUPS}",
            "correct the image's /etc/group, or name a group: -u USER:GROUP",
        )
    return user


def name_of(root: int, path: str, number: int) -> str:
    """Return the name of an id in passwd or group (`path`) below `root`, else the number."""
    for row in _table(root, path, 3):
        if _number(row[2]) == number:
            return row[0]
    return str(number)


def _find_user(users: list[list[str]], name: str) -> User:
    number = _number(name)
    for row in users:
        if _number(row[2]) == number >= 0 if _is_numeric(name) else row[0] == name:
            uid, gid = _number(row[2]), _number(row[3])
            if uid >= 0 and gid >= 0:
                return User(uid, gid, [], row[0], row[5] or "/")
    if number < 0:
        raise LaunchError(
            f"unable to find user {name}: no matching entries in passwd file",
            "name a user of the image, or give a number",
        )
    return User(number, 0, [], "", "/")


def _find_group(groups: list[list[str]], name: str) -> int:
    for row in groups:
        if row[0] == name and (gid := _number(row[2])) >= 0 and not _is_numeric(name):
            return gid
    number = _number(name)
    if number < 0:
        raise LaunchError(
            f"unable to find group {name}: no matching entries in group file",
            "name a group of the image, or give a number",
        )
    return number


def _is_numeric(name: str) -> bool:
    return name.lstrip("+-").isdigit()


def _number(text: str) -> int:
    """Return the id that `text` spells, -1 where it spells none."""
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _MAX_ID:
        return int(text)
    return -1


def _table(root: int, path: str, columns: int) -> list[list[str]]:
    """Return the rows of a colon-separated file below `root`; none where it cannot be read."""
    try:
        fd = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return []
    try:
        text = os.read(fd, MAX_FILE).decode("utf-8", "surrogateescape")
    except OSError:
        return []
    finally:
        os.close(fd)
    rows = [line.split(":") for line in text.split("\n")]
    return [row for row in rows if len(row) >= columns]
