"""Blobs on their way into a layout of the store, be it that of images or that of artifacts."""

from __future__ import annotations

import os
import threading

from rootless.oci.blobs import Blob, sync_directory
from rootless.oci.errors import ImageError
from rootless.oci.layout import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.oci.blobs import Workspace
    from rootless.store.paths import Paths


class Incoming:
    """The blobs that one command brings: in a workspace, until they get their names."""

    kind: type[Blob] = Blob
    _work: Workspace

    def __init__(self, paths: Paths, directory: str) -> None:
        """`directory` is the layout."""
        self.paths = paths
        self.layout = Layout(directory)
        self._blobs: dict[str, Blob] = {}
        self._open: list[Blob] = []
        """All that were ever begun: none may still be written when the workspace is swept."""
        self._lock = threading.Lock()

    def blob(self, *, expected: str = "", size: int = -1) -> Blob:
        """Begin a blob. `take` must be called with it when it is finished."""
        with self._lock:
            blob = self.kind(self._work.new(), expected=expected, size=size)
            self._open.append(blob)
        return blob

    def take(self, blob: Blob) -> str:
        """Accept a finished blob. Return its digest."""
        with self._lock:
            self._blobs.setdefault(blob.digest, blob)
        return blob.digest

    def take_bytes(self, data: bytes, expected: str = "") -> str:
        """Accept a document in memory as a blob. Return its digest."""
        blob = self.blob(expected=expected, size=len(data))
        blob.write(data)
        return self.take(blob.finish())

    def has(self, digest: str) -> bool:
        """Whether a blob is in the store or was brought in."""
        return digest in self._blobs or self.layout.has(digest)

    def publish(self, digests: Iterable[str]) -> None:
        """Give those blobs that are not in the store yet their names in it."""
        for digest in digests:
            if not self.layout.has(digest):
                blob = self._blobs.get(digest)
                if blob is None or not os.path.exists(blob.path):
                    raise ImageError(f"blob {digest} was removed meanwhile", "try again")
                blob.publish(self.layout)

    def restore(self, digest: str) -> None:
        """Put a blob that was brought in into the place of the one that is there."""
        self._blobs[digest].publish(self.layout)
        sync_directory(os.path.dirname(self.layout.blob_path(digest)))

    def cancel(self) -> None:
        """Make an end of all blobs that are still being written: those who write them fail."""
        for blob in list(self._open):
            blob.cancel()

    def _drop(self) -> None:
        """Give up what is still being written: after an error."""
        for blob in self._open:
            blob.abandon()
