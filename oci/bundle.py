"""Writing image archives: an uncompressed tar of few members, to any descriptor."""

from __future__ import annotations

import os

from rootless.oci.digest import CHUNK, Hasher
from rootless.oci.errors import DigestError, ImageError
from rootless.oci.layers.tar import BLOCK, DIRECTORY, FILE, Entry
from rootless.oci.layers.tarwriter import headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.oci.digest import Readable


class Bundle:
    """A tar being written to `fd`. Times are zero, so equal images give equal archives."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._names: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether there is such a member already."""
        return name in self._names

    def directory(self, name: str) -> None:
        """Add a directory."""
        self._header(name, 0, DIRECTORY, 0o755)

    def data(self, name: str, data: bytes) -> None:
        """Add a file with `data`."""
        self._header(name, len(data))
        self._write(data)
        self._pad(len(data))

    def copy(self, name: str, stream: Readable, size: int, digest: str) -> Iterator[int]:
        """Add a file from `stream`, yielding the length of each piece.

        Raises DigestError, when it is too late for the archive, where the content is another.
        """
        self._header(name, size)
        hasher = Hasher(digest.partition(":")[0], size)
        left = size
        while data := stream.read(CHUNK):
            left -= len(data)
            if left < 0:
                break
            hasher.update(data)
            self._write(data)
            yield len(data)
        if left or hasher.digest != digest:
            raise DigestError(f"blob {digest} of the store is damaged", "load or pull it again")
        self._pad(size)

    def close(self) -> None:
        """Write the end of the archive; the descriptor stays open."""
        self._write(bytes(2 * BLOCK))

    def _header(self, name: str, size: int, kind: bytes = FILE, mode: int = 0o644) -> None:
        if name in self._names:
            raise ImageError(f"the archive has {name} already")
        self._names.add(name)
        self._write(headers(Entry(name.encode(), kind, (mode, 0, 0), size, 0), [], size))

    def _pad(self, size: int) -> None:
        self._write(bytes(-size % BLOCK))

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
