"""The user's own store as a registry's storage: its images are served, and what is pushed is one.

What is asked for is looked up as `names.places` says. A push of `tools:1` makes the image
`localhost/tools:1`, and no push makes or moves a name of another domain: else whoever may push
could put an image of his own in the place of docker.io's. For the same reason only names under
localhost/ can be deleted. What guests push is an image `pushed.localhost/tools:1`, and all that
they can delete: it never means an image that the user of the store has, or has named. Only images
are taken, because every entry of the store is one; layers are unpacked, and so checked against the
configuration, when a container first needs them.
"""

from __future__ import annotations

import os
import time

from rootless.images.entries import entry_for, identity, named, renamed, unnamed
from rootless.linux import interpreter
from rootless.oci import models, platform, reference
from rootless.oci.blobs import locked, write_index
from rootless.oci.digest import Digest
from rootless.oci.errors import ImageError
from rootless.oci.layout import MAX_JSON, chain_ids, name_of
from rootless.registry import refusal
from rootless.registry.catalogue import Manifest, sources
from rootless.registry.names import GUESTS, LOCAL, places
from rootless.registry.shelf import (
    GUEST,
    PINNED,
    REPOSITORY,
    Shelf,
    is_guests,
    missing,
    repository_of,
)
from rootless.store import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.registry.catalogue import Catalogue
    from rootless.store.paths import Paths

    Document = dict[str, Any]

MOST_HELD = 1000


