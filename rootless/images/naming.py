"""`tag` and `untag`: a name more or less for an image."""

from __future__ import annotations

import os

from rootless.errors import NotFound
from rootless.images.entries import entry_for, named, pushed_as, unnamed
from rootless.images.faults import store_errors
from rootless.images.image import id_of
from rootless.oci import reference
from rootless.oci.blobs import locked, write_index
from rootless.oci.digest import CHUNK
from rootless.oci.layout import Layout, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.images.finding import Finder
    from rootless.images.image import Image
    from rootless.images.intake import Intake


def tag(images: Finder, source: str, target: str) -> None:
    """Give `source` the name `target`. Raises NotFound, InvalidReference."""
    name = reference.name_to_give(target)
    paths = images.paths
    image = images.look(source)  # says what is wrong before anything is locked
    paths.prepare()
    if image.readonly:
        _bring(images, image.member(), name)
        return
    with store_errors(paths), locked(paths.images):
        index = Layout(paths.images).index()
        descriptor = images.find_entry(index["manifests"], source)
        if descriptor is None:
            raise NotFound(f"no such image: {source}")
        index["manifests"] = named(index["manifests"], [name], descriptor)
        write_index(paths.images, index)


def untag(images: Finder, ref: str, names: list[str]) -> list[str]:
    """Take names from an image; return the full names that went. Raises NotFound, Conflict."""
    images.get_entry(ref)
    paths = images.paths
    with store_errors(paths), locked(paths.images):
        index = Layout(paths.images).index()
        descriptor = images.find_entry(index["manifests"], ref)
        if descriptor is None:
            raise NotFound(f"no such image: {ref}")
        meant = id_of(paths, descriptor)  # several manifests may have the image's configuration
        same = [one for one in index["manifests"] if id_of(paths, one) == meant]
        has = [reference.full(name_of(each)) for each in same if name_of(each)]
        found = {name: images.find_name(same, name) for name in names}
        for name, full in found.items():
            if not full:
                raise NotFound(f"image {ref} has no name {name}", f"it has {', '.join(has)}")
        gone = list(found.values()) if names else has
        index["manifests"] = unnamed(index["manifests"], gone)
        write_index(paths.images, index)
    return gone


def note_push(images: Finder, manifest: str, name: str) -> None:
    """Keep that the image with a manifest was pushed under `name`, REPOSITORY@DIGEST."""
    paths = images.paths
    with store_errors(paths), locked(paths.images):
        index = Layout(paths.images).index()
        index["manifests"] = [
            pushed_as(entry, name) if entry["digest"] == manifest else entry
            for entry in index["manifests"]
        ]
        write_index(paths.images, index)


def _bring(images: Finder, image: Image, name: str) -> None:
    """Name an image of a shared store by copying its blobs.

    An entry that only referred to the other store would leave a layout that no other program can
    read, and an image that is gone when that store is.
    """
    from rootless.images.intake import Intake
    from rootless.images.pinned import digests_of

    seen = digests_of(image.entry, image.shared)
    known = [digest for digest in image.digests if digest in seen]
    digests = [*(str(part["digest"]) for part in image.parts), image.manifest_digest]
    with Intake(images.paths, source=image.layout) as intake:
        bring_in(intake, digests)
        size = os.path.getsize(intake.path(image.manifest_digest))
        entry = entry_for(image.manifest_digest, size, known)
        intake.commit([([name], entry)], digests)


def bring_in(intake: Intake, digests: Iterable[str]) -> None:
    """Take those blobs in that the store does not have. Raises DigestError for a damaged one."""
    for digest in digests:
        if not intake.has(digest):
            _copy(intake, digest)


def _copy(intake: Intake, digest: str) -> None:
    """Take a blob in. Raises DigestError where its content is another."""
    blob = intake.blob(expected=digest)
    with open(intake.path(digest), "rb") as file:
        while data := file.read(CHUNK):
            blob.write(data)
    intake.take(blob.finish())
