"""Whether two unpacked layers are the same: kinds, modes, owners, attributes and every byte."""

from __future__ import annotations

import os
import stat

from rootless.oci import jsonio
from rootless.oci.digest import CHUNK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def difference(one: str, other: str) -> str:
    """Return the first path that is not the same below both directories, "" where all is.

    The entry `boot` at the top is left out (a mark, not content). Times are compared for files
    below the top only: what stands there and directories that a layer does not speak of have that
    of their unpacking. Raises nothing for
    a tree that is not there or cannot be read: that is a difference.
    """
    try:
        return next(_differences(one, other, ""), "")
    except OSError as error:
        return str(error.filename or one)


def _differences(one: str, other: str, below: str) -> Iterator[str]:
    names = {name for name in (*os.listdir(one), *os.listdir(other)) if below or name != "boot"}
    for name in sorted(names):
        path = f"{below}/{name}"
        mine, theirs = f"{one}/{name}", f"{other}/{name}"
        if not os.path.lexists(mine) or not os.path.lexists(theirs):
            yield path
            continue
        if path == "/layer.json":
            if _record(mine) != _record(theirs):
                yield path
            continue
        status = os.lstat(mine)
        if _identity(mine, status, below) != _identity(theirs, os.lstat(theirs), below):
            yield path
        elif stat.S_ISREG(status.st_mode):
            if not _same_bytes(mine, theirs):
                yield path
        elif stat.S_ISDIR(status.st_mode):
            yield from _differences(mine, theirs, path)


def _record(path: str) -> object:
    """What layer.json says. Earlier releases did not count set-user-id programs in it."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        record = jsonio.loads(data)
    except ValueError:
        return data
    return {"setid": 0, **record} if isinstance(record, dict) else data


def _identity(path: str, status: os.stat_result, below: str) -> object:
    """What has to be equal apart from the content of a file."""
    mode = status.st_mode
    attributes = {
        key: os.getxattr(path, key, follow_symlinks=False)
        for key in os.listxattr(path, follow_symlinks=False)
    }
    what: object = status.st_rdev
    if stat.S_ISLNK(mode):
        what = os.readlink(path)
    elif stat.S_ISREG(mode):
        what = (status.st_size, int(status.st_mtime) if below else 0)
    return (mode, status.st_uid, status.st_gid, what, attributes)


def _same_bytes(one: str, other: str) -> bool:
    with open(one, "rb") as mine, open(other, "rb") as theirs:
        while True:
            piece = mine.read(CHUNK)
            if piece != theirs.read(CHUNK):
                return False
            if not piece:
                return True