class Own(Shelf):
    """The images of a store."""

    def __init__(self, paths: Paths) -> None:
        paths.prepare()
        super().__init__(paths.images)
        self._paths = paths
        self.addresses: frozenset[str] = frozenset()
        """Domains of names that lead to this very registry: what was pulled from here is here
        already, and by its copy nothing becomes the owner's."""
        self._held: dict[tuple[str, str, bool], float] = {}
        """Repository, digest and whether it is a guest's, of manifests that are no images -> since
        when they wait for an index that names them: attestations, images for other machines. The
        store has no entry for such; with the index they stay, alone they are dropped with their
        pins."""

    def _fill(self, fresh: Catalogue, entries: list[Document]) -> None:
        found = []
        for entry in entries:
            if name_of(entry):
                if reference.full(name_of(entry)).partition("/")[0] in self.addresses:
                    continue
                rank, names, tag = places(reference.full(name_of(entry)))
                found += [(rank, name, tag, entry, _has_guests_name(entry)) for name in names]
            elif repository_of(entry):
                found.append((0, repository_of(entry), "", entry, is_guests(entry)))
        for name, digest, guest in list(self._held):
            found.append((0, name, "", {"digest": digest}, guest))
        fresh.add_all(one[1:] for one in sorted(found, key=lambda one: one[0]))

    def _version(self) -> object:
        return tuple(self._held)

    def expire(self) -> None:
        """Let go what is held for nobody."""
        super().expire()
        for held, since in list(self._held.items()):
            if since < time.monotonic() - PINNED:
                self._held.pop(held, None)

    # -- taking in ----------------------------------------------------------------------------

    def _adopt(
        self, data: bytes, manifest: Manifest, media_type: str
    ) -> tuple[Document, list[bytes]]:
        digest = Digest.of(data)
        if manifest.is_index:
            self._check_index(data, digest)
            return {"mediaType": media_type, "digest": digest, "size": len(data)}, [data]
        parsed = self._checked(data, digest)
        if not parsed.is_docker:
            return entry_for(digest, len(data)), [data]
        converted = models.to_oci(parsed)
        entry = entry_for(Digest.of(converted), len(converted), [digest])
        return entry, [data, converted]

    def _check_index(self, data: bytes, digest: str) -> None:
        """See that an index has an image for this machine: the store could not show it else."""
        index = models.decode(data, models.Index, f"index {digest}")
        wanted = platform.host()
        chosen = models.choose(index.manifests, wanted)
        if chosen is None:
            raise ImageError(
                f"the index has no image for {wanted}, the platform of this store: "
                "a registry with --storage takes it"
            )
        self._checked(self._read(chosen.digest), chosen.digest)

    def _checked(self, data: bytes, digest: str) -> models.Manifest:
        """The manifest of an image whose configuration fits it. Raises ImageError, Refusal."""
        parsed = models.decode(data, models.Manifest, f"manifest {digest}")
        try:
            parsed.check()
        except ImageError as error:
            raise ImageError(f"{error.message}: a registry with --storage takes it") from error
        config = models.config_in(self._read(parsed.config.digest), f"configuration of {digest}")
        if len(chain_ids(config.rootfs.diff_ids)) != len(parsed.layers):
            raise ImageError(f"the configuration of {digest} has not one diff id for each layer")
        return parsed

    def _read(self, digest: str) -> bytes:
        """A document that was pushed before what names it."""
        if not self.find(digest):
            raise missing(digest)
        with open(self.open(digest), "rb") as file:
            return file.read(MAX_JSON + 1)

    def _entered(
        self, entries: list[Document], name: str, tag: str, entry: Document, manifest: Manifest
    ) -> list[Document]:
        guest = is_guests(entry)
        children = set(manifest.children)
        # The manifests of an index come before it and without tags; now it names them.
        rest = [
            other
            for other in entries
            if name_of(other)
            or not _is_pushed(other, name, guest=guest)
            or not children.intersection(sources(other))
        ]
        if tag:
            # An image of the owner's without a name stays one, also if a guest has pushed it.
            kept = [
                other
                for other in rest
                if guest
                and identity(other) == identity(entry)
                and not (name_of(other) or is_guests(other))
            ]
            return [*kept, *named(rest, [_full(name, tag, guest=guest)], entry)]
        known = any(
            repository_of(other) == name
            and is_guests(other) == guest
            and other["digest"] == entry["digest"]
            for other in rest
        )
        return rest if known else [*rest, entry]

    def put(
        self, name: str, tag: str, data: bytes, media_type: str, *, guest: bool
    ) -> tuple[str, Manifest]:
        """As Shelf.put, and tell it to who listens to events."""
        try:
            digest, manifest = super().put(name, tag, data, media_type, guest=guest)
        except refusal.Refusal as refused:
            most = MOST_HELD // 2 if guest else MOST_HELD  # there is room for the owner's
            if tag or refused.code != "MANIFEST_INVALID" or len(self._held) >= most:
                raise
            return self._hold(name, data, guest=guest)
        if tag:
            full = _full(name, tag, guest=guest)
            known = digest if manifest.is_index else manifest.config
            events.record(self._paths.root, events.happened("image", "tag", known, full))
        return digest, manifest

    def _check_below(self, entry: Document) -> None:
        """As Shelf._check_below; `rmi` takes for manifests only those of images."""
        super()._check_below(entry)
        for one, document in self.layout.behind(entry):
            if document is None:
                raise refusal.invalid_manifest(f"{one['digest']} is no manifest of an image")

    def _hold(self, name: str, data: bytes, *, guest: bool) -> tuple[str, Manifest]:
        """Keep a manifest for the index that will name it."""
        try:
            manifest = Manifest(data)
        except ImageError as error:
            raise refusal.invalid_manifest(error.message) from error
        self._check_parts([part for part in manifest.parts if part not in manifest.absent])
        self._publish_bytes(data)
        digest = Digest.of(data)
        self._held[name, digest, guest] = time.monotonic()
        return digest, manifest

    # -- removing -----------------------------------------------------------------------------

    def delete_tag(self, name: str, tag: str, *, guest: bool) -> None:
        """As Shelf.delete_tag; the image stays, without a name if it was the last."""
        with locked(self.path):
            self.admit(name, guest=guest)
            full = _full(name, tag, guest=name in self.catalogue().guests)
            index = self.layout.index()
            if full not in {reference.full(name_of(entry)) for entry in index["manifests"]}:
                raise self._not_deleted(name, tag, there=bool(self.catalogue().by_tag(name, tag)))
            index["manifests"] = unnamed(index["manifests"], [full])
            write_index(self.path, index)
        events.record(self._paths.root, events.happened("image", "untag", full, full))

    def delete_manifest(self, name: str, digest: str, *, guest: bool) -> None:
        """As Shelf.delete_manifest; an image that has no other name is removed, as by rmi."""
        with locked(self.path):
            self.admit(name, guest=guest)
            guest = name in self.catalogue().guests
            index = self.layout.index()
            entries: list[Document] = index["manifests"]
            gone = [e for e in entries if digest in sources(e) and _is_pushed(e, name, guest=guest)]
            if not gone:
                if self._held.pop((name, digest, guest), None) is not None:
                    return
                raise self._not_deleted(name, digest, there=self.catalogue().has(name, digest))
            rest = [entry for entry in entries if entry not in gone]
            left = {entry["digest"] for entry in rest}
            lost = [entry for entry in gone if entry["digest"] not in left]
            # As an image without a name, of no repository, it is removed like any other: unless a
            # container uses it, and with its layers, which takes the user namespace. But by itself:
            # an image of the owner's may have the same id, or was pulled by this digest.
            index["manifests"] = rest + [_bare(entry) for entry in lost[:1]]
            write_index(self.path, index)
        if lost:
            self._remove(str(lost[0]["digest"]))

    def _remove(self, digest: str) -> None:
        """Remove an image in a process of its own: one with threads must not fork."""
        # A container may use it; then it stays without a name, as with docker.
        pid = interpreter.spawn("remove_image", self._paths.root, digest, site=interpreter.OURS)
        os.waitpid(pid, 0)

    def _not_deleted(self, name: str, what: str, *, there: bool) -> refusal.Refusal:
        if not there:
            return refusal.unknown_manifest(name, what)
        return refusal.denied(f"{what} of {name} was not pushed here: rootless rmi removes it")


def _bare(entry: Document) -> Document:
    """An entry without name and repository."""
    bare = renamed(entry, "")
    pushed = (REPOSITORY, GUEST)
    annotations = {k: v for k, v in bare.get("annotations", {}).items() if k not in pushed}
    rest = {key: value for key, value in bare.items() if key != "annotations"}
    return {**rest, "annotations": annotations} if annotations else rest


def _full(name: str, tag: str, *, guest: bool) -> str:
    """The name of the image that a push makes."""
    return f"{GUESTS if guest else LOCAL}/{name}:{tag}"


def _has_guests_name(entry: Document) -> bool:
    """Whether an entry with a name is a guest's: by its name, whatever it was before that."""
    return reference.full(name_of(entry)).startswith(f"{GUESTS}/")


def _is_pushed(entry: Document, name: str, *, guest: bool) -> bool:
    """Whether an entry is of a repository where pushes go, those of guests or the others."""
    if name_of(entry):
        return reference.full(name_of(entry)).startswith(_full(name, "", guest=guest))
    return repository_of(entry) == name and is_guests(entry) == guest
