"""Bind mounts: by descriptors (open_tree(2), move_mount(2), mount_setattr(2)), else by mount(2).

The calls by descriptor came with Linux 5.2 and 5.12; outer containers' seccomp filters may refuse
them (ENOSYS or EPERM) where they allow mount(2).
"""

from __future__ import annotations

import errno
import os

from rootless.errors import LaunchError
from rootless.linux import mount as m

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.tree.mount_options import Options

MISSING = (errno.ENOSYS, errno.EPERM)
"""What an old kernel or an outer seccomp filter answers to a system call that is not to be had."""

_SETTABLE = m.MS_RDONLY | m.MS_NOSUID | m.MS_NODEV | m.MS_NOEXEC

_KEPT = {
    os.ST_RDONLY: m.MS_RDONLY,
    os.ST_NOSUID: m.MS_NOSUID,
    os.ST_NODEV: m.MS_NODEV,
    os.ST_NOEXEC: m.MS_NOEXEC,
    os.ST_NOATIME: m.MS_NOATIME,
    os.ST_NODIRATIME: m.MS_NODIRATIME,
    os.ST_RELATIME: m.MS_RELATIME,
}
"""statvfs(3) flags that a remount has to repeat, as mount(2) writes them."""


OWN = ("proc", "sys", "dev")
"""Directories of a container's root that are the engine's, with all that is mounted in them."""


def check_place(root: int, fd: int, path: str) -> None:
    """Refuse what a link of the image leads into the engine's own directories, or out of them.

    `fd` is what `path` was opened as below `root`. A link in the place of /proc would have our
    masks and settings go to files of the image, and one to /proc would have a volume cover it
    (CVE-2019-19921, CVE-2023-27561, CVE-2025-52881). Looked at is what was opened, not the path:
    others may have a root of --rootfs in use and exchange its directories. Raises LaunchError.
    """
    base, name = os.readlink(on(root)).rstrip("/"), os.readlink(on(fd))
    asked = path.lstrip("/").partition("/")[0]
    if name.startswith(base):
        name = name[len(base) :] or "/"
        found = name.lstrip("/").partition("/")[0]
        if asked == found or (asked not in OWN and found not in OWN):
            return
    raise LaunchError(
        f"{path} leads to {name}, by a link in the image",
        "/proc, /sys and /dev are the engine's own: links neither replace them nor lead there",
    )


def on(fd: int) -> str:
    """Return a path that names the open file `fd` itself, for calls that take only paths."""
    return f"/proc/self/fd/{fd}"


def bind(
    source: str, path: str, options: Options, *, recursive: bool, recursive_ro: bool = False
) -> None:
    """Bind `source` on `path` with the attributes of `options`.

    With `recursive_ro` they hold for all that is mounted below, too. Raises OSError.
    """
    deep = recursive and recursive_ro
    try:
        _bind_by_descriptor(source, path, options.attributes, recursive=recursive, deep=deep)
    except OSError as error:
        if error.errno not in MISSING:
            raise
        flags = options.flags & _SETTABLE
        _bind_by_path(source, path, flags, recursive=recursive, deep=deep)


def _bind_by_descriptor(
    source: str, path: str, attributes: int, *, recursive: bool, deep: bool
) -> None:
    tree_flags = m.OPEN_TREE_CLONE | (m.AT_RECURSIVE if recursive else 0)
    try:
        tree = m.open_tree(source, tree_flags)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # Mounts below `source` are locked together; they can only be taken all at once.
        tree = m.open_tree(source, m.OPEN_TREE_CLONE | m.AT_RECURSIVE)
    try:
        if attributes:
            m.mount_setattr(tree, add=attributes, recursive=deep)
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            m.move_mount(tree, target)
        finally:
            os.close(target)
    finally:
        os.close(tree)


def _bind_by_path(source: str, path: str, flags: int, *, recursive: bool, deep: bool) -> None:
    # A descriptor of the mount point leads below the new mount, its name to what is on top. The
    # name has no links any more, and nobody but us changes this tree.
    name = os.readlink(path) if path.startswith(on(0)[:-1]) else path
    try:
        m.mount(source, name, "", m.MS_BIND | (m.MS_REC if recursive else 0))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        m.mount(source, name, "", m.MS_BIND | m.MS_REC)
    if flags:
        remount(name, flags)
    if flags and deep:
        for below in mounts_below(name):
            try:
                remount(below, flags)
            except PermissionError as error:
                if error.errno != errno.EACCES:
                    raise  # EACCES: it lies where we may not go, so nobody in the container may


def remount(path: str, flags: int) -> None:
    """Add `flags` (MS_RDONLY, ...) to the mount at `path` by mount(2).

    The flags that it has are repeated: in a user namespace those that it was given outside are
    locked (mount_namespaces(7)), and leaving one out is refused with EPERM.
    """
    has = os.statvfs(path).f_flag
    for seen, flag in _KEPT.items():
        if has & seen:
            flags |= flag
    m.mount("none", path, "", m.MS_REMOUNT | m.MS_BIND | flags)


def make_read_only(fd: int, path: str) -> None:
    """Make the mount whose root is open as `fd`, visible at `path`, read-only."""
    try:
        m.mount_setattr(fd, add=m.MOUNT_ATTR_RDONLY)
    except OSError as error:
        if error.errno not in MISSING:
            raise
        remount(path, m.MS_RDONLY)


def mounts_below(path: str) -> list[str]:
    """Return the mount points below `path` that /proc/self/mountinfo shows (proc(5))."""
    found: dict[str, None] = {}
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            name = os.fsdecode(_unescape(line.split(b" ")[4]))
            if name.startswith(path.rstrip("/") + "/"):
                found[name] = None
    return list(found)


def _unescape(name: bytes) -> bytes:
    """Undo the octal escapes of mountinfo: space, tab, line feed, backslash."""
    if b"\\" not in name:
        return name
    head, *rest = name.split(b"\\")
    return head + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest)
