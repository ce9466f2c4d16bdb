"""A manifest list of the store as a `Source` of `copy`, which is what `manifest push` is, too."""

from __future__ import annotations

import threading

from rootless.images.transfer.sources import registry_source
from rootless.oci import reference
from rootless.oci.reading import LayoutSource
from rootless.oci.transports import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.finding import Finder
    from rootless.images.lists.list import ListImage
    from rootless.images.transfer.access import Access
    from rootless.oci.distribution.remote import RegistrySource
    from rootless.oci.signatures.signature import Signature
    from rootless.oci.transports import Fetched, Stream


class ListSource:
    """A list with its members: what the store has not is read where the list says it is."""

    def __init__(self, images: Finder, image: ListImage, place: Location, access: Access) -> None:
        self.name = str(place)
        self._images = images
        self._image = image
        self._local = LayoutSource(place, image.layout)
        self._access = access
        self._lock = threading.Lock()
        self._members: dict[str, str] | None = None
        """Digest of a blob -> that of a member that has it and is in a registry."""
        self._registries: dict[str, RegistrySource] = {}

    def manifest(self, digest: str = "") -> Fetched:
        """Return the list, or the manifest of a member."""
        return self._local.manifest(digest or self._image.stored_digest)

    def blob(self, digest: str, size: int, start: int = 0) -> Stream:
        """Begin to read a blob, of the store if it is there."""
        member = self._member(digest)
        if not member or self._image.layout.has(digest):
            return self._local.blob(digest, size, start)
        return self._registry(member).blob(digest, size, start)

    def neighbour(self, domain: str, digest: str) -> str:
        """The repository of a registry that has a blob, "" for none.

        Its registry is not asked for what is here: it may be gone, and all else goes without it.
        """
        member = self._member(digest)
        if not member:
            return ""
        if self._image.layout.has(digest):
            place = reference.parse(self._image.origins[member])
        else:
            place = self._registry(member).repository.place
        return place.path if place.domain == domain else ""

    def signatures(self, digest: str) -> list[Signature]:
        """Return none: the store keeps none."""
        return []

    def admit(self, manifest: bytes) -> None:
        """Nothing is to be checked again: members were when they were added."""

    def close(self) -> None:
        """Nothing is held."""

    def _member(self, digest: str) -> str:
        with self._lock:
            if self._members is None:
                self._members = {
                    part: str(member["digest"])
                    for member in self._image.members
                    if member["digest"] in self._image.origins
                    for part in self._image.made_of(member)
                }
            return self._members.get(digest, "")

    def _registry(self, member: str) -> RegistrySource:
        with self._lock:
            if member not in self._registries:
                place = Location("docker", f"{self._image.origins[member]}@{member}")
                self._registries[member] = registry_source(place, self._access)
            return self._registries[member]
