"""A cache in a directory: an OCI layout, of which everything goes that its index does not reach.

Blobs are made in a workspace. Under the layout's lock they get their names, the index is replaced,
and what no entry of it needs any more is removed. So of two exports at once each finds what it
relies on, or makes it again; one that is killed leaves the index as it was, and leavings that the
next one sweeps.
"""

from __future__ import annotations

import os
import stat

from rootless.build.carriers.wishes import TAG
from rootless.images.transfer.parallel import in_parallel
from rootless.oci.blobs import (
    Blob,
    Workspace,
    initialise,
    locked,
    sync_directory,
    write_index,
)
from rootless.oci.errors import ImageError
from rootless.oci.layers.compression import compress
from rootless.oci.layout import (
    INDEXES,
    MANIFESTS,
    OCI_MANIFEST,
    REF_NAME,
    Layout,
    name_of,
    parts_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.carriers.wishes import Carrier

    Document = dict[str, Any]


class Folder:
    """A directory that gets a cache: a `Target` of `exporting`."""

    def __init__(self, carrier: Carrier) -> None:
        """Raises ImageError, OSError."""
        self._carrier = carrier
        self.name = f"oci:{carrier.place}"
        path = carrier.place
        os.makedirs(path, exist_ok=True)
        for part in (path, f"{path}/blobs", f"{path}/blobs/sha256"):
            if part != path and os.path.islink(part):
                raise ImageError(f"{part} is a link", "a cache is written into real directories")
        initialise(path)
        self._layout = Layout(path)
        self._layout.index()  # before anything is compressed: it may be none
        self._work = Workspace(path, path)
        self._blobs: dict[str, Blob] = {}

    def has(self, digest: str, size: int) -> bool:
        """Whether a blob is there."""
        try:
            status = os.lstat(self._layout.blob_path(digest))
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size == size

    def room(self) -> str:
        """Return a path for a file that is there for a while."""
        return self._work.new()

    def put(self, path: str, name: str, kind: str, level: int) -> tuple[str, int]:
        """Take a file, compressed or as it is; return digest and size."""
        blob = Blob(self._work.new())
        try:
            with open(path, "rb", buffering=0) as file:
                if kind:
                    for _, piece in compress(file, kind, name=name, level=level):
                        blob.write(piece)
                else:
                    while data := file.read(1 << 20):
                        blob.write(data)
            blob.finish()
        finally:
            blob.abandon()
        self._blobs[blob.digest] = blob
        return blob.digest, blob.size

    def put_bytes(self, data: bytes) -> str:
        """Take a document; return its digest."""
        blob = Blob(self._work.new())
        try:
            blob.write(data)
            blob.finish()
        finally:
            blob.abandon()
        self._blobs[blob.digest] = blob
        return blob.digest

    def finish(self, manifest: bytes, parts: list[str]) -> list[str]:
        """Name it, and remove what nothing needs; return what is missing: then it is not named."""
        path = self._carrier.place
        digest = self.put_bytes(manifest)
        needed = [*parts, digest]
        in_parallel([blob.sync for blob in self._blobs.values()], lambda: None)
        with locked(path):
            missing = [
                one for one in needed if one not in self._blobs and not self._layout.has(one)
            ]
            if missing:
                return missing
            for one in needed:
                if one in self._blobs and not self._layout.has(one):
                    self._blobs[one].publish(self._layout)
            sync_directory(f"{path}/blobs/sha256")
            index = self._layout.index()
            tag = self._carrier.tag or TAG
            entry = {
                "mediaType": OCI_MANIFEST,
                "digest": digest,
                "size": len(manifest),
                "annotations": {REF_NAME: tag},
            }
            others = [one for one in index["manifests"] if name_of(one) != tag]
            index["manifests"] = [*others, entry]
            write_index(path, index)
            _sweep(self._layout, index["manifests"])
        return []

    def close(self) -> None:
        """Remove what is not named."""
        self._work.__exit__()


def _sweep(layout: Layout, entries: list[Document]) -> None:
    """Remove the blobs that the index does not reach; its lock is held."""
    reached = set()
    for entry in entries:
        for one, document in layout.behind(entry):
            reached.add(str(one["digest"]))
            if document is not None:
                reached.update(str(part["digest"]) for part in parts_of(document))
            elif one.get("mediaType") in (*INDEXES, *MANIFESTS):
                return  # somebody else's, and damaged: what it needs is not known
    directory = f"{layout.path}/blobs/sha256"
    for name in os.listdir(directory):
        if f"sha256:{name}" not in reached:
            place = f"{directory}/{name}"
            if stat.S_ISREG(os.lstat(place).st_mode):
                os.unlink(place)
