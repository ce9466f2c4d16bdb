"""Where a registry keeps things: an OCI image layout, what is common to both kinds of it.

A blob gets its name in the layout when it is complete, verified and on disk; a manifest when all
that it needs is there; then the index names it. So a kill at any moment and a full disk leave the
layout whole, and what is half done is swept with the workspace.

Other commands may remove images meanwhile. A download holds a descriptor, which outlives the name.
A push has *pins*: second links, in the workspace, to all blobs that it brought or was told to be
here already; what lost its name by the time the manifest comes is linked back under the lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from abc import ABC, abstractmethod

from rootless.oci.blobs import (
    Blob,
    Workspace,
    initialise,
    locked,
    reserve,
    sync_directory,
    write_index,
)
from rootless.oci.digest import Digest
from rootless.oci.errors import ImageError
from rootless.oci.layout import MAX_DEPTH, Layout
from rootless.registry import catalogue, refusal
from rootless.registry.catalogue import Catalogue, Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

REPOSITORY = "rootless.repository"
"""Annotation of an index entry: the repository that it was pushed to, so that its manifest can be
had from there by digest, also when it has no tag (any more)."""

PINNED = 3600.0
"""Seconds after which a blob that no push has asked for again is not held any longer."""

GUEST = "rootless.guest"
"""Annotation of an index entry that a guest pushed: what has it not is the owner's, and read-only
for guests."""

MOST_PINS = 20_000


class Pins:
    """Further links to blobs, so that no removal takes them from a push under way."""

    def __init__(self, layout: Layout, directory: str) -> None:
        self._layout = layout
        self._directory = directory
        self._lock = threading.Lock()
        self._used: dict[str, float] = {}
        """Digest -> when it was last asked for, the longest ago first."""

    def path(self, digest: str) -> str:
        """Where a blob's link is, if it has one. Raises ImageError for what is no digest."""
        return f"{self._directory}/pin-{os.path.basename(self._layout.blob_path(digest))}"

    def add(self, digest: str, source: str = "") -> None:
        """Hold a blob, from the file `source` or from its place in the layout, if it is there.

        Without effect on a file system that has no links.
        """
        with self._lock:
            with contextlib.suppress(OSError):
                try:
                    os.link(source or self._layout.blob_path(digest), self.path(digest))
                except FileExistsError:
                    pass
                self._used.pop(digest, None)
                self._used[digest] = time.monotonic()
            if len(self._used) > MOST_PINS:
                self._drop(next(iter(self._used)))

    def restore(self, digest: str) -> bool:
        """Put a blob back in its place; False where it is not held."""
        try:
            os.link(self.path(digest), self._layout.blob_path(digest))
        except FileExistsError:
            return True
        except OSError:
            return False
        return True

    def drop(self, digest: str) -> None:
        """Hold a blob no longer."""
        with self._lock:
            self._drop(digest)

    def _drop(self, digest: str) -> None:
        self._used.pop(digest, None)
        with contextlib.suppress(OSError):
            os.unlink(self.path(digest))

    def expire(self) -> None:
        """Drop what was not asked for in a long time."""
        with self._lock:
            for digest, used in list(self._used.items()):
                if used > time.monotonic() - PINNED:
                    break
                self._drop(digest)


