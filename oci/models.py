"""The documents of images as checked structures, for what comes from outside.

Decoding refuses wrong types, and only names that are used are read; the raw bytes always travel
beside the structure, because a digest must never depend on writing JSON again. `oci-spec-python`
is not published, and the nearest package, `opencontainers` 0.0.15, refuses OCI 1.1 manifests
("mediaType is not valid"), so the structures are ours. The way of `run` reads plain dictionaries
instead (`oci.layout`): msgspec takes longer to import than such a command may last.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from rootless.oci import jsonio, layout, platform
from rootless.oci.digest import Digest
from rootless.oci.errors import DigestError, ImageError
from rootless.oci.manifests import LAYER_TYPES, make_manifest

T = TypeVar("T")

COMPRESSION_SUFFIX = {"none": "", "gzip": "+gzip", "zstd": "+zstd"}
"""What `layers.compression.compression_of` found -> suffix of the media type."""


class Descriptor(msgspec.Struct, rename={"media_type": "mediaType"}):
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


_MANIFEST_NAMES = {
    "artifact_type": "artifactType",
    "media_type": "mediaType",
    "version": "schemaVersion",
}


class Manifest(msgspec.Struct, rename=_MANIFEST_NAMES):
    """An image manifest of OCI, or docker's version 2, schema 2, which differs in names only."""

    version: int
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


class Index(msgspec.Struct, rename={"media_type": "mediaType", "version": "schemaVersion"}):
    """An image index of OCI, or docker's manifest list."""

    version: int
    manifests: list[Descriptor]
    media_type: str = ""


class RootFs(msgspec.Struct):
    """What the configuration says of the layers."""

    diff_ids: list[str]
    type: str = "layers"


class Config(msgspec.Struct):
    """The part of an image's configuration that loading depends on."""

    rootfs: RootFs
    architecture: str = ""
    os: str = ""
    variant: str = ""
    config: dict[str, Any] | None = None


class DockerImage(msgspec.Struct, rename="pascal"):
    """One image in the manifest.json of a docker archive."""

    config: str
    layers: list[str]
    repo_tags: list[str] | None = None


def decode(data: bytes, kind: type[T], subject: str) -> T:
    """Return the checked structure in `data`. Raises ImageError, which names `subject`."""
    _check_size(data, subject)
    if data.count(b"[") + data.count(b"{") > jsonio.MAX_DEPTH:
        try:
            jsonio.loads(data)  # which knows how deep it may nest
        except ValueError as error:
            raise ImageError(f"cannot read {subject}: {error}") from error
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
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
        config = msgspec.convert(document, Config)
    except ValueError as error:  # msgspec's are of this kind as well
        raise ImageError(f"cannot read {subject}: {error}") from error
    layout.check_config(document, subject)
    return config


def kind_of(data: bytes, declared: str, subject: str) -> str:
    """Return `index` or `manifest`, for a document that `declared` as its media type.

    A document whose fields fit both, or whose own media type is of the other kind, could mean
    different images to different readers (CVE-2021-41190) and is refused with ImageError.
    """
    raw = decode(data, dict[str, Any], subject)
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
