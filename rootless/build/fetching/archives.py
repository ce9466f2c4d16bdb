"""Archives: told by their content, and unpacked as a layer or as a context.

Nothing of an archive gets out of the directory that it is unpacked in: each entry's way is walked
without following a link (oci.layers.extract).
"""

from __future__ import annotations

import os
import stat

from rootless.build.files.trees import DirectoryTree
from rootless.oci.errors import ImageError
from rootless.oci.layers.compression import decompress
from rootless.oci.layers.extract import Extractor
from rootless.oci.layers.tar import BLOCK, Reader
from rootless.oci.layers.unpack import extract_fd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.oci.digest import Readable
    from rootless.oci.layers.owners import Truth

_CHECKSUM = slice(148, 156)


class Stream:
    """A readable as the reader of archives wants it."""

    def __init__(self, stream: Readable, head: bytes = b"") -> None:
        self._stream = stream
        self._head = head

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, empty at the end."""
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._stream.read(size)

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the beginning of `buffer`; 0 at the end."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def opened(stream: int | Readable, name: str) -> Stream | None:
    """Return the uncompressed archive that a stream is; None where it is something else."""
    try:
        raw = decompress(stream, name=name)
        head = b""
        while len(head) < BLOCK and (data := raw.read(BLOCK - len(head))):
            head += data
    except ImageError:
        return None
    return Stream(raw, head) if _is_header(head) else None


def _is_header(block: bytes) -> bool:
    """Whether this begins a tar: the sum of a header's bytes stands in it."""
    if len(block) < BLOCK or not any(block):
        return False
    try:
        said = int(block[_CHECKSUM].split(b"\0")[0].strip(b" ") or b"-", 8)
    except ValueError:
        return False
    blank = block[: _CHECKSUM.start] + b" " * 8 + block[_CHECKSUM.stop :]
    return said in (sum(blank), sum(byte - 256 * (byte > 127) for byte in blank))


def unpack_layer(stream: Stream, directory: str, *, owners: str) -> tuple[str, set[str]]:
    """Unpack into an empty directory, with owners and devices.

    Return the tree's path, and the directories that the archive has entries for. To be called in
    the user namespace; `owners` as for `extract_fd`. Raises LayerError.
    """
    directories: set[bytes] = set()
    extract_fd(stream, directory, owners=owners, directories=directories)
    return f"{directory}/fs", {os.fsdecode(path) for path in directories}


def unpack_context(stream: Stream, directory: str, *, owners: str = "record") -> None:
    """Unpack files into an empty directory, as nothing but a directory. Raises LayerError.

    Owners do not matter for COPY; in the user namespace they are given where `owners` is chown.
    """
    before = os.umask(0)
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        extractor = Extractor(root, Reader(stream), owners=owners, literal=True)
        extractor.run()
        _give_modes(directory, extractor.truths)
    finally:
        os.close(root)
        os.umask(before)


def _give_modes(directory: str, truths: dict[bytes, Truth]) -> None:
    """Give files the permissions that a layer keeps from others: nobody else comes here."""
    tree = DirectoryTree(directory)
    try:
        for name in sorted(truths, reverse=True):
            mode = truths[name].mode
            node = tree.look(os.fsdecode(name)) if mode >= 0 and name != b"." else None
            if node is not None and node.kind in (stat.S_IFREG, stat.S_IFDIR):
                fd = tree.open(node)
                try:
                    os.fchmod(fd, mode & 0o1777)
                finally:
                    os.close(fd)
    finally:
        tree.close()
