"""Files of a layer whose content stays in another tree: overlayfs's data-only lower layers.

A file is an empty one of the right size, owner and mode, with two attributes that overlayfs reads:
`user.overlay.metacopy`, that its content is elsewhere, and `user.overlay.redirect`, the path of
that below the data-only layer, which is the directory `layers` of the other store. So the tree of
the other store may belong to anybody who lets us read it, and its owners need not be known here.
The kernel follows no symbolic link on that path, nor does it leave the data-only layer.

With `userxattr`, as any user mounts, this works since Linux 6.16 (filesystems/overlayfs.rst,
"Data-only lower layers"). The layer's directory bears a symbolic link `data` to the other store's
`layers`.
"""

from __future__ import annotations

import errno
import os
import stat

from rootless.oci.digest import CHUNK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.oci.layers.tar import Reader

METACOPY = "user.overlay.metacopy"
REDIRECT = "user.overlay.redirect"
LINK = "data"

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a named pipe makes nobody wait

SMALL = 4096
"""Bytes that are written rather than referred to: the attributes would take a block as well."""


class DataLayer:
    """The other store's tree of the same layer, `tree`: .../layers/<chain id>/fs."""

    def __init__(self, tree: str) -> None:
        layer = os.path.dirname(tree)
        self.layers = os.path.dirname(layer)
        self.used = False
        """Whether a file refers to it."""
        self._tree = os.fsencode(tree)
        self._below = os.fsencode(f"/{os.path.basename(layer)}/fs/")

    def write(self, reader: Reader, fd: int, path: bytes, size: int) -> None:
        """Give the new file `fd`, at `path` of the layer, its `size` bytes that `reader` has.

        Where the other tree has the same at `path`, it refers to that; else it is written.
        """
        twin = self._twin(path, size) if size > SMALL else -1
        if twin < 0:
            reader.write_to(fd)
            return
        try:
            if refer(fd, self._below + path) and self._is_same(reader, twin, fd):
                os.ftruncate(fd, size)
                self.used = True
            else:
                reader.write_to(fd)
        finally:
            os.close(twin)

    def _twin(self, path: bytes, size: int) -> int:
        """Open the other tree's file, -1 where there is none of this size that can be read."""
        try:
            fd = os.open(os.path.join(self._tree, path), _FILE)
        except OSError:
            return -1
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_size == size:
            return fd
        os.close(fd)
        return -1

    def _is_same(self, reader: Reader, twin: int, fd: int) -> bool:
        """Compare; where they differ, `fd` has what was read so far, and refers to nothing."""
        offset = 0
        while data := reader.read(CHUNK):
            if os.pread(twin, len(data), offset) != data:
                os.removexattr(fd, METACOPY)
                os.removexattr(fd, REDIRECT)
                with open(fd, "wb", closefd=False) as file:
                    same = (os.pread(twin, CHUNK, at) for at in range(0, offset, CHUNK))
                    file.writelines(same)
                    file.write(data)
                return False
            offset += len(data)
        return True


class Place:
    """Where the content of a layer's files is for overlay."""

    def __init__(self, layer: str, own: str) -> None:
        """`layer` is the layer's directory, `own` the directory of the layers of the own store.

        Content is sought in all data-only layers of a mount, so the same path must not mean one
        file in this store and another file in another one: paths into others begin with the name
        of their directory of layers.
        """
        layers, chain = os.path.split(layer)
        try:
            behind = os.readlink(f"{layer}/{LINK}")
        except OSError:
            behind = ""
        self.is_behind = bool(behind)
        """Whether it is a layer that leaves content in another store itself."""
        self.data, self.below = layers, f"/{chain}/fs/"
        """The data-only layer, and where the layer's tree is in it."""
        if behind or layers != own:
            self.data, name = os.path.split(behind or layers)
            self.below = f"/{name}/{chain}/fs/"


def data_of(places: Iterable[Place]) -> list[str]:
    """Return the data-only layers that files of these layers refer to."""
    return list(dict.fromkeys(place.data for place in places))


def refer(fd: int, path: bytes) -> bool:
    """Say that the content of the empty file `fd` is at `path` of the data-only layer.

    False where that cannot be: no such attributes here, or a path too long for them.
    """
    try:
        os.setxattr(fd, REDIRECT, path)
        os.setxattr(fd, METACOPY, b"")
    except OSError:
        return False
    return True


def link_name(number: int) -> str:
    """Return the name of a layer's link to a data-only layer; most have one at most."""
    return f"{LINK}.{number}" if number else LINK


def tree_behind(layer: str) -> str:
    """Return the tree that the files of the layer in directory `layer` refer to, "" for none."""
    try:
        return f"{os.readlink(f'{layer}/{LINK}')}/{os.path.basename(layer)}/fs"
    except OSError:
        return ""


def content(layer: str, fd: int) -> int:
    """Open what the file `fd` of the layer in directory `layer` refers to; -1 where it does not.

    As overlay does it, no link is followed on the way. Raises OSError where it is gone, or is
    another file by now.
    """
    try:
        os.getxattr(fd, METACOPY)
        path = os.getxattr(fd, REDIRECT)
        place = os.readlink(f"{layer}/{LINK}")
    except OSError:
        return -1
    at = os.open(place, _DIRECTORY)
    try:
        *parents, name = path.split(b"/")[1:]
        for parent in parents:
            below = os.open(parent, _DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = below
        found = os.open(name, _FILE, dir_fd=at)
    finally:
        os.close(at)
    here, there = os.fstat(fd), os.fstat(found)
    if not stat.S_ISREG(there.st_mode) or here.st_size != there.st_size:
        os.close(found)
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), os.fsdecode(path))
    return found
