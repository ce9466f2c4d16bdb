"""`--chown` and USER: names of users and groups, looked up in a stage's own files."""

from __future__ import annotations

import os

from rootless.build.files.trees import resolve
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.files.trees import Tree

_MOST = 1 << 20
"""Bytes that are read of such a file."""


def owner(tree: Tree, text: str) -> tuple[int, int]:
    """Return uid and gid of USER[:GROUP]. Raises UsageError for a name that is not there.

    Without a group it is that of the user's entry for a name, and the same number for a number.
    """
    user, colon, group = text.partition(":")
    uid, primary = _user(tree, user) if user else (0, 0)
    gid = _group(tree, group) if colon and group else primary
    return uid, gid


def _user(tree: Tree, name: str) -> tuple[int, int]:
    if name.isascii() and name.isdecimal():
        return _number(name), _number(name)
    for row in _table(tree, "etc/passwd"):
        if row[0] == name and len(row) > 3 and row[2].isdecimal() and row[3].isdecimal():
            return int(row[2]), int(row[3])
    raise UsageError(f"no user {name!r:.100} in /etc/passwd", "name him by number, or make him")


def _group(tree: Tree, name: str) -> int:
    if name.isascii() and name.isdecimal():
        return _number(name)
    for row in _table(tree, "etc/group"):
        if row[0] == name and len(row) > 2 and row[2].isdecimal():
            return int(row[2])
    raise UsageError(f"no group {name!r:.100} in /etc/group", "name it by number, or make it")


def _number(text: str) -> int:
    number = int(text)
    if number >= 1 << 32:
        raise UsageError(f"{text!r:.40} is no id: the largest is 4294967295")
    return number


def _table(tree: Tree, path: str) -> list[list[str]]:
    node = tree.look(resolve(tree, path))
    if node is None or node.is_directory:
        return []
    fd = tree.open(node)
    try:
        data = os.read(fd, _MOST)
    finally:
        os.close(fd)
    return [line.split(":") for line in data.decode("utf-8", "replace").splitlines()]
