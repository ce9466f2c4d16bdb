"""Blobs on their way into the store of artifacts.

As in `images.intake` nothing is visible before `commit`: blobs lie in a workspace, then, under the
lock, get their names, and last the index names the artifact.
"""

from __future__ import annotations

import contextlib
import os
import threading

from rootless.artifacts.artifact import Artifact
from rootless.images.intake import store_errors
from rootless.oci.blobs import (
    Blob,
    Workspace,
    initialise,
    locked,
    sync_directory,
    unlink_orphans,
    write_index,
)
from rootless.oci.digest import CHUNK
from rootless.oci.errors import ImageError
from rootless.oci.layout import OCI_MANIFEST, REF_NAME, Layout, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from rootless.store.paths import Paths

    Document = dict[str, Any]

_ZEROS = bytes(CHUNK)


class SparseBlob(Blob):
    """A blob in whose file zeros take no room."""

    def _put(self, data: bytes | memoryview) -> None:
        if data == _ZEROS[: len(data)]:
            os.lseek(self._fd, len(data), os.SEEK_CUR)
        else:
            super()._put(data)

    def finish(self) -> Blob:
        """Check and close the content."""
        os.ftruncate(self._fd, self.size)  # a hole at the end
        return super().finish()


class Intake:
    """One artifact on its way in. A context manager; leaving it drops what is not kept."""

    def __init__(self, paths: Paths) -> None:
        self._path = paths.artifacts
        self._paths = paths
        self.layout = Layout(paths.artifacts)
        self._blobs: dict[str, Blob] = {}
        self._begun: list[Blob] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._paths.prepare()
        with contextlib.ExitStack() as stack:
            stack.enter_context(store_errors(self._paths))
            initialise(self._path)
            self._work = stack.enter_context(Workspace(self._path, self._path))
            stack.callback(self._drop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _drop(self) -> None:
        for blob in self._begun:
            blob.abandon()

    def blob(self, *, expected: str = "", size: int = -1) -> Blob:
        """Begin a blob. `take` must be called with it when it is finished."""
        with self._lock:
            blob = SparseBlob(self._work.new(), expected=expected, size=size)
            self._begun.append(blob)
        return blob

    def take(self, blob: Blob) -> str:
        """Accept a finished blob. Return its digest."""
        blob.sync()
        self._blobs.setdefault(blob.digest, blob)
        return blob.digest

    def take_bytes(self, data: bytes) -> str:
        """Accept a document in memory as a blob. Return its digest."""
        blob = self.blob()
        blob.write(data)
        return self.take(blob.finish())

    def has(self, digest: str) -> bool:
        """Whether a blob is in the store or was brought in."""
        return digest in self._blobs or self.layout.has(digest)

    def commit(self, name: str, compose: Callable[[Artifact | None], bytes]) -> str:
        """Name an artifact; return its digest.

        `compose` is told of the one that has the name, under the lock, and returns the manifest.
        """
        with locked(self._path):
            index = self.layout.index()
            known = [entry for entry in index["manifests"] if name_of(entry) == name]
            before = None
            with contextlib.suppress(ImageError):  # a damaged one makes way for what comes
                before = Artifact(self.layout, known[0]) if known else None
            data = compose(before)
            digest = self.take_bytes(data)
            entry: Document = {
                "mediaType": OCI_MANIFEST,
                "digest": digest,
                "size": len(data),
                "annotations": {REF_NAME: name},
            }
            self._publish([digest])
            artifact = Artifact(self.layout, entry)
            self._publish(list(artifact.manifest.blobs))
            rest = [one for one in index["manifests"] if name_of(one) != name]
            index["manifests"] = [*rest, entry]
            write_index(self._path, index)
            collect(self.layout, known, index["manifests"])
        return artifact.digest

    def _publish(self, digests: list[str]) -> None:
        for digest in digests:
            if not self.layout.has(digest):
                blob = self._blobs.get(digest)
                if blob is None:
                    raise ImageError(f"blob {digest} was removed meanwhile", "try again")
                blob.publish(self.layout)
        sync_directory(f"{self._path}/blobs/sha256")


def collect(layout: Layout, gone: list[Document], left: list[Document]) -> None:
    """Remove the blobs that only removed entries needed; the caller has the lock."""
    try:
        needed = {digest for entry in left for digest in _blobs(layout, entry)}
    except ImageError:
        return  # what a damaged artifact needs is not known, so nothing is thrown away
    unlink_orphans(layout.path, needed)
    for entry in gone:
        doomed = {str(entry["digest"])}
        with contextlib.suppress(ImageError):
            doomed = _blobs(layout, entry)
        for digest in doomed - needed:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(layout.blob_path(digest))


def _blobs(layout: Layout, entry: Document) -> set[str]:
    return {str(entry["digest"]), *Artifact(layout, entry).manifest.blobs}
