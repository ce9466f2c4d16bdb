"""What others must not get at in a layer: where only the store's owner reaches it.

Set-user-id and set-group-id bits, and capabilities of files, hold for everybody on the machine who
reaches the file: in a store that is open to others, what is set-user-id root in an image would be
set-user-id of the store's owner for all of them (as CVE-2021-41091 was in docker). And where
everybody may write, as in an image's /tmp, others would put their files into the owner's
containers; so would the other members of the owner's group where root's group may write. So the
tree `fs` of a layer has none of these bits. The files that do, copied with all that they are, and
the directories, make up a second tree, `withheld/fs` beside it, below a directory of mode 0700. It
is stacked upon `fs` wherever the layer is mounted, copied or read; overlay reaches it with the
rights of who mounts. The way to them is in it, too, with owner, mode and time of the directories in
`fs`.
"""

from __future__ import annotations

import os
import stat

from rootless.oci import jsonio
from rootless.oci.layers import xattrs
from rootless.oci.layers.content import copy_content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.oci.layers.owners import Truth
    from rootless.oci.layers.tar import Entry

DIRECTORY = "withheld"
_PROGRAM = stat.S_ISUID | stat.S_ISGID
_WRITE = stat.S_IWOTH | stat.S_IWGRP

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def bits(mode: int, *, directory: bool = False, ours: bool) -> int:
    """The bits of `mode` that are left out of `fs`.

    `ours`: whether the group on the disk is the owner's, in which others may be, too.
    """
    found = mode & (_WRITE if ours else stat.S_IWOTH)
    return found if directory else found | mode & _PROGRAM


def has_capability(entry: Entry) -> bool:
    """Whether a file in an archive has capabilities."""
    return any(name == xattrs.CAPABILITY for name, _ in entry.xattrs or ())


def is_withheld(layer: str) -> bool:
    """Whether the layer in the directory `layer` was unpacked by who knew of a second tree."""
    try:
        with open(f"{layer}/layer.json", "rb") as file:
            return "withheld" in jsonio.loads(file.read())
    except (OSError, ValueError, TypeError):
        return False


def is_open(tree: str) -> bool:
    """Whether a tree `fs` has what belongs into a second one."""
    for parent, directories, names in os.walk(tree):
        if any(_is_exposed(f"{parent}/{name}") for name in (*directories, *names)):
            return True
    return False


def _is_exposed(path: str) -> bool:
    try:
        status = os.lstat(path)
        mode = status.st_mode
        ours = status.st_gid == os.getegid()
        if stat.S_ISDIR(mode):
            return bool(bits(mode, directory=True, ours=ours))
        if not stat.S_ISREG(mode):
            return False
        return bool(bits(mode, ours=ours)) or os.fsdecode(xattrs.CAPABILITY) in os.listxattr(path)
    except OSError:
        return False  # removed meanwhile, or a file system without attributes


def write(
    fs: int, directory: str, truths: dict[bytes, Truth], refused: Callable[[bytes], None]
) -> int:
    """Make the second tree of the layer at `directory`, whose first is open as `fs`.

    Return how many names it has; where there are none, there is no tree. `refused` is told of files
    that cannot have their capabilities here. Needs umask 0. Raises OSError.
    """
    tree = _Tree(fs, f"{directory}/{DIRECTORY}", refused)
    try:
        # By their parts, so that each directory is entered once.
        for path in sorted(filter(lambda path: _counts(truths[path]), truths), key=_parts):
            tree.add(path, truths[path])
    finally:
        tree.close()
    return tree.names


def _counts(truth: Truth) -> bool:
    return not truth.kind and bool(_held(truth) or _capability(truth))


def _held(truth: Truth) -> int:
    """The bits that may be in the second tree only."""
    return max(truth.mode, 0) & (_PROGRAM | _WRITE) & ~truth.unfit


def _capability(truth: Truth) -> list[tuple[bytes, bytes]]:
    name = os.fsdecode(xattrs.CAPABILITY)
    value = (truth.xattrs or {}).get(name)
    return [] if value is None else [(xattrs.CAPABILITY, value)]


def _parts(path: bytes) -> list[bytes]:
    return path.split(b"/")


class _Step:
    """A directory on the way to where we are, open in `fs`, and in the second tree once there."""

    def __init__(self, name: bytes, theirs: int) -> None:
        self.name = name
        self.theirs = theirs
        self.ours = -1
        self.more = 0
        """Mode bits that it has here only."""


