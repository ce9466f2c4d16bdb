"""The documents of images as checked structures, for what comes from outside.

Decoding refuses wrong types, and only names that are used are read; the raw bytes always travel
beside the structure, because a digest must never depend on writing JSON again. `oci-spec-python`
is not published, and the nearest package, `opencontainers` 0.0.15, refuses OCI 1.1 manifests
("mediaType is not valid"), so the structures are ours. The way of `run` reads plain dictionaries
instead (`oci.layout`).
"""

from __future__ import annotations

from rootless.oci import jsonio, layout, platform
from rootless.oci.digest import Digest
from rootless.oci.errors import DigestError, ImageError
from rootless.oci.manifests import LAYER_TYPES, make_manifest
from rootless.oci.structures import Misfit, Structure, camel, pascal, read_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")
    S = TypeVar("S", bound=Structure)

COMPRESSION_SUFFIX = {"none": "", "gzip": "+gzip", "zstd": "+zstd"}
"""What `layers.compression.compression_of` found -> suffix of the media type."""


class Descriptor(Structure, spelling=camel):
    """What points at a blob (image-spec, descriptor.md)."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] | None = None
    platform: dict[str, Any] | None = None
    urls: list[str] | None = None

    def check(self) -> None:
        """Raise ImageError where digest or size cannot be true."""
        try:
            Digest.parse(self.digest)
        except DigestError as error:
            raise ImageError(error.message) from error
        if self.size < 0:
            raise ImageError(f"blob {self.digest} claims {self.size} bytes")


class Manifest(Structure, spelling=camel):
    """An image manifest of OCI, or docker's version 2, schema 2, which differs in names only."""

    schema_version: int
    config: Descriptor
    layers: list[Descriptor]
    media_type: str = ""
    annotations: dict[str, str] | None = None
    artifact_type: object = None

    def check(self) -> None:
        """Raise ImageError for what cannot be an image that runs."""
        self.config.check()
        if self.config.media_type not in (layout.OCI_CONFIG, layout.DOCKER_CONFIG):
            kind = str(self.artifact_type or self.config.media_type)[:80]
            raise ImageError(
                f"this is no container image but an artifact of type {kind}",
                "rootless artifact pull takes it",
            )
        for layer in self.layers:
            layer.check()
            _check_layer_type(layer)

    def check_copyable(self) -> None:
        """Raise ImageError for what cannot be copied: less than has to be right for a run."""
        self.config.check()
        for layer in self.layers:
            layer.check()
            _check_not_foreign(layer)

    @property
    def is_docker(self) -> bool:
        """Whether any media type is docker's, so that the manifest must be told in OCI's words."""
        types = [self.media_type, self.config.media_type, *(x.media_type for x in self.layers)]
        return any("vnd.docker." in kind for kind in types)


class Index(Structure, spelling=camel):
    """An image index of OCI, or docker's manifest list."""

    schema_version: int
    manifests: list[Descriptor]
    media_type: str = ""


class RootFs(Structure):
    """What the configuration says of the layers."""

    diff_ids: list[str]
    type: str = "layers"


class Config(Structure):
    """The part of an image's configuration that loading depends on."""

    rootfs: RootFs
    architecture: str = ""
    os: str = ""
    variant: str = ""
    config: dict[str, Any] | None = None


class DockerImage(Structure, spelling=pascal):
    """One image in the manifest.json of a docker archive."""

    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


def decode(data: bytes, kind: type[S], subject: str) -> S:
    """Return the checked structure in `data`. Raises ImageError, which names `subject`."""
    return _read(data, kind.read, subject)


def decode_list(data: bytes, kind: type[S], subject: str) -> list[S]:
    """Return the list of checked structures in `data`. Raises ImageError."""
    return _read(data, lambda value: read_list(kind, value), subject)


def document_in(data: bytes, subject: str) -> dict[str, Any]:
    """Return the object in `data`, of which nothing more is known. Raises ImageError."""
    return _read(data, _object, subject)


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Misfit("is not an object")
    return value


def _read(data: bytes, reader: Callable[[Any], T], subject: str) -> T:
    _check_size(data, subject)
    try:
        value = jsonio.loads(data.decode())
        if b"\\u" in data:
            jsonio.dumps(value).encode()  # half a character could not be written again
        return reader(value)
    except ValueError as error:
        raise ImageError(f"cannot read {subject}: {error}") from error


def _check_size(data: bytes, subject: str) -> None:
    if len(data) > layout.MAX_JSON:
        raise ImageError(f"cannot read {subject}: it is larger than 4 MiB")


def config_in(data: bytes, subject: str) -> Config:
    """Return what loading has to know of an image's configuration, all of which is checked."""
    _check_size(data, subject)
    try:
        raw = jsonio.loads(data)
        document = layout.as_go_reads(raw) if isinstance(raw, dict) else raw
        config = Config.read(document)
    except ValueError as error:  # Misfit is one as well
        raise ImageError(f"cannot read {subject}: {error}") from error
    layout.check_config(document, subject)
    return config


def kind_of(data: bytes, declared: str, subject: str) -> str:
    """Return `index` or `manifest`, for a document that `declared` as its media type.

    A document whose fields fit both, or whose own media type is of the other kind, could mean
    different images to different readers (CVE-2021-41190) and is refused with ImageError.
    """
    raw = document_in(data, subject)
    if raw.get("schemaVersion") == 1 or "fsLayers" in raw:
        raise ImageError(
            f"{subject} is a docker manifest of schema 1, which is not supported",
            "push the image again with any docker since 2017, or ask its maker to",
        )
    many = "manifests" in raw
    if many and ("layers" in raw or "config" in raw or "fsLayers" in raw):
        raise ImageError(f"{subject} is ambiguous: an index and a manifest at once")
    for media_type in (declared, raw.get("mediaType")):
        if media_type in layout.INDEXES and not many:
            raise ImageError(f"{subject} is ambiguous: its media type is that of an index")
        if media_type in layout.MANIFESTS and many:
            raise ImageError(f"{subject} is ambiguous: its media type is that of a manifest")
    return "index" if many else "manifest"


def choose(entries: list[Descriptor], wanted: platform.Platform) -> Descriptor | None:
    """Return the manifest of an index that fits `wanted`, None where none does."""
    documents = [{"platform": entry.platform, "entry": entry} for entry in entries]
    best = platform.choose(documents, wanted)
    return best["entry"] if best else None


def to_oci(manifest: Manifest) -> bytes:
    """Return a docker manifest as an OCI one: other media types, the same blobs.

    OCI layouts hold OCI types only; skopeo and umoci skip others. The caller keeps the original
    and its digest, which is what a registry knows the image by.
    """
    config, *layers = [
        {"mediaType": part.media_type, "digest": part.digest, "size": part.size}
        for part in (manifest.config, *manifest.layers)
    ]
    return make_manifest(config, layers)


def _check_not_foreign(layer: Descriptor) -> None:
    if "foreign" in layer.media_type or "nondistributable" in layer.media_type:
        # Fetching such layers from the URLs in a manifest sent credentials to strangers
        # (CVE-2020-15157); they only ever held parts of Windows.
        raise ImageError(f"layer {layer.digest} is a foreign layer, which is refused")


def _check_layer_type(layer: Descriptor) -> None:
    _check_not_foreign(layer)
    if layer.media_type.endswith("+encrypted"):
        raise ImageError(f"layer {layer.digest} is encrypted, which is not supported")
    if layer.media_type not in LAYER_TYPES:
        raise ImageError(f"layer {layer.digest} is of unknown type {layer.media_type[:80]!r}")
