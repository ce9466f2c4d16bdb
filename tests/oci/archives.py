"""Image archives made by hand, with the standard library alone: also such as nobody should make."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any


def digest(data: bytes) -> str:
    """The digest of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer(files: dict[str, bytes] | None = None) -> bytes:
    """A layer: files by path; a path with a slash at its end is a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in (files or {"hello": b"hello\n"}).items():
            info = tarfile.TarInfo(name)
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def config(*layers: bytes, **settings: Any) -> bytes:
    """The configuration of an image with these uncompressed layers."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-02-03T04:05:06.789Z",
        "config": settings or {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(one) for one in layers]},
    }
    return json.dumps(document).encode()


class Tar:
    """An archive in the making."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w")

    def add(self, name: str, data: bytes) -> None:
        """Add a file."""
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))

    def link(self, name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> None:
        """Add a symbolic or hard link."""
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        self._tar.addfile(info)

    def bytes(self) -> bytes:
        """The whole archive."""
        self._tar.close()
        return self._buffer.getvalue()


def docker(layers: list[bytes], *, names: list[str] | None = None, conf: bytes = b"") -> bytes:
    """A docker archive as podman writes it: layers, configuration, manifest.json last."""
    tar = Tar()
    conf = conf or config(*layers)
    for one in dict.fromkeys(layers):
        tar.add(digest(one)[7:] + ".tar", one)
    tar.add(digest(conf)[7:] + ".json", conf)
    entry = {
        "Config": digest(conf)[7:] + ".json",
        "RepoTags": names,
        "Layers": [digest(one)[7:] + ".tar" for one in layers],
    }
    tar.add("manifest.json", json.dumps([entry]).encode())
    return tar.bytes()


class Oci:
    """The blobs of an OCI layout in the making."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.entries: list[dict[str, Any]] = []

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Add a blob; return its descriptor."""
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def manifest(
        self,
        layers: list[bytes],
        conf: bytes = b"",
        *,
        kind: str = "application/vnd.oci.image.layer.v1.tar",
        **more: Any,
    ) -> dict[str, Any]:
        """Add an image of these layers; return its descriptor."""
        document = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.blob(
                conf or config(*layers), "application/vnd.oci.image.config.v1+json"
            ),
            "layers": [self.blob(one, kind) for one in layers],
            **more,
        }
        return self.blob(json.dumps(document).encode(), document["mediaType"])

    def name(self, descriptor: dict[str, Any], name: str = "") -> None:
        """Name a manifest in the index."""
        key = "org.opencontainers.image.ref.name"
        self.entries.append({**descriptor, "annotations": {key: name}} if name else descriptor)

    def index(self) -> bytes:
        """The index.json."""
        return json.dumps({"schemaVersion": 2, "manifests": self.entries}).encode()

    def archive(self) -> bytes:
        """The layout as a tar."""
        tar = Tar()
        for name, data in self.blobs.items():
            tar.add(f"blobs/sha256/{name[7:]}", data)
        tar.add("index.json", self.index())
        tar.add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        return tar.bytes()
