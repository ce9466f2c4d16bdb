"""A manifest list of the store: how it is read. `manifests` has what makes and changes lists.

A list is an index entry like that of an image, with two annotations: LIST makes it a list, ORIGINS
says where members are that are not here. The list itself is an image index (or docker's manifest
list), a blob, and so is the manifest of each member; of members from a registry there is no more
than that. Whatever a list names is kept as long as the list is (`removing`).
"""

from __future__ import annotations

import contextlib

from rootless.images.entries import LIST
from rootless.images.image import Image
from rootless.oci import platform as platforms
from rootless.oci.errors import ImageError
from rootless.oci.layout import is_descriptor, parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.oci.platform import Platform

    Document = dict[str, Any]

ORIGINS = "rootless.list-origins"
"""Annotation of a list's entry: DIGEST=NAME, space between, for members that a registry has."""


class ListImage(Image):
    """A manifest list as a listing shows it; `member` is the image that runs."""

    is_list = True

    @property
    def manifest(self) -> Document:
        """The index. Raises ImageError for a damaged one."""
        if self._manifest is None:
            document = self.layout.document(str(self._descriptor["digest"]))
            members = document.get("manifests")
            good = isinstance(members, list) and all(map(is_descriptor, members))
            if not good:
                raise ImageError(f"{self._descriptor['digest']} is not a manifest list")
            self._manifest = document
        return self._manifest

    @property
    def members(self) -> list[Document]:
        """The descriptors in the list."""
        found: list[Document] = self.manifest["manifests"]
        return found

    @property
    def config(self) -> Document:
        """A list has no settings."""
        return {}

    @property
    def id(self) -> str:
        """The id that the list has had since it was made."""
        return self._made()[0]

    @property
    def created(self) -> float:
        """When the list was made."""
        text = self._made()[1]
        return float(text) if text.isascii() and text.isdecimal() else 0.0

    def _made(self) -> tuple[str, str]:
        identity, _, moment = str(self._descriptor["annotations"][LIST]).partition(" ")
        return identity, moment

    @property
    def digests(self) -> list[str]:
        """The digest of the list as it is now."""
        return [str(self._descriptor["digest"])]

    @property
    def size(self) -> int:
        """Bytes of the list itself, as podman shows it."""
        _ = self.manifest
        size = self._descriptor.get("size")
        return size if isinstance(size, int) else 0

    @property
    def chains(self) -> list[str]:
        """A list has no layers."""
        return []

    def layer_sizes(self) -> list[int]:
        """A list has no layers."""
        return []

    @property
    def ids(self) -> set[str]:
        """The ids of the images that are here."""
        return {str(image["config"]["digest"]).partition(":")[2] for _, image in self._kept()}

    @property
    def manifests(self) -> list[Document]:
        """What points at the manifests of the images, and at indexes within the index."""
        return [one for one, _ in self._behind()]

    @property
    def parts(self) -> list[Document]:
        """What the store has of the images: their manifests, configurations and layers."""
        kept = [part for _, image in self._kept() for part in parts_of(image)]
        return [*self.manifests, *kept]

    @property
    def images(self) -> list[Image]:
        """The images that are here."""
        return [Image(self._paths, one, self.names, self.shared) for one, _ in self._kept()]

    @property
    def all_chains(self) -> set[str]:
        """The chain ids of the layers of all images that are here."""
        found = set()
        for image in self.images:
            with contextlib.suppress(ImageError):  # what is no image, such as an attestation
                found.update(image.chains)
        return found

    def _behind(self) -> list[tuple[Document, Document | None]]:
        _ = self.manifest  # raises for a damaged list
        return list(self.layout.behind(self._descriptor))[1:]

    def _kept(self) -> list[tuple[Document, Document]]:
        """The images whose manifests can be read, if they are ours."""
        origins = self.origins
        return [
            (_bare(one), document)
            for one, document in self._behind()
            if document is not None
            and "layers" in document
            and (one["digest"] not in origins or self._has(document))
        ]

    @property
    def origins(self) -> dict[str, str]:
        """Digest -> the name by which a registry has the member."""
        return origins_of(self._descriptor)

    def member(self, platform: str = "") -> Image:
        """The image for a platform; see Image.member."""
        wanted = platforms.parse(platform) if platform else platforms.host()
        chosen = platforms.choose(self.members, wanted)
        if chosen is None:
            said = filter(platforms.is_somewhere, (one.get("platform") for one in self.members))
            offered = ", ".join(filter(None, (str(platforms.of(one)) for one in said)))
            raise ImageError(
                f"the manifest list {(self.names or [self.id[:12]])[0]} has no image for {wanted}",
                f"it has some for {offered}" if offered else "it is empty",
            )
        return self._image(chosen, wanted)

    @property
    def goes_whole(self) -> bool:
        """Whether there is no image for this machine here; see Image.goes_whole."""
        try:
            return bool(self.member().origin)
        except ImageError:
            return True

    def _image(self, member: Document, wanted: Platform) -> Image:
        """One of the members as an image; it has the list's names. See Image.origin."""
        found, document = self.layout.manifest(member, wanted)
        image = Image(self._paths, _bare(found), self.names, self.shared)
        name = self.origins.get(str(member["digest"]), "")
        if name and not self._has(document):
            image.origin = f"{name}@{member['digest']}"
        return image

    def _has(self, manifest: Document) -> bool:
        """Whether the store has all that an image needs."""
        return all(self.layout.has(str(part["digest"])) for part in parts_of(manifest))

    def made_of(self, member: Document) -> set[str]:
        """The digests of all that a member needs; of an index within the index, of its images."""
        found = set()
        for one, document in self.layout.behind(member):
            found.add(str(one["digest"]))
            found.update(str(part["digest"]) for part in parts_of(document or {}))
        return found


def _bare(member: Document) -> Document:
    """Only what points at a manifest: annotations of an index are others' and mean nothing here."""
    return {key: member.get(key) for key in ("mediaType", "digest", "size")}


def origins_of(descriptor: Document) -> dict[str, str]:
    """Digest -> the name by which a registry has it, for members in the list of an index entry."""
    text = descriptor["annotations"].get(ORIGINS)
    pairs = [pair.partition("=") for pair in text.split()] if isinstance(text, str) else []
    return {digest: name for digest, _, name in pairs}


def with_origins(entry: Document, origins: dict[str, str]) -> Document:
    """Return the index entry of a list whose members registries have; see `origins_of`."""
    annotations = {k: v for k, v in entry["annotations"].items() if k != ORIGINS}
    if origins:
        annotations[ORIGINS] = " ".join(f"{digest}={name}" for digest, name in origins.items())
    return {**entry, "annotations": annotations}
