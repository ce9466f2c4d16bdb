"""`manifest push`: a manifest list to a registry, with its members.

A member that the store has is pushed as `push` pushes it. Of one that a registry has the blobs come
from there: by a cross-repository mount where it is the same registry, else as a stream, of which
nothing is kept. Where a member's manifest becomes another on the way, because a layer is
compressed or the format is changed, the list that is pushed names the new one.
"""

from __future__ import annotations

from functools import partial

from rootless.errors import UsageError
from rootless.images.access import Access
from rootless.images.members import read
from rootless.images.parallel import in_parallel
from rootless.images.progress import Silent
from rootless.images.pushing import FORMATS, Push, Pushed
from rootless.images.sending import content_of, send
from rootless.images.sources import Sources
from rootless.oci import models, reference
from rootless.oci.blobs import Workspace
from rootless.oci.digest import CHUNK, Digest
from rootless.oci.errors import ImageError, InvalidReference
from rootless.oci.layout import DOCKER_LIST, MANIFESTS, OCI_INDEX, OCI_MANIFEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rootless.images.collection import Images
    from rootless.images.lists import ListImage
    from rootless.images.progress import Progress
    from rootless.oci.registry import Repository

    Document = dict[str, Any]
    Content = Callable[[str, int], Iterator[bytes]]

LISTS = {"": "", "oci": OCI_INDEX, "v2s2": DOCKER_LIST}


def push(
    images: Images,
    image: ListImage,
    target: str,
    access: Access,
    format_: str,
    progress: Progress | None,
    everything: bool,
) -> Pushed:
    """Push a list; see Manifests.push."""
    if format_ not in FORMATS:
        raise UsageError(f"unknown format {format_!r}", "oci or v2s2")
    try:
        name = reference.parse(target or (image.names or [""])[0]).tagged()
    except InvalidReference as error:
        raise UsageError(error.message, "manifest push LIST REGISTRY/NAME") from error
    if name.domain == "localhost":
        raise UsageError(f"{name} is a name of this machine alone", "name a registry: LIST NAME")
    repository = access.repository(name)
    with Workspace(images.paths.images, images.paths.images) as work:
        one = ListPush(images, image, repository, access, work, progress or Silent())
        return one.run(format_, everything=everything)


class ListPush:
    """One push of a list under way."""

    def __init__(
        self,
        images: Images,
        image: ListImage,
        repository: Repository,
        access: Access,
        work: Workspace,
        progress: Progress,
    ) -> None:
        self._images = images
        self._image = image
        self._repository = repository
        self._access = access
        self._work = work
        self._progress = progress

    def run(self, format_: str, *, everything: bool) -> Pushed:
        """Push the members first, for a registry takes no list of what it has not; the list."""
        members = self._image.members
        if everything:
            members = [self._member(one, FORMATS[format_]) for one in members]
        kind = LISTS[format_] or str(self._image.manifest.get("mediaType") or OCI_INDEX)
        if members == self._image.members and kind == self._image.manifest.get("mediaType"):
            data = read(self._image.layout, self._image.stored_digest)
        else:
            document = {**self._image.manifest, "mediaType": kind, "manifests": members}
            data = models.encode(_docker(document) if kind == DOCKER_LIST else document)
        name = self._repository.name
        digest = self._repository.put_manifest(name.tag or name.digest, data, kind)
        return Pushed(str(name), digest, len(data))

    def _member(self, member: Document, wanted: str) -> Document:
        """Push a member; return what the list is to say of it."""
        data, kind = self._blobs(member)
        if wanted:
            data, kind = _converted(data, kind, wanted)
        digest = Digest.of(data)
        self._repository.put_manifest(digest, data, kind)
        return {**member, "mediaType": kind, "digest": digest, "size": len(data)}

    def _blobs(self, member: Document) -> tuple[bytes, str]:
        """Bring all blobs of a member there; return its manifest and media type."""
        data = read(self._image.layout, str(member["digest"]))
        manifest = models.decode(data, models.Manifest, f"manifest {member['digest']}")
        known = all(layer.media_type in models.LAYER_TYPES for layer in manifest.layers)
        here = self._image.is_here(member)
        if here and known:
            image = self._image.image(member)
            one = Push(self._images, image, self._repository, self._work, self._progress)
            return one.upload("", "")
        content, origin = (self._stored, "") if here else self._remote(member)
        blobs = {blob.digest: blob for blob in (*manifest.layers, manifest.config)}
        jobs: list[Callable[[], None]] = []
        for digest, blob in blobs.items():
            blob.check()
            job = partial(content, digest)
            jobs.append(
                partial(send, self._repository, digest, blob.size, job, self._progress, origin)
            )
        in_parallel(jobs, lambda: None)
        return data, manifest.media_type or str(member.get("mediaType") or OCI_MANIFEST)

    def _stored(self, digest: str, start: int) -> Iterator[bytes]:
        return content_of(self._image.layout.blob_path(digest), digest, start)

    def _remote(self, member: Document) -> tuple[Content, str]:
        """How to read a blob where the member is from; the repository to mount it from, if any."""
        digest = str(member["digest"])
        name = self._image.origins.get(digest, "")
        if not name:
            raise ImageError(f"a blob of the image {digest} is missing", "rootless system check")
        target = self._repository.name
        access = self._access
        if reference.parse(name).domain != target.domain:
            # What was given for the one registry is none of the other's business.
            access = Access(tls_verify=access.tls_verify, authfile=access.authfile)
        _, source = Sources(f"{name}@{digest}", access).first(_having(digest))
        place = source.place
        same = place.domain == target.domain and place.path != target.path

        def content(digest: str, start: int) -> Iterator[bytes]:
            with source.blob(digest, start) as response:
                if start and response.status != 206:
                    raise ImageError(f"blob {digest}: {source.name.domain} knows no ranges")
                while data := response.read(CHUNK):
                    yield data

        return content, place.path if same else ""


def _having(digest: str) -> Callable[[Repository], Repository]:
    """Return what accepts a repository that has a manifest, and raises RegistryError else."""

    def check(repository: Repository) -> Repository:
        repository.digest(digest)
        return repository

    return check


def _docker(document: Document) -> Document:
    """An index as docker's manifest list, which has neither annotations nor other fields."""
    entries = [
        {key: one[key] for key in ("mediaType", "size", "digest", "platform") if key in one}
        for one in document["manifests"]
    ]
    return {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": entries}


def _converted(data: bytes, kind: str, wanted: str) -> tuple[bytes, str]:
    """Return a manifest in the other format; what is no image stays as it is."""
    manifest = models.decode(data, models.Manifest, "the manifest to push")
    known = all(layer.media_type in models.LAYER_TYPES for layer in manifest.layers)
    if kind == wanted or not known or kind not in MANIFESTS:
        return data, kind
    if wanted == OCI_MANIFEST:
        return models.to_oci(manifest), wanted
    layers = [
        {"mediaType": one.media_type, "digest": one.digest, "size": one.size}
        for one in manifest.layers
    ]
    config = {"digest": manifest.config.digest, "size": manifest.config.size}
    return models.to_docker(config, layers), wanted
