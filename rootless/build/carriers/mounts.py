"""What RUN --mount=type=cache keeps, as archives: written of the store's, and begun with.

An archive is a tar of the directory: names, modes, owners as containers see them, links, what is
attached. No name means anything else in it, as it would in a layer.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat

from rootless.build.carriers.opening import reading, with_source
from rootless.build.files.trees import DirectoryTree, walk
from rootless.oci.digest import Digest, Verifier
from rootless.oci.errors import Error
from rootless.oci.layers import tar, xattrs
from rootless.oci.layers.compression import decompress
from rootless.oci.layers.tar import Entry
from rootless.oci.layers.tarwriter import Writer
from rootless.runtime.userns.worker import spawn
from rootless.values import OWNER_ATTRIBUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.carriers.imports import Imports
    from rootless.build.carriers.opening import Reach
    from rootless.build.files.trees import Node
    from rootless.oci.transports import Source
    from rootless.store.paths import Paths
    from rootless.teller import Teller

    Document = dict[str, Any]

_KINDS = {
    stat.S_IFREG: tar.FILE,
    stat.S_IFDIR: tar.DIRECTORY,
    stat.S_IFLNK: tar.SYMLINK,
    stat.S_IFIFO: tar.FIFO,
}


def pack(paths: Paths, name: str, output: int) -> bool:
    """Write what a cache mount has; False where there is none, or a build is alone with it.

    The caller must not have threads. Raises StoreError, OSError.
    """
    place = f"{paths.builds}/mounts/{name}-0"
    try:
        held = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if not os.path.isdir(f"{place}/data"):
            return False
        spawn(paths, _pack, output, f"{place}/data", keep_fds=(output,)).result()
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True


def _pack(output: int, directory: str) -> None:
    """In the user namespace: write all that is in a directory. Raises OSError."""
    writer = Writer(output)
    tree = DirectoryTree(directory)
    links: dict[tuple[int, int], bytes] = {}
    try:
        top = tree.look("")
        if top is not None:
            for node in walk(tree, top):
                # It is written to meanwhile: what has gone is not in it.
                with contextlib.suppress(FileNotFoundError):
                    _add(writer, tree, node, links)
    finally:
        tree.close()
    writer.close()


def _add(
    writer: Writer, tree: DirectoryTree, node: Node, links: dict[tuple[int, int], bytes]
) -> None:
    status, path = node.status, os.fsencode(node.path)
    kind = _KINDS.get(node.kind)
    if kind is None:
        return
    owner = (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    entry = Entry(path, kind, owner, 0, status.st_mtime_ns)
    if kind == tar.SYMLINK:
        entry.link = os.fsencode(node.link)
    if kind not in (tar.FILE, tar.DIRECTORY):
        writer.add(entry)
        return
    if kind == tar.FILE and status.st_nlink > 1:
        first = links.setdefault((status.st_dev, status.st_ino), path)
        if first != path:
            entry.type, entry.link = tar.LINK, first
            writer.add(entry)
            return
    fd = tree.open(node)
    try:
        entry.xattrs = xattrs.read_all(fd)
        with contextlib.suppress(OSError, ValueError):  # where there is one id it says more
            uid, _, gid = os.getxattr(fd, OWNER_ATTRIBUTE).partition(b":")
            entry.uid, entry.gid = int(uid), int(gid)
        entry.size = os.fstat(fd).st_size if kind == tar.FILE else 0
        writer.add(entry, fd)
    finally:
        os.close(fd)


class Lent:
    """What imported caches have for cache mounts that are not in the store."""

    def __init__(self, imports: Imports, reach: Reach, teller: Teller) -> None:
        self._imports = imports
        self._reach = reach
        self._teller = teller

    def fetch(self, name: str, place: str) -> bool:
        """Write the archive for a cache mount to a file; False where there is none."""
        for carrier, told in self._imports.mounts(name):

            def take(source: Source, told: Document = told) -> None:
                _take(source, told, place)

            try:
                with_source(carrier, self._reach, take)
            except (Error, OSError) as error:
                reason = error.message if isinstance(error, Error) else error.strerror
                self._teller.warning(f"the cache mount {told['text']} is not imported: {reason}")
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(place)
            else:
                return True
        return False


def _take(source: Source, told: Document, place: str) -> None:
    with reading(source, told["blob"]) as raw, open(place, "wb") as file:
        name = f"blob {told['blob']['digest'][:19]}"
        stream = Verifier(decompress(raw, name=name), Digest.parse(told["diffID"]), told["size"])
        while data := stream.read(1 << 18):
            file.write(data)
