"""Unpacked layers seen as one tree, without mounting them: what each name is, and whose it is.

A view is walked by descriptors, inside the user namespace, and never follows a link. The marks of
deletion are those that `runtime.tree.copying` reads, of both overlay file systems.
"""

from __future__ import annotations

import os
import stat

from rootless.oci.descent import OPEN, Directory
from rootless.oci.layers import datalayer, owners
from rootless.oci.layers.unpack import RECORD
from rootless.runtime.tree.copying import is_opaque, layer_entries
from rootless.runtime.tree.rootfs import SECOND

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.oci.layers.owners import Truth
    from rootless.runtime.userns.shift import Owners


class Layer:
    """One directory of files: an unpacked layer of the store, or what a container has written."""

    def __init__(self, path: str, owners: Owners | None = None, *, literal: bool = False) -> None:
        self.path = path
        self.literal = literal
        """Whether a name that begins with .wh. is a file's, and deletes nothing."""
        self._owners = owners
        """Whose its files are to its container, where their owners on the disk are others."""
        self._truths: dict[str, Truth] | None = None
        second = path.endswith(f"/{SECOND}")
        self._directory = path[: -len(SECOND) - 1] if second else os.path.dirname(path)
        self.unpacked = os.path.exists(f"{self._directory}/{RECORD}")
        """Whether it is a layer of the store, of which a side file may tell more."""

    @property
    def is_exact(self) -> bool:
        """Whether the owners on the disk are certain to tell those that the container saw."""
        return self._owners is not None

    def owner(self, status: os.stat_result) -> tuple[int, int]:
        """The owner of a file in it, in the ids of the image."""
        if self._owners is None:
            return status.st_uid, status.st_gid
        return self._owners.shown(status.st_uid, status.st_gid)

    @property
    def truths(self) -> dict[str, Truth]:
        """What its side file tells (layers.owners), by path without a slash before it."""
        if self._truths is None:
            read = owners.read(self._directory) if self.unpacked else ()
            self._truths = dict(read)
        return self._truths


class Found:
    """What a name is in a view."""

    __slots__ = ("_status", "is_directory", "name", "parts")

    def __init__(self, name: str, is_directory: bool, part: tuple[Layer, Directory]) -> None:
        self.name = name
        self.is_directory = is_directory
        self.parts = [part]
        """The layer that has it and the directory that it is in there; of a directory all
        layers that may have a part in it, topmost first."""
        self._status: os.stat_result | None = None

    @property
    def layer(self) -> Layer:
        """The layer that it comes from; of a directory, owner and mode."""
        return self.parts[0][0]

    @property
    def status(self) -> os.stat_result:
        """Its lstat(2)."""
        if self._status is None:
            self._status = os.lstat(self.name, dir_fd=self.parts[0][1].fd)
        return self._status

    @property
    def owner(self) -> tuple[int, int]:
        """Its owner, in the ids of the image."""
        return self.layer.owner(self.status)

    @property
    def layers(self) -> list[Layer]:
        """The layers that it comes from."""
        return [layer for layer, _ in self.parts]

    def open(self, flags: int) -> int:
        """Open it where it comes from; never through a link."""
        return os.open(self.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.parts[0][1].fd)

    def content(self, fd: int) -> int:
        """Open what the open file `fd` leaves in a shared store (layers.datalayer), -1 for none."""
        return datalayer.content(os.path.dirname(self.layer.path), fd)

    def link(self) -> str:
        """Where a symbolic link points."""
        return os.readlink(self.name, dir_fd=self.parts[0][1].fd)


class View:
    """A directory of the merged tree. A context manager, which closes its descriptors."""

    def __init__(self, parts: list[tuple[Layer, Directory]]) -> None:
        """`parts` are the layers that have a part in it and what it is there, topmost first.

        They belong to the view.
        """
        self.parts = parts
        self._entries: dict[str, Found] | None = None

    @staticmethod
    def of(layers: Iterable[Layer]) -> View:
        """The root of `layers`, topmost first."""
        view = View([])
        for layer in layers:
            fd = os.open(layer.path, OPEN)
            view.parts.append((layer, Directory(fd)))
            if is_opaque(fd, literal=layer.literal):
                break
        return view

    @property
    def identity(self) -> tuple[int, int, int] | None:
        """Mode and owner, in the ids of the image; None for a view of no layer."""
        if not self.parts:
            return None
        layer, directory = self.parts[0]
        status = os.fstat(directory.fd)
        return (status.st_mode, *layer.owner(status))

    def entries(self) -> dict[str, Found]:
        """All names that are there."""
        if self._entries is None:
            self._entries = self._merge()
        return self._entries

    def _merge(self) -> dict[str, Found]:
        found: dict[str, Found] = {}
        done: set[str] = set()
        for part in self.parts:
            entries, deleted = layer_entries(part[1].fd, literal=part[0].literal)
            for entry in entries:
                name = entry.name
                if name in done:
                    continue
                is_directory = entry.is_dir(follow_symlinks=False)
                if name not in found:
                    found[name] = Found(name, is_directory, part)
                elif is_directory:
                    found[name].parts.append(part)
                if not is_directory:
                    done.add(name)
            done |= deleted
        return found

    def enter(self, name: str) -> View:
        """The directory `name` in it."""
        view = View([])
        try:
            for layer, parent in self.entries()[name].parts:
                fd = os.open(name, OPEN, dir_fd=parent.fd)
                view.parts.append((layer, Directory(fd)))
                if is_opaque(fd, literal=layer.literal):
                    break
        except BaseException:
            view.close()
            raise
        return view

    def close(self) -> None:
        """Close the descriptors."""
        for _, directory in self.parts:
            directory.close()
        self.parts = []

    def rest(self, below: View, *, but: int = 0) -> None:
        """Close, until `resume`, what can be opened again from `below`, a directory in this view.

        The first `but` of its parts stay open.
        """
        inside = {layer for layer, _ in below.parts}
        for layer, directory in self.parts[but:]:
            if layer in inside:
                directory.rest()

    def resume(self, below: View) -> None:
        """Open again what `rest` has closed. Raises OSError for a directory that was moved."""
        inside = dict(below.parts)
        for layer, directory in self.parts:
            if layer in inside:
                directory.resume(inside[layer].fd)

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_same_kind(one: Found, other: Found) -> bool:
    """Whether both are files, both directories, and so on."""
    return stat.S_IFMT(one.status.st_mode) == stat.S_IFMT(other.status.st_mode)
