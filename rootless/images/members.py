"""What is added to a manifest list: an image of the store, or one that a registry has.

Of the latter only the manifest is fetched, and its configuration read, which says the platform.
"""

from __future__ import annotations

from rootless.errors import Conflict, NotFound, UsageError
from rootless.images.lists import ListImage
from rootless.images.pushing import original_of
from rootless.images.sources import Sources
from rootless.oci import jsonio, models, platform
from rootless.oci import policy as trust_policy
from rootless.oci.digest import Digest
from rootless.oci.errors import ImageError
from rootless.oci.layout import INDEXES, MANIFESTS, MAX_JSON, OCI_MANIFEST, Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.images.access import Access
    from rootless.images.collection import Images
    from rootless.images.image import Image
    from rootless.oci.platform import Platform
    from rootless.oci.reference import Reference
    from rootless.oci.registry import Fetched, Repository

    Document = dict[str, Any]

LOCAL = "containers-storage:"
REMOTE = "docker://"
OTHERS = ("oci:", "oci-archive:", "docker-archive:", "dir:", "docker-daemon:")

_PLATFORM = ("os", "architecture", "variant", "os.version", "os.features")


class Member:
    """One that is to be added: its descriptor, its manifest, and who has the rest of it."""

    def __init__(self, descriptor: Document, data: bytes, origin: str = "") -> None:
        self.descriptor = descriptor
        self.data = data
        self.origin = origin
        """The name by which a registry has it; empty where the store has all of it."""


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
        self._annotations = {}
        for text in annotations or []:
            key, equals, value = text.partition("=")
            if not (key and equals):
                raise UsageError(f"invalid annotation {text!r}", "write it as KEY=VALUE")
            self._annotations[key] = value

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
    images: Images, name: str, changes: Changes, access: Access, *, everything: bool
) -> list[Member]:
    """Return what `name` means: an image of the store if there is one, else of a registry.

    Of an index that for the platform of `changes`, or all of it. Raises NotFound, RegistryError,
    ImageError, SignatureError.
    """
    other = next((prefix for prefix in OTHERS if name.startswith(prefix)), "")
    if other:
        raise UsageError(f"{name}: a list has members of the store or of registries", "load it")
    plain = name.removeprefix(LOCAL)
    if not name.startswith(REMOTE) and (name != plain or images.exists(plain)):
        image = images.look(plain)
        if image.host:
            raise UsageError("the image host is this machine and can be in no list")
        if image.readonly:
            hint = f"rootless tag {plain} NAME brings it into your own"
            raise Conflict(f"image {plain} is in a shared store", hint)
        return _local(image, changes, everything=everything)

    def fetch(repository: Repository) -> list[Member]:
        return Remote(repository, changes).members(everything=everything)

    _, found = Sources(name, access).first(fetch)
    return found


def _local(image: Image, changes: Changes, *, everything: bool) -> list[Member]:
    if not isinstance(image, ListImage):
        data, kind = original_of(image)
        descriptor = {"mediaType": kind, "digest": Digest.of(data), "size": len(data)}
        return [Member({**descriptor, **_platform(image.config)}, data)]
    members = image.members
    if not everything:
        chosen = platform.choose(members, changes.wanted)
        if chosen is None:
            raise NotFound(f"{image.names or image.id} has no image for {changes.wanted}")
        members = [chosen]
    return [
        Member(
            dict(one),
            read(image.layout, str(one["digest"])),
            image.origins.get(str(one["digest"]), ""),
        )
        for one in members
    ]


def read(layout: Layout, digest: str) -> bytes:
    """The manifest `digest` as it lies in a layout. Raises ImageError."""
    try:
        with open(layout.blob_path(digest), "rb") as file:
            return file.read(MAX_JSON + 1)
    except OSError as error:
        raise ImageError(f"cannot read blob {digest}: {error.strerror}") from error


def _platform(config: Document) -> Document:
    """The platform as a configuration says it, for a descriptor; nothing for an artifact's."""
    said = {key: config[key] for key in _PLATFORM if isinstance(config.get(key), str | list)}
    known = {key: value for key, value in said.items() if value}
    return {"platform": known} if known else {}


class Remote:
    """Members in one repository of a registry."""

    def __init__(self, repository: Repository, changes: Changes) -> None:
        self._repository = repository
        self._changes = changes

    def members(self, *, everything: bool) -> list[Member]:
        """Return the image that the repository's name means, or all of an index."""
        name = self._repository.name
        top = self._repository.manifest(name.digest or name.tag or "latest")
        if self._kind(top, "") == "manifest":
            return [self._single(top, name)]
        index = jsonio.loads(top.data)
        models.decode(top.data, models.Index, f"manifest {top.digest}")
        entries: list[Document] = index["manifests"]
        if not everything:
            chosen = platform.choose(entries, self._changes.wanted)
            if chosen is None:
                raise ImageError(f"no image for {self._changes.wanted} in {name.familiar}")
            entries = [chosen]
        return [self._of_index(entry, name) for entry in entries]

    def _of_index(self, entry: Document, name: Reference) -> Member:
        fetched = self._repository.manifest(Digest.parse(str(entry["digest"])))
        if self._kind(fetched, str(entry["mediaType"])) == "index":
            raise ImageError(
                f"manifest {fetched.digest} of {name.familiar} is an index in an index"
            )
        kept = ("mediaType", "digest", "size", "platform", "annotations", "artifactType")
        descriptor = {key: value for key, value in entry.items() if key in kept}
        descriptor["size"] = len(fetched.data)  # what was fetched has the digest that was said
        if not descriptor.get("platform"):
            descriptor.update(self._said(fetched))
        return self._member(descriptor, fetched, name)

    def _single(self, fetched: Fetched, name: Reference) -> Member:
        descriptor = {
            "mediaType": fetched.media_type if fetched.media_type in MANIFESTS else OCI_MANIFEST,
            "digest": fetched.digest,
            "size": len(fetched.data),
            **self._said(fetched),
        }
        return self._member(descriptor, fetched, name)

    def _member(self, descriptor: Document, fetched: Fetched, name: Reference) -> Member:
        trust_policy.load().check(name, fetched.data, self._repository)
        return Member(descriptor, fetched.data, str(name))

    def _kind(self, fetched: Fetched, declared: str) -> str:
        """index or manifest, whatever is said of it. Raises ImageError where that contradicts."""
        subject = f"manifest {fetched.digest}"
        for media_type in (declared, fetched.media_type):
            if media_type in (*INDEXES, *MANIFESTS):
                models.kind_of(fetched.data, media_type, subject)
        return models.kind_of(fetched.data, "", subject)

    def _said(self, fetched: Fetched) -> Document:
        """The platform of an image, by its configuration."""
        manifest = models.decode(fetched.data, models.Manifest, f"manifest {fetched.digest}")
        config = manifest.config
        config.check()
        if config.size > MAX_JSON:
            raise ImageError(f"image configuration {config.digest} is larger than 4 MiB")
        with self._repository.blob(config.digest) as response:
            data = response.body(MAX_JSON)
        if Digest.of(data) != config.digest:
            raise ImageError(f"blob {config.digest} has the digest {Digest.of(data)}")
        said = models.decode(data, dict[str, object], f"image configuration {config.digest}")
        return _platform(said)
