"""Manifests of artifacts: files in a registry (image-spec 1.1, "Guidelines for Artifact Usage").

An artifact is an image manifest whose configuration is empty, or is not that of an image; each
layer is a file, whose name is in its annotation org.opencontainers.image.title.
"""

from __future__ import annotations

from rootless.oci import layout, manifests, models
from rootless.oci.errors import ImageError
from rootless.oci.models import Descriptor
from rootless.oci.structures import Structure, camel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TITLE = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"

EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
EMPTY = b"{}"
EMPTY_DIGEST = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
"""The blob that stands where a manifest has to have one (image-spec, manifest.md)."""

UNKNOWN_TYPE = "application/vnd.unknown.artifact.v1"
"""The type of artifacts of which nothing is said, as oras has it: there must be one."""


class Manifest(models.Manifest, spelling=camel):
    """The manifest of an artifact."""

    artifact_type: str | None = None
    subject: Descriptor | None = None

    def check(self) -> None:
        """Raise ImageError for what cannot be true, and for an image."""
        self.config.check()
        if self.config.media_type in (layout.OCI_CONFIG, layout.DOCKER_CONFIG):
            raise ImageError("this is a container image and no artifact", "rootless pull takes it")
        for one in (*self.layers, *([self.subject] if self.subject else [])):
            one.check()

    @property
    def kind(self) -> str:
        """The type of the artifact, which may be said by its configuration."""
        return self.artifact_type or self.config.media_type

    @property
    def blobs(self) -> dict[str, Descriptor]:
        """All blobs that it needs, by their digests."""
        return {blob.digest: blob for blob in (self.config, *self.layers)}


def decode(data: bytes, subject: str) -> Manifest:
    """Return a checked manifest. Raises ImageError, which names `subject`."""
    if models.kind_of(data, "", subject) == "index":
        raise ImageError(f"{subject} is an index, not an artifact")
    try:
        manifest = models.decode(data, Manifest, subject)
        manifest.check()
    except ImageError as error:
        raise ImageError(f"{subject}: {error.message}", error.hint) from error
    return manifest


def make(
    kind: str,
    layers: list[dict[str, Any]],
    created: str,
    subject: dict[str, Any] | None,
    config: dict[str, Any] | None = None,
) -> bytes:
    """Return a new manifest, by default with an empty configuration."""
    empty = {"mediaType": EMPTY_TYPE, "digest": EMPTY_DIGEST, "size": len(EMPTY), "data": "e30="}
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": layout.OCI_MANIFEST,
        "artifactType": kind,
        "config": config or empty,
        "layers": layers,
        "annotations": {CREATED: created},
    }
    if subject:
        document["subject"] = subject
    return manifests.encode(document)


def title_of(layer: Descriptor) -> str:
    """The name of a file, "" where it has none."""
    return (layer.annotations or {}).get(TITLE, "")


class Referrer(Descriptor, spelling=camel):
    """What a list of referrers says of one (distribution-spec, "Listing Referrers")."""

    artifact_type: str | None = None


class Referrers(Structure):
    """Such a list."""

    manifests: list[Referrer]
