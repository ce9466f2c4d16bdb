"""A registry's storage in a directory of its own: an OCI image layout for any kind of artifact.

An entry of its index.json is named `repository:tag`, so that `skopeo copy oci:DIR:tools:1 ...`
reads what was pushed; what has no tag is there under its repository's annotation. What no entry
needs any more is deleted with the manifest that needed it.
"""

from __future__ import annotations

from rootless.images.entries import renamed
from rootless.oci.blobs import locked, unlink_orphans, write_index
from rootless.oci.digest import Digest
from rootless.oci.layout import name_of
from rootless.registry import refusal
from rootless.registry.names import is_repository, is_tag
from rootless.registry.shelf import REPOSITORY, Shelf, is_guests, repository_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.registry.catalogue import Catalogue, Manifest

    Document = dict[str, Any]


class Directory(Shelf):
    """An image layout that is a registry's own."""

    def _fill(self, fresh: Catalogue, entries: list[Document]) -> None:
        found = []
        for entry in entries:
            name, _, tag = name_of(entry).rpartition(":")
            if is_repository(name) and is_tag(tag):
                found.append((name, tag, entry, is_guests(entry)))
            elif repository_of(entry):
                found.append((repository_of(entry), "", entry, is_guests(entry)))
        fresh.add_all(found)

    def _adopt(
        self, data: bytes, manifest: Manifest, media_type: str
    ) -> tuple[Document, list[bytes]]:
        digest = Digest.of(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}, [data]

    def _entered(
        self, entries: list[Document], name: str, tag: str, entry: Document, manifest: Manifest
    ) -> list[Document]:
        if not tag:
            return [*_unnamed(entries, name, "", entry["digest"]), entry]
        rest = _unnamed(entries, name, tag, entry["digest"])
        return [*rest, renamed(entry, f"{name}:{tag}")]

    def delete_tag(self, name: str, tag: str, *, guest: bool) -> None:
        """As Shelf.delete_tag."""
        with locked(self.path):
            self.admit(name, guest=guest)
            index = self.layout.index()
            before = index["manifests"]
            if all(name_of(entry) != f"{name}:{tag}" for entry in before):
                raise refusal.unknown_manifest(name, tag)
            index["manifests"] = _unnamed(before, name, tag, "")
            write_index(self.path, index)

    def delete_manifest(self, name: str, digest: str, *, guest: bool) -> None:
        """As Shelf.delete_manifest, with the blobs that nothing else needs."""
        with locked(self.path):
            self.admit(name, guest=guest)
            index = self.layout.index()
            gone = [e for e in index["manifests"] if e["digest"] == digest and _is_in(e, name)]
            if self.catalogue().is_part(name, digest):
                raise refusal.denied(f"an index needs {digest}: delete that first")
            if not gone:
                raise refusal.unknown_manifest(name, digest)
            rest = [entry for entry in index["manifests"] if entry not in gone]
            doomed, needed = self._needed(gone), self._needed(rest)
            index["manifests"] = rest
            write_index(self.path, index)
            for blob in doomed - needed:
                self._unlink(blob)
            unlink_orphans(self.path, needed)


def _is_in(entry: Document, name: str) -> bool:
    """Whether an entry belongs to a repository."""
    written = name_of(entry)
    return written.rpartition(":")[0] == name if written else repository_of(entry) == name


def _unnamed(entries: list[Document], name: str, tag: str, digest: str) -> list[Document]:
    """Return entries in which the tag means nothing, and `digest` has no entry without a tag.

    The manifest that had the tag stays to be had by its digest.
    """
    rest, losers = [], []
    for entry in entries:
        if tag and name_of(entry) == f"{name}:{tag}":
            losers.append(entry)
        elif name_of(entry) or entry["digest"] != digest or repository_of(entry) != name:
            rest.append(entry)
    for loser in losers:
        if loser["digest"] != digest and not any(
            e["digest"] == loser["digest"] and _is_in(e, name) for e in rest
        ):
            bare = renamed(loser, "")
            bare["annotations"] = {**bare.get("annotations", {}), REPOSITORY: name}
            rest.append(bare)
    return rest