class _Tree:
    """The second tree in the making."""

    def __init__(self, fs: int, directory: str, refused: Callable[[bytes], None]) -> None:
        self.names = 0
        self._directory = directory
        self._refused = refused
        self._way = [_Step(b"", os.dup(fs))]
        self._links: dict[int, bytes] = {}
        """Inode in `fs` -> the first name that it has here."""

    def add(self, path: bytes, truth: Truth) -> None:
        """Add a path of `fs`. They come in order, a directory before what is in it."""
        *parents, name = _parts(path)
        self._enter(parents)
        mode = os.lstat(name, dir_fd=self._way[-1].theirs).st_mode
        missing = _held(truth) & ~mode
        if stat.S_ISREG(mode) and (missing or _capability(truth)):
            self._make_way()
            self._file(path, name, mode | missing, _capability(truth))
            self.names += 1
        elif stat.S_ISDIR(mode) and missing:
            self._enter([] if path == b"." else [*parents, name])
            self._make_way()
            self._way[-1].more = missing
            self.names += 1

    def _enter(self, parents: list[bytes]) -> None:
        """Go to the directory of these names."""
        common = 0
        for step, wanted in zip(self._way[1:], parents, strict=False):
            if step.name != wanted:
                break
            common += 1
        self._leave(common + 1)
        for parent in parents[common:]:
            below = os.open(parent, _OPEN_DIRECTORY, dir_fd=self._way[-1].theirs)
            self._way.append(_Step(parent, below))

    def _make_way(self) -> None:
        """Make the directories that lead here."""
        if not self.names:
            os.mkdir(self._directory, 0o700)
            stop_inheritance(self._directory, 0o700)
            os.mkdir(f"{self._directory}/fs", 0o700)
            self._way[0].ours = os.open(f"{self._directory}/fs", _OPEN_DIRECTORY)
        for above, step in zip(self._way, self._way[1:], strict=False):
            if step.ours < 0:
                os.mkdir(step.name, 0o700, dir_fd=above.ours)
                step.ours = os.open(step.name, _OPEN_DIRECTORY, dir_fd=above.ours)

    def _leave(self, depth: int) -> None:
        """Finish the directories of the way behind the first `depth`."""
        while len(self._way) > depth:
            step = self._way.pop()
            try:
                if step.ours >= 0:
                    mode = os.fstat(step.theirs).st_mode | step.more
                    _attributes(step.theirs, step.ours, mode)
            finally:
                os.close(step.theirs)
                if step.ours >= 0:
                    os.close(step.ours)

    def _file(
        self, path: bytes, name: bytes, mode: int, capability: list[tuple[bytes, bytes]]
    ) -> None:
        ours = self._way[-1].ours
        source = os.open(name, _OPEN, dir_fd=self._way[-1].theirs)
        try:
            status = os.fstat(source)
            first = self._links.setdefault(status.st_ino, path)
            if first != path:
                root = self._way[0].ours
                os.link(first, name, src_dir_fd=root, dst_dir_fd=ours, follow_symlinks=False)
                return
            target = os.open(name, _CREATE, 0o600, dir_fd=ours)
            try:
                copy_content(source, target, status.st_size)
                if _attributes(source, target, mode, capability):
                    self._refused(path)
            finally:
                os.close(target)
        finally:
            os.close(source)

    def close(self) -> None:
        """Finish what is still open."""
        self._leave(0)


def _attributes(
    source: int, target: int, mode: int, more: list[tuple[bytes, bytes]] | None = None
) -> bool:
    """Give `target` owner, attributes, mode and times of `source`; whether `more` were refused."""
    status = os.fstat(source)
    # chown(2) clears set-id bits and capabilities: owner, attributes, mode.
    os.fchown(target, status.st_uid, status.st_gid)
    refused = xattrs.set_all(target, [*xattrs.read_all(source), *(more or ())])
    os.fchmod(target, stat.S_IMODE(mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    return any(name == xattrs.CAPABILITY for name, _ in refused)


def stop_inheritance(directory: int | str, mode: int) -> None:
    """Free a new directory of what its parent gives on: the set-group-id bit and default ACLs."""
    os.chmod(directory, mode)
    try:
        os.removexattr(directory, "system.posix_acl_default")
    except OSError:
        pass  # ENODATA, or a file system without ACLs
