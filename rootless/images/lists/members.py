"""What is added to a manifest list: an image of the store, of a registry, or of an archive.

Of one in a registry only the manifest is fetched, and its configuration read, which says the
platform. One in an archive or a directory comes into the store as a whole: those do not stay.
"""

from __future__ import annotations

import contextlib

from rootless.errors import Conflict, NotFound, UsageError
from rootless.images.lists import attestations
from rootless.images.lists.list import ListImage
from rootless.images.transfer.copying import read_document
from rootless.images.transfer.places import open_source
from rootless.oci import jsonio, models, platform, transports
from rootless.oci.blobs import Blob
from rootless.oci.digest import CHUNK, Digest
from rootless.oci.distribution.remote import RegistrySource
from rootless.oci.errors import ImageError
from rootless.oci.layout import Layout
from rootless.oci.reading import document, open_file
from rootless.oci.transports import Location, media_type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from rootless.images.finding import Finder
    from rootless.images.image import Image
    from rootless.images.transfer.access import Access
    from rootless.oci.blobs import Workspace
    from rootless.oci.platform import Platform
    from rootless.oci.transports import Fetched, Source

    Document = dict[str, Any]

_PLATFORM = ("os", "architecture", "variant", "os.version", "os.features")


class Member:
    """One that is to be added: its descriptor, its manifest, and who has the rest of it."""

    def __init__(
        self, descriptor: Document, data: bytes, origin: str = "", blobs: Iterable[Blob] = ()
    ) -> None:
        self.descriptor = descriptor
        self.data = data
        self.origin = origin
        """The name by which a registry has it; empty where the store has all of it."""
        self.blobs = list(blobs)
        """What the store gets with it."""


def annotations_of(texts: list[str]) -> dict[str, str]:
    """Return the annotations that --annotation asks for. Raises UsageError."""
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(f"invalid annotation {text!r}", "write it as KEY=VALUE")
        found[key] = value
    return found


class Changes:
    """What the user says of members, instead of what they say of themselves; empty for nothing."""

    def __init__(
        self,
        *,
        os: str = "",
        arch: str = "",
        variant: str = "",
        os_version: str = "",
        features: list[str] | None = None,
        os_features: list[str] | None = None,
        annotations: list[str] | None = None,
    ) -> None:
        """`annotations` are KEY=VALUE. Raises UsageError."""
        said = {
            "os": os,
            "architecture": arch,
            "variant": variant,
            "os.version": os_version,
            "os.features": os_features,
            "features": features,
        }
        self.platform = {key: value for key, value in said.items() if value}
        self._annotations = annotations_of(annotations or [])

    def apply(self, descriptor: Document) -> None:
        """Change a descriptor."""
        if self.platform:
            descriptor["platform"] = {**(descriptor.get("platform") or {}), **self.platform}
        if self._annotations:
            known = descriptor.get("annotations") or {}
            descriptor["annotations"] = {**known, **self._annotations}

    @property
    def wanted(self) -> Platform:
        """The platform of the member of an index that is meant."""
        said = {"os": "linux", "architecture": platform.host().architecture, **self.platform}
        return platform.of(said)


def find(
    images: Finder,
    name: str,
    changes: Changes,
    access: Access,
    work: Workspace,
    *,
    everything: bool,
) -> list[Member]:
    """Return what `name` means: an image of the store if there is one, else of a registry.

    Of an index that for the platform of `changes`, or all of it. Raises NotFound, RegistryError,
    ImageError, SignatureError, DigestError for damaged blobs of an archive.
    """
    place = transports.parse(name)
    stored = place.transport == "containers-storage"
    if stored and not (transports.has_transport(name) or images.exists(place.path)):
        place, stored = Location("docker", place.path), False
    if not stored:
        with contextlib.closing(open_source(images, place, access)) as source:
            taking = None if isinstance(source, RegistrySource) else Taking(images, work)
            return Elsewhere(source, changes, taking).members(everything=everything)
    image = images.look(place.path)
    if image.host:
        raise UsageError("the image host is this machine and can be in no list")
    if image.readonly:
        hint = f"rootless tag {place.path} NAME brings it into your own"
        raise Conflict(f"image {place.path} is in a shared store", hint)
    return _local(image, changes, everything=everything)


