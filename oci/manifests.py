"""Manifests that are made here, as plain dictionaries."""

from __future__ import annotations

from rootless.oci import jsonio, layout
from rootless.oci.errors import ImageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LAYER_TYPES = {
    "application/vnd.oci.image.layer.v1.tar": "",
    "application/vnd.oci.image.layer.v1.tar+gzip": "+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd": "+zstd",
    "application/vnd.docker.image.rootfs.diff.tar": "",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "+zstd",
}
"""Media types of layers, and the suffix of OCI's own type for each."""

DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def encode(value: object) -> bytes:
    """Return compact JSON of a document made here."""
    return jsonio.dumps(value).encode()


def make_manifest(config: dict[str, Any], layers: list[dict[str, Any]], **more: object) -> bytes:
    """Return a new OCI manifest; `more` are further fields, such as annotations.

    What docker's media types say is said in OCI's words.
    """
    document = {
        "schemaVersion": 2,
        "mediaType": layout.OCI_MANIFEST,
        "config": _in_oci(config),
        "layers": [_in_oci(layer) for layer in layers],
        **more,
    }
    return encode(document)


def _in_oci(part: dict[str, Any]) -> dict[str, Any]:
    kind = part.get("mediaType")
    if kind == layout.DOCKER_CONFIG:
        return {**part, "mediaType": layout.OCI_CONFIG}
    if kind in LAYER_TYPES:
        return {**part, "mediaType": layout.OCI_LAYER + LAYER_TYPES[str(kind)]}
    return part


def to_docker(config: dict[str, Any], layers: list[dict[str, Any]]) -> bytes:
    """Return a manifest in docker's format, version 2, schema 2.

    Raises ImageError for layers that it has no media type for.
    """
    told = []
    for layer in layers:
        suffix = LAYER_TYPES[layer["mediaType"]]
        if suffix == "+zstd":
            raise ImageError(f"layer {layer['digest']} is compressed with zstd", "--format oci")
        kind = DOCKER_LAYER + suffix.replace("+", ".")
        told.append({"mediaType": kind, "size": layer["size"], "digest": layer["digest"]})
    document = {
        "schemaVersion": 2,
        "mediaType": layout.DOCKER_MANIFEST,
        "config": {
            "mediaType": layout.DOCKER_CONFIG,
            "size": config["size"],
            "digest": config["digest"],
        },
        "layers": told,
    }
    return encode(document)