class Shelf(ABC):
    """A layout as a registry's storage. A context manager; may be used by several threads.

    What belongs to which repository is decided by the subclasses.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.layout = Layout(path)
        self._lock = threading.Lock()
        self._catalogue: tuple[object, Catalogue] | None = None

    def __enter__(self) -> Shelf:
        initialise(self.path)
        reserve(self.path)
        self._workspace = Workspace(self.path, self.path)
        self.pins = Pins(self.layout, self._workspace.path)
        return self

    def __exit__(self, *error: object) -> None:
        self._workspace.__exit__(*error)

    def expire(self) -> None:
        """Let go what is held for nobody."""
        self.pins.expire()

    # -- what is there ------------------------------------------------------------------------

    def catalogue(self) -> Catalogue:
        """What there is at present; read anew only when index.json is another file."""
        found = os.stat(f"{self.path}/index.json")
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size, self._version())
        kept = self._catalogue
        if kept is None or kept[0] != stamp:
            fresh = Catalogue(self.layout)
            self._fill(fresh, self.layout.index()["manifests"])
            kept = self._catalogue = (stamp, fresh)
        return kept[1]

    def _version(self) -> object:
        """Changes with whatever else than the index the catalogue depends on."""
        return None

    @abstractmethod
    def _fill(self, fresh: Catalogue, entries: list[Document]) -> None:
        """Add each entry to the repositories that it belongs to."""

    def open(self, digest: str) -> int:
        """Return a descriptor of a blob, which its owner closes. Raises Refusal 404."""
        for path in (self.layout.blob_path(digest), self.pins.path(digest)):
            with contextlib.suppress(FileNotFoundError):
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        raise refusal.unknown_blob(digest)

    def find(self, digest: str) -> bool:
        """Whether a blob is here; if so it stays for the push that asks."""
        self.pins.add(digest)
        return self.layout.has(digest) or os.path.exists(self.pins.path(digest))

    def admit(self, name: str, *, guest: bool) -> None:
        """See that a repository may be changed. Raises Refusal for a guest in the owner's."""
        found = self.catalogue()
        if guest and name in found.repositories and name not in found.guests:
            raise refusal.reserved(name)

    # -- taking in ----------------------------------------------------------------------------

    def new(self) -> Blob:
        """A blob to be written; `publish` or `abandon` and unlink it."""
        with self._lock:
            path = self._workspace.new()
        return Blob(path)

    def publish(self, blob: Blob, digest: str) -> None:
        """Check a finished blob and give it its name, durably. Raises Refusal 400."""
        if blob.finish().digest != digest:
            why = f"the content has the digest {blob.digest}, not {digest}"
            raise refusal.invalid_digest(why)
        self.pins.add(digest, blob.path)
        blob.publish(self.layout)

    def put(
        self, name: str, tag: str, data: bytes, media_type: str, *, guest: bool
    ) -> tuple[str, Manifest]:
        """Take a manifest in, under a tag or ("") without; return its digest.

        Raises Refusal where it is not understood, needs what is not here, or is not a guest's to
        push.
        """
        self.admit(name, guest=guest)
        digest = Digest.of(data)
        try:
            manifest = Manifest(data)
            entry, documents = self._adopt(data, manifest, media_type)
        except ImageError as error:
            raise refusal.invalid_manifest(error.message) from error
        needed = [part for part in manifest.parts if part not in manifest.absent]
        self._check_parts(needed)
        for document in documents:
            self._publish_bytes(document)
        sync_directory(f"{self.path}/blobs/sha256")
        with locked(self.path):
            # What was here already may have been removed meanwhile; now nobody can.
            needed += map(Digest.of, documents)
            if not all(map(self.layout.has, needed)):
                self._restore(needed)
            self._check_below(entry)
            self.admit(name, guest=guest)
            self._enter(name, tag, entry, manifest, guest=guest)
        return digest, manifest

    def _check_below(self, entry: Document) -> None:
        """See that an index leads to nothing but manifests, and that all of them are here.

        Else it could not be known what the storage needs, and nobody could delete any more. Raises
        Refusal; the caller has the lock.
        """
        left, seen = [(str(entry["digest"]), 0)], set()
        while left:
            digest, depth = left.pop()
            if digest in seen:
                continue
            seen.add(digest)
            try:
                children = catalogue.read(self.layout, digest).children
            except ImageError as error:
                raise refusal.invalid_manifest(error.message) from error
            if depth == MAX_DEPTH and children:
                raise refusal.invalid_manifest("the index is nested too deep")
            left += [(child, depth + 1) for child in children]

    @abstractmethod
    def _adopt(
        self, data: bytes, manifest: Manifest, media_type: str
    ) -> tuple[Document, list[bytes]]:
        """Return the index entry for a manifest and the documents to be kept for it.

        Raises ImageError for one that is not taken.
        """

    def _check_parts(self, needed: list[str]) -> None:
        for part in needed:
            if not self.find(part):
                raise missing(part)

    def _publish_bytes(self, document: bytes) -> None:
        blob = self.new()
        try:
            blob.write(document)
            self.publish(blob, Digest.of(document))
        finally:
            blob.abandon()
            with contextlib.suppress(FileNotFoundError):
                if blob.path.startswith(self._workspace.path):
                    os.unlink(blob.path)

    def _restore(self, needed: list[str]) -> None:
        """Put back what was removed; the caller has the lock. Raises Refusal where it is gone."""
        for part in needed:
            if not self.layout.has(part) and not self.pins.restore(part):
                raise missing(part)
        sync_directory(f"{self.path}/blobs/sha256")

    def _enter(
        self, name: str, tag: str, entry: Document, manifest: Manifest, *, guest: bool
    ) -> None:
        """Put an entry into the index; the caller has the lock."""
        index = self.layout.index()
        pushed = {REPOSITORY: name, **({GUEST: "true"} if guest else {})}
        entry = {**entry, "annotations": {**entry.get("annotations", {}), **pushed}}
        index["manifests"] = self._entered(index["manifests"], name, tag, entry, manifest)
        write_index(self.path, index)

    @abstractmethod
    def _entered(
        self, entries: list[Document], name: str, tag: str, entry: Document, manifest: Manifest
    ) -> list[Document]:
        """Return entries in which a tag means `entry`, which says who has pushed it where."""

    # -- removing -----------------------------------------------------------------------------

    @abstractmethod
    def delete_tag(self, name: str, tag: str, *, guest: bool) -> None:
        """Take a tag away; its manifest stays. Raises Refusal."""

    @abstractmethod
    def delete_manifest(self, name: str, digest: str, *, guest: bool) -> None:
        """Take a manifest out of a repository, with all its tags. Raises Refusal."""

    def delete_blob(self, digest: str, *, guest: bool) -> None:
        """Delete a blob. Raises Refusal for one that is not here, or that an image needs.

        Guests cannot: nobody knows whose push under way needs it.
        """
        if guest:
            raise refusal.reserved(digest)
        with locked(self.path):
            if not self.find(digest):
                raise refusal.unknown_blob(digest)
            if digest in self._needed(self.layout.index()["manifests"]):
                raise refusal.denied(f"an image needs {digest}: delete its manifest first")
            self._unlink(digest)
        self.pins.drop(digest)

    def _unlink(self, digest: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.layout.blob_path(digest))

    def _needed(self, entries: list[Document]) -> set[str]:
        """All blobs behind entries. Raises Refusal where they cannot be known."""
        found: set[str] = set()
        try:
            for entry in entries:
                for digest in catalogue.sources(entry):
                    self._collect(digest, found, MAX_DEPTH)
        except ImageError as error:
            raise refusal.denied(f"the store is damaged: {error.message}") from error
        return found

    def _collect(self, digest: str, found: set[str], depth: int) -> None:
        if digest in found or not self.layout.has(digest):
            return
        found.add(digest)
        manifest = catalogue.read(self.layout, digest)
        found.update(manifest.parts)
        for child in manifest.children if depth else ():
            found.discard(child)
            self._collect(child, found, depth - 1)


def missing(digest: str) -> refusal.Refusal:
    """What a manifest needs and did not come before it."""
    return refusal.Refusal(400, "MANIFEST_BLOB_UNKNOWN", f"{digest} was not pushed")


def is_guests(entry: Document) -> bool:
    """Whether a guest has pushed an entry."""
    annotations = entry.get("annotations")
    return isinstance(annotations, dict) and GUEST in annotations


def repository_of(entry: Document) -> str:
    """The repository that an entry was pushed to, "" for none."""
    annotations = entry.get("annotations")
    name = annotations.get(REPOSITORY) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else ""