def _local(image: Image, changes: Changes, *, everything: bool) -> list[Member]:
    if not isinstance(image, ListImage):
        digest, data = image.original()
        kind = media_type_of(data, "", f"manifest {digest}")
        descriptor = {"mediaType": kind, "digest": digest, "size": len(data)}
        found = [Member({**descriptor, **_platform(image.config)}, data)]
        if everything and (index := image.attested) is not None:
            said = attestations.of_image(index["manifests"], digest)
            found += [Member(dict(one), _data(image, str(one["digest"]))) for one in said]
        return found
    members = image.members if everything else [_chosen(image.members, changes, image.names)]
    found = []
    for member in members:
        digest = str(member["digest"])
        data = _data(image, digest)
        found.append(Member(dict(member), data, image.origins.get(digest, "")))
    return found


def _data(image: Image, digest: str) -> bytes:
    return document(open_file(image.layout.blob_path(digest), f"blob {digest}"), digest)


def _chosen(members: list[Document], changes: Changes, names: list[str]) -> Document:
    chosen = platform.choose(members, changes.wanted)
    if chosen is None:
        raise NotFound(f"no image for {changes.wanted} in {', '.join(names) or 'the list'}")
    return chosen


def _platform(config: Document) -> Document:
    """The platform as a configuration says it, for a descriptor; nothing for an artifact's."""
    said = {key: config[key] for key in _PLATFORM if isinstance(config.get(key), str | list)}
    known = {key: value for key, value in said.items() if value}
    return {"platform": known} if known else {}


class Taking:
    """The blobs of a member on their way into the store, where it has them not."""

    def __init__(self, images: Finder, work: Workspace) -> None:
        self._layout = Layout(images.paths.images)
        self._work = work

    def blobs(self, source: Source, manifest: models.Manifest) -> Iterator[Blob]:
        """Bring all that a manifest needs into the workspace. Raises DigestError, ImageError."""
        manifest.check_copyable()
        parts = {part.digest: part for part in (manifest.config, *manifest.layers)}
        for part in parts.values():
            if not self._layout.has(part.digest):
                yield self._blob(source, part)

    def _blob(self, source: Source, part: models.Descriptor) -> Blob:
        blob = Blob(self._work.new(), expected=part.digest, size=part.size)
        try:
            with contextlib.closing(source.blob(part.digest, part.size)) as stream:
                while data := stream.read(CHUNK):
                    blob.write(data)
            blob.finish().sync()
            return blob
        except BaseException:
            blob.abandon()
            raise


class Elsewhere:
    """Members that are not in the store: where their blobs stay, or `taking` them."""

    def __init__(self, source: Source, changes: Changes, taking: Taking | None) -> None:
        self._source = source
        self._changes = changes
        self._taking = taking

    def members(self, *, everything: bool) -> list[Member]:
        """Return the image that the source's name means, or all of an index."""
        top = self._source.manifest()
        if self._kind(top, top.media_type) == "manifest":
            return [self._member({}, top)]
        models.decode(top.data, models.Index, f"manifest {top.digest}")
        entries: list[Document] = jsonio.loads(top.data)["manifests"]
        if not everything:
            entries = [_chosen(entries, self._changes, [self._source.name])]
        return [self._of_index(entry) for entry in entries]

    def _of_index(self, entry: Document) -> Member:
        fetched = self._source.manifest(Digest.parse(str(entry["digest"])))
        if self._kind(fetched, str(entry["mediaType"])) == "index":
            raise ImageError(f"manifest {fetched.digest} is an index in an index")
        kept = ("mediaType", "digest", "size", "platform", "annotations", "artifactType")
        return self._member({key: entry[key] for key in entry if key in kept}, fetched)

    def _kind(self, fetched: Fetched, declared: str) -> str:
        return models.kind_of(fetched.data, declared, f"manifest {fetched.digest}")

    def _member(self, said: Document, fetched: Fetched) -> Member:
        """Return a member with its descriptor: what an index says of it, else what it says."""
        subject = f"manifest {fetched.digest}"
        self._source.admit(fetched.data)
        descriptor = {
            "mediaType": media_type_of(fetched.data, fetched.media_type, subject),
            "digest": fetched.digest,
            **said,
            "size": len(fetched.data),
        }
        manifest = models.decode(fetched.data, models.Manifest, subject)
        if not descriptor.get("platform"):
            manifest.config.check()
            data = read_document(self._source, manifest.config)
            subject = f"image configuration {manifest.config.digest}"
            descriptor.update(_platform(models.document_in(data, subject)))
        if self._taking:
            blobs = self._taking.blobs(self._source, manifest)
            return Member(descriptor, fetched.data, blobs=blobs)
        return Member(descriptor, fetched.data, self._origin())

    def _origin(self) -> str:
        """The name by which a registry has the members."""
        return str(self._source.repository.name) if isinstance(self._source, RegistrySource) else ""
