"""Lines of /etc/passwd and /etc/group for users that the image does not know, as podman has them.

The changed copies lie in the container's directory and are bound over the image's files.
"""

from __future__ import annotations

import os
import stat

from rootless.linux.openat2 import open_in_root
from rootless.runtime.launch import users
from rootless.runtime.tree import operations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.launch.users import User
    from rootless.runtime.spec import Account, Private
    from rootless.runtime.tree.tree import Tree


class Accounts:
    """The two files of one container that starts."""

    def __init__(self, tree: Tree, directory: str, wishes: Private) -> None:
        """`directory` is the container's own on the host."""
        self._tree = tree
        self._directory = directory
        self._wishes = wishes
        self._bound: set[str] = set()

    def introduce(self) -> None:
        """Give users of the host lines of their own, by the names that they have there."""
        for account in self._wishes.get("hostusers") or ():
            names, ids = self._known("passwd")
            if account["name"] not in names and str(account["uid"]) not in ids:
                self._add_user(account)
        if own := self._wishes.get("account"):
            self._introduce(own)

    def _introduce(self, account: Account) -> None:
        """Give the user, whose ids the container keeps, and his group their own names."""
        uid, gid = account["uid"], account["gid"]
        name, group = account["name"], account["group"]
        names, ids = self._known("passwd")
        if str(uid) not in ids:
            name = str(uid) if name in names else name  # somebody else's in there
            self._add_user({**account, "name": name})
        names, ids = self._known("group")
        if str(gid) not in ids:
            group = str(gid) if group in names else group
            self._add_group(group, gid, name)

    def add(self, user: User) -> None:
        """Give a uid without a name a line, and its group where that has none either."""
        name = str(user.uid)
        self._add_user(
            {
                "name": name,
                "full_name": name,
                "uid": user.uid,
                "group": "",
                "gid": user.gid,
                "home": user.home,
            }
        )
        if str(user.gid) not in self._known("group")[1]:
            self._add_group(str(user.gid), user.gid, name)

    def _add_user(self, account: Account) -> None:
        values = {
            "$USERNAME": account["name"],
            "$UID": str(account["uid"]),
            "$GID": str(account["gid"]),
            "$NAME": account.get("full_name", ""),
            "$HOME": account["home"],
        }
        for name, value in values.items():
            if {":", "\n"} & set(value):  # it would be more than a column
                values[name] = "/" if name == "$HOME" else ""
        usual = "$USERNAME:*:$UID:$GID:$NAME:$HOME:/bin/sh"
        self._append("passwd", _filled(self._wishes.get("passwd_entry") or usual, values))

    def _add_group(self, name: str, gid: int, member: str) -> None:
        values = {"$GROUPNAME": name, "$GID": str(gid), "$USERLIST": member}
        usual = "$GROUPNAME:x:$GID:$USERLIST"
        self._append("group", _filled(self._wishes.get("group_entry") or usual, values))

    def _known(self, file: str) -> tuple[set[str], set[str]]:
        """The names that a file has, and the ids."""
        text = (self._read(file) or b"").decode("utf-8", "surrogateescape")
        rows = [line.split(":") for line in text.split("\n")]
        return {row[0] for row in rows}, {row[2] for row in rows if len(row) > 2}

    def _append(self, file: str, line: str) -> None:
        text = self._read(file) if self._wishes.get("passwd", True) else None
        if text is None:
            return  # an image without users needs none
        if text and not text.endswith(b"\n"):
            text += b"\n"
        path = f"{self._directory}/{file}"
        with open(path, "wb") as copy:
            copy.write(text + line.encode("utf-8", "surrogateescape") + b"\n")
        os.chmod(path, 0o644)
        self._tree.give(path)
        if file not in self._bound:
            operations.Bind(path, f"/etc/{file}", ["bind"]).apply(self._tree)
            self._bound.add(file)

    def _read(self, file: str) -> bytes | None:
        """The container's file; None where there is none that can be read."""
        try:
            fd = open_in_root(self._tree.root, f"/etc/{file}", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return None  # a directory, or a fifo that nobody would ever write to
            return os.read(fd, users.MAX_FILE)
        finally:
            os.close(fd)


def _filled(text: str, values: dict[str, str]) -> str:
    """Return a line with the values of its variables."""
    for name, value in values.items():
        text = text.replace(name, value)
    return text
