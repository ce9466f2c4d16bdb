"""Blobs on their way into the store of artifacts.

As in `images.intake` nothing is visible before `commit`: blobs lie in a workspace, then, under the
lock, get their names, and last the index names the artifact.
"""

from __future__ import annotations

import contextlib
import os

from rootless.artifacts.artifact import Artifact
from rootless.images.entries import entry_for, renamed
from rootless.images.faults import store_errors
from rootless.images.incoming import Incoming
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
from rootless.oci.layout import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Self

    from rootless.oci.layout import Layout
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


class Intake(Incoming):
    """One artifact on its way in. A context manager; leaving it drops what is not kept."""

    kind = SparseBlob

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths, paths.artifacts)

    def __enter__(self) -> Self:
        self.paths.prepare()
        path = self.layout.path
        with contextlib.ExitStack() as stack:
            stack.enter_context(store_errors(self.paths))
            initialise(path)
            self._work = stack.enter_context(Workspace(path, path))
            stack.callback(self._drop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def take(self, blob: Blob) -> str:
        """Accept a finished blob. Return its digest."""
        blob.sync()
        return super().take(blob)

    def commit(
        self, name: str, compose: Callable[[Artifact | None], bytes], sources: Iterable[str] = ()
    ) -> str:
        """Name an artifact; return its digest.

        `compose` is told of the one that has the name, under the lock, and returns the manifest;
        `sources` are the digests by which the registry of the name knows it, or some of its files.
        """
        with locked(self.layout.path):
            index = self.layout.index()
            known = [entry for entry in index["manifests"] if name_of(entry) == name]
            before = None
            with contextlib.suppress(ImageError):  # a damaged one makes way for what comes
                before = Artifact(self.layout, known[0]) if known else None
            data = compose(before)
            digest = self.take_bytes(data)
            entry = renamed(entry_for(digest, len(data), sources), name)
            self.publish([digest])
            artifact = Artifact(self.layout, entry)
            self.publish(artifact.manifest.blobs)
            sync_directory(f"{self.layout.path}/blobs/sha256")
            rest = [one for one in index["manifests"] if name_of(one) != name]
            index["manifests"] = [*rest, entry]
            write_index(self.layout.path, index)
            collect(self.layout, known, index["manifests"])
        return artifact.digest


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
