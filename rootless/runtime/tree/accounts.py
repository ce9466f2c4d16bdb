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
    from rootless.runtime.spec import Account
    from rootless.runtime.tree.tree import Tree


class Accounts:
    """The two files of one container that starts."""

    def __init__(self, tree: Tree, directory: str) -> None:
        """`directory` is the container's own on the host."""
        self._tree = tree
        self._directory = directory
        self._bound: set[str] = set()

    def introduce(self, account: Account) -> None:
        """Give the user, whose ids the container keeps, and his group their own names."""
        uid, gid = account["uid"], account["gid"]
        name, group = account["name"], account["group"]
        home = account["home"] if not {":", "\n"} & set(account["home"]) else "/"
        names, ids = self._known("passwd")
        if str(uid) not in ids:
            name = str(uid) if name in names else name  # somebody else's in there
            self._append("passwd", f"{name}:*:{uid}:{gid}::{home}:/bin/sh")
        names, ids = self._known("group")
        if str(gid) not in ids:
            group = str(gid) if group in names else group
            self._append("group", f"{group}:x:{gid}:{name}")

    def add(self, user: User) -> None:
        """Give a uid without a name a line, and its group where that has none either."""
        name = str(user.uid)
        self._append("passwd", f"{name}:*:{user.uid}:{user.gid}:{name}:{user.home}:/bin/sh")
        if str(user.gid) not in self._known("group")[1]:
            self._append("group", f"{user.gid}:x:{user.gid}:{name}")

    def _known(self, file: str) -> tuple[set[str], set[str]]:
        """The names that a file has, and the ids."""
        text = (self._read(file) or b"").decode("utf-8", "surrogateescape")
        rows = [line.split(":") for line in text.split("\n")]
        return {row[0] for row in rows}, {row[2] for row in rows if len(row) > 2}

    def _append(self, file: str, line: str) -> None:
        text = self._read(file)
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
