"""Opening what `copy`, `pull`, `push` and `inspect --remote` name: see `oci.transports`.

A registry is found as for every pull, through registries.conf; this store is a source as well.
"""

from __future__ import annotations

from functools import partial

from rootless.errors import UsageError
from rootless.images import limits
from rootless.images.lists.list import ListImage
from rootless.images.transfer.list_source import ListSource
from rootless.images.transfer.sources import registry_source
from rootless.images.transfer.store_target import StoreTarget
from rootless.oci import platform, reference
from rootless.oci.distribution.remote import RegistrySource, RegistryTarget
from rootless.oci.errors import ImageError
from rootless.oci.layout import MAX_DEPTH, Layout
from rootless.oci.models import Index, choose, decode, kind_of
from rootless.oci.reading import (
    DirectorySource,
    DockerArchiveSource,
    LayoutSource,
    LocalSource,
    OciArchiveSource,
)
from rootless.oci.writing import (
    DirectoryTarget,
    DockerArchiveTarget,
    LayoutTarget,
    OciArchiveTarget,
)
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.images.finding import Finder
    from rootless.images.image import Image
    from rootless.images.transfer.access import Access
    from rootless.oci.platform import Platform
    from rootless.oci.reading import Part
    from rootless.oci.transports import Fetched, Location, Source, Target
    from rootless.store.paths import Paths
    from rootless.teller import Teller


class StoreSource(LocalSource):
    """An image of this store, or of a shared one. What is here was let in already."""

    def __init__(self, image: Image, place: Location) -> None:
        super().__init__(place)
        self._image = image
        self._layout = LayoutSource(place, image.layout)
        self.whole = False
        """Whether attestations come along, if there are some."""

    def top(self) -> Fetched:
        """Return the manifest as a registry had it, or as it is here."""
        if self.whole and self._image.attested is not None:
            return self._layout.manifest(self._image.stored_digest)
        digest, data = self._image.original()
        return self.checked(digest, data, "")

    def part(self, digest: str) -> Part:
        """The blob in the store."""
        return self._layout.part(digest)

    def admit(self, manifest: bytes) -> None:
        """Nothing is to be checked again."""


def open_source(
    images: Finder,
    place: Location,
    access: Access,
    teller: Teller = QUIET,
) -> Source:
    """Return what is at a place; to be closed. Raises what reading it raises."""
    if place.transport == "docker":
        return registry_source(place, access, teller)
    if place.transport == "containers-storage":
        image = images.look(place.path)
        if isinstance(image, ListImage):
            return ListSource(images, image, place, access)
        if image.host:
            raise UsageError("the image host is this machine and cannot be copied")
        return StoreSource(image, place)
    if place.transport == "oci":
        return LayoutSource(place, Layout(place.path))
    if place.transport == "dir":
        return DirectorySource(place)
    if place.transport == "oci-archive":
        return OciArchiveSource(place, limits.archive())
    return DockerArchiveSource(place, limits.archive())


def open_target(
    paths: Paths, place: Location, access: Access, source: Source, teller: Teller = QUIET
) -> Target:
    """Return where an image can go to; to be closed. Raises ImageError, UsageError."""
    if place.transport == "containers-storage":
        return StoreTarget(paths, reference.name_to_give(place.path), source, teller)
    if place.transport == "docker":
        repository = access.destination(reference.parse(place.path).tagged())
        return RegistryTarget(repository, partial(_origin, source, repository.place.domain))
    if place.transport == "oci":
        return LayoutTarget(place)
    if place.transport == "dir":
        return DirectoryTarget(place)
    if place.transport == "oci-archive":
        return OciArchiveTarget(place)
    return DockerArchiveTarget(place, limits.layer().bytes)


def _origin(source: Source, domain: str, digest: str) -> str:
    """The repository that blobs may be mounted from: the source, in the same registry."""
    if isinstance(source, ListSource):
        return source.neighbour(domain, digest)
    if isinstance(source, RegistrySource) and source.repository.place.domain == domain:
        return source.repository.place.path
    return ""


def image_manifest(source: Source, wanted: Platform | None) -> Fetched:
    """Return the image manifest for a platform, by default this machine's. Raises ImageError."""
    asked = wanted or platform.host()
    fetched, declared = source.manifest(), ""
    for _ in range(MAX_DEPTH):
        subject = f"manifest {fetched.digest}"
        if kind_of(fetched.data, declared or fetched.media_type, subject) == "manifest":
            return fetched
        index = decode(fetched.data, Index, subject)
        chosen = choose(index.manifests, asked)
        if chosen is None:
            raise ImageError(
                f"no image for platform {asked} in {source.name}",
                "it is there for " + (", ".join(_platforms(index)) or "none"),
            )
        chosen.check()
        fetched, declared = source.manifest(chosen.digest), chosen.media_type
    subject = f"manifest {fetched.digest}"
    if kind_of(fetched.data, declared, subject) == "manifest":
        return fetched
    raise ImageError(f"{subject}: indexes are nested too deep")


def check_platform(source: Source, offered: Platform, asked: Platform | None) -> None:
    """Raise ImageError where a single manifest is for another platform than asked.

    Unasked it may be for any.
    """
    if asked is not None and not platform.fits(offered, asked):
        raise ImageError(f"{source.name} is for platform {offered}, not {asked}")


def _platforms(index: Index) -> Iterator[str]:
    for entry in index.manifests:
        text = str(platform.of(entry.platform))
        if text and not text.startswith("unknown"):
            yield text
