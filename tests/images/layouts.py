"""Layouts with images of several platforms, and a look at what became of them."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from archives import Oci, config, layer
from images_help import skopeo

if TYPE_CHECKING:
    from pathlib import Path

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"


def write(path: Path, oci: Oci) -> str:
    """Write a layout to a new directory; its path."""
    (path / "blobs/sha256").mkdir(parents=True)
    for name, data in oci.blobs.items():
        (path / "blobs/sha256" / name[7:]).write_bytes(data)
    (path / "index.json").write_bytes(oci.index())
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return str(path)


def image(oci: Oci, architecture: str = "amd64") -> dict[str, Any]:
    """Add an image of two layers for a platform, one of which all have."""
    layers = [layer({"common": b"c" * 5000}), layer({architecture: b"x" * 3000})]
    about = json.loads(config(*layers))
    about["architecture"] = architecture
    packed = [gzip.compress(one, mtime=0) for one in layers]
    made = oci.manifest(packed, json.dumps(about).encode(), kind=GZIP)
    return {**made, "platform": {"architecture": architecture, "os": "linux"}}


def index_of(oci: Oci, entries: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Add an index; return its descriptor."""
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, **more}
    return oci.blob(json.dumps(document).encode(), INDEX)


def raw(place: str) -> bytes:
    """The manifest or index at a place, as skopeo sees it."""
    tls = ["--tls-verify=false"] if place.startswith("docker:") else []
    return skopeo("inspect", "--raw", *tls, place).encode()
