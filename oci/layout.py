"""Reading an OCI image layout directory: index.json, manifests, configurations.

This half is on the way of every command, so it reads with plain dictionaries; `oci.blobs` is the
half that writes. Blobs appear under their digest only when verified, so they are not hashed
again here; what another program left behind may still be damaged, and then the error names it.
"""

from __future__ import annotations

import os
import sys

from rootless.oci import jsonio
from rootless.oci.errors import ImageError
from rootless.oci.reference import is_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rootless.oci.platform import Platform

    Document = dict[str, Any]

REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation of an index entry that holds the image's name (image-spec, annotations.md)."""

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
INDEXES = (OCI_INDEX, DOCKER_LIST)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)

MAX_JSON = 4 << 20
"""Manifests above 4 MiB are refused, as registries do (distribution-spec, "Pushing Manifests")."""

MAX_DEPTH = 4
"""How deep indexes may nest."""


class Layout:
    """An OCI image layout at `path`. Nothing is read before it is asked for."""

    def __init__(self, path: str) -> None:
        self.path = path

    def index(self) -> Document:
        """Return index.json; one without manifests where the layout does not exist yet.

        Raises ImageError where it is damaged or unreadable.
        """
        path = f"{self.path}/index.json"
        try:
            document = _load(path, path)
        except FileNotFoundError:
            return {"schemaVersion": 2, "manifests": []}
        if document.get("manifests", ()) is None:
            document["manifests"] = []  # what `umoci init` makes of an empty list
        manifests = document.get("manifests")
        if not isinstance(manifests, list) or not all(map(is_descriptor, manifests)):
            raise ImageError(f"cannot read {path}: it is not an image index")
        return document

    def blob_path(self, digest: str) -> str:
        """The path of a blob. Raises ImageError for what is no digest."""
        if not is_digest(digest):
            raise ImageError(f"malformed digest {digest[:80]!r}")
        algorithm, _, value = digest.partition(":")
        return f"{self.path}/blobs/{algorithm}/{value}"

    def has(self, digest: str) -> bool:
        """Whether the blob is there."""
        return os.path.exists(self.blob_path(digest))

    def document(self, digest: str) -> Document:
        """Return the JSON object in a blob. Raises ImageError where it cannot be had."""
        try:
            return _load(self.blob_path(digest), digest)
        except FileNotFoundError:
            raise ImageError(f"blob {digest} is missing from {self.path}") from None

    def manifest(
        self, descriptor: Document, platform: Platform | None = None
    ) -> tuple[Document, Document]:
        """Return the descriptor and the document of the image manifest behind `descriptor`.

        An index is followed to the manifest that fits `platform`, by default this machine.
        Raises ImageError where there is none.
        """
        for _ in range(MAX_DEPTH):
            document = self._either(descriptor)
            if "manifests" not in document:
                return descriptor, document
            descriptor = self._choose(descriptor, document, platform)
        raise ImageError(f"index {descriptor['digest']} is nested too deep")

    def behind(self, descriptor: Document) -> Iterator[tuple[Document, Document | None]]:
        """Yield all manifests and indexes that a descriptor leads to, itself first, each once.

        What points at it comes with its content, which is None where it cannot be read.
        """
        left, seen = [descriptor], set()
        while left:  # no recursion: what was pushed here may nest deeper than the stack
            one = left.pop()
            if one["digest"] in seen:
                continue
            seen.add(one["digest"])
            try:
                document: Document | None = self._either(one)
            except ImageError:
                document = None
            yield one, document
            left += reversed((document or {}).get("manifests", []))

    def is_whole(self, descriptor: Document) -> bool:
        """Whether all that a descriptor leads to is here."""
        return all(
            document is not None
            and all(self.has(str(part["digest"])) for part in parts_of(document))
            for _, document in self.behind(descriptor)
        )

    def _either(self, descriptor: Document) -> Document:
        """Return a manifest or an index. Raises ImageError for what is neither."""
        document = self.document(descriptor["digest"])
        if "manifests" in document:
            _check_index(descriptor, document)
        else:
            _check_manifest(descriptor, document)
        return document

    def _choose(self, index: Document, document: Document, wanted: Platform | None) -> Document:
        from rootless.oci import platform

        # Programs that copy one platform out of several leave the index whole.
        present = [entry for entry in document["manifests"] if self.has(entry["digest"])]
        chosen = platform.choose(present, wanted or platform.host())
        if chosen is None and wanted is None:
            # What somebody has made for another machine, with attestations beside it.
            images = [entry for entry in present if platform.is_somewhere(entry.get("platform"))]
            chosen = images[0] if len(images) == 1 else None
        if chosen is None:
            wanted = wanted or platform.host()
            raise ImageError(f"no image for platform {wanted} in index {index['digest']}")
        return chosen


def name_of(descriptor: Document) -> str:
    """The image name that an index entry carries as is, "" without one."""
    annotations = descriptor.get("annotations")
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else ""


def chain_ids(diff_ids: list[str]) -> list[str]:
    """Return the chain ids of layers, as hexadecimal digits, lowest first.

    A chain id names a layer together with all below it (image-spec, config.md "Layer ChainID").
    """
    chain = ""
    result = []
    for diff_id in diff_ids:
        if not isinstance(diff_id, str) or not is_digest(diff_id):
            raise ImageError(f"malformed diff id {str(diff_id)[:80]!r}")
        chain = "sha256:" + sha256(f"{chain} {diff_id}".encode()) if chain else diff_id
        result.append(chain.partition(":")[2])
    return result


def sha256(data: bytes) -> str:
    """Return the hexadecimal SHA-256 of a small text."""
    return str(own_sha256()(data).hexdigest())


def own_sha256() -> Callable[[bytes], Any]:
    """Return the SHA-256 of the interpreter itself: hashlib takes 3 ms to load its OpenSSL."""
    found: Callable[[bytes], Any]
    try:
        if sys.version_info >= (3, 12):
            from _sha2 import sha256 as found
        else:
            from _sha256 import sha256 as found  # type: ignore[import-not-found, no-redef]
    except ImportError:
        from hashlib import sha256 as found
    return found


_TEXT, _NUMBER, _OBJECT = "a string", "a whole number", "an object"
_TEXTS, _OBJECTS = "a list of strings", "a list of objects"

_TYPES = {_TEXT: str, _NUMBER: int, _OBJECT: dict, _TEXTS: list, _OBJECTS: list}

_DESCRIPTOR = {
    "mediaType": _TEXT,
    "digest": _TEXT,
    "size": _NUMBER,
    "annotations": _OBJECT,
    "platform": _OBJECT,
}
_OF_DESCRIPTOR = {key: _TYPES[kind] for key, kind in _DESCRIPTOR.items()}
_DOCUMENT = {"mediaType": _TEXT, "annotations": _OBJECT}
_CONFIG = {
    **dict.fromkeys(("architecture", "os", "os.version", "variant", "author", "created"), _TEXT),
    "docker_version": _TEXT,
    "config": _OBJECT,
    "rootfs": _OBJECT,
    "history": _OBJECTS,
}
_SETTINGS = {
    **dict.fromkeys(("Hostname", "User", "WorkingDir", "StopSignal"), _TEXT),
    **dict.fromkeys(("Cmd", "Entrypoint", "Env", "OnBuild", "Shell"), _TEXTS),
    **dict.fromkeys(("ExposedPorts", "Healthcheck", "Labels", "Volumes"), _OBJECT),
}
_STEP = dict.fromkeys(("author", "comment", "created", "created_by"), _TEXT)
_CHECK = {"Test": _TEXTS, "Retries": _NUMBER}


def _misfit(document: Document, fields: dict[str, str]) -> str:
    """Say which of the fields that are there has another type; null is as good as none."""
    for key, kind in fields.items():
        value = document.get(key)
        if value is None:
            continue
        fits = type(value) is _TYPES[kind]
        if fits and kind in (_TEXTS, _OBJECTS):
            inner = str if kind == _TEXTS else dict
            fits = all(type(one) is inner for one in value)
        if not fits:
            return f"its {key} is not {kind}"
    return ""


_KEYS = {
    "": {key.lower(): key for key in (*_CONFIG, "os.features")},
    "config": {key.lower(): key for key in _SETTINGS},
    "rootfs": {key: key for key in ("type", "diff_ids")},
    "history": {key: key for key in (*_STEP, "empty_layer")},
    "Healthcheck": {
        key.lower(): key for key in (*_CHECK, "Interval", "Timeout", "StartPeriod", "StartInterval")
    },
}
"""Object in a configuration -> its keys, by themselves in small letters."""


def as_go_reads(config: Document) -> Document:
    """Return an image's configuration with its keys as the specification spells them.

    docker and podman read JSON by Go's rules, to which case means nothing, and which put U+FFFD in
    the place of half a surrogate pair; so there are images that have both.
    """
    try:
        jsonio.dump_bytes(config)
    except UnicodeEncodeError:
        config = _without_halves(config)
    config = _spelt(config, "")
    for key in ("config", "rootfs"):
        if key in config:
            config[key] = _spelt(config[key], key)
    if isinstance(settings := config.get("config"), dict) and "Healthcheck" in settings:
        settings["Healthcheck"] = _spelt(settings["Healthcheck"], "Healthcheck")
    if isinstance(history := config.get("history"), list):
        config["history"] = [_spelt(step, "history") for step in history]
    return config


def _spelt(document: Any, kind: str) -> Any:
    if not isinstance(document, dict):
        return document
    known, found = _KEYS[kind], {}
    for key, value in document.items():
        right = known.get(key.lower(), key)
        if right == key or right not in document:
            found[right] = value
    return found


def _without_halves(value: Any) -> Any:
    if isinstance(value, dict):
        return {_without_halves(key): _without_halves(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_halves(inner) for inner in value]
    if isinstance(value, str):
        return "".join("\ufffd" if "\ud800" <= one <= "\udfff" else one for one in value)
    return value


def check_config(config: Document, subject: str) -> None:
    """Raise ImageError where an image's configuration (image-spec, config.md) has a wrong type.

    It comes from other people's tools, and all who read it later rely on this.
    """
    problem = _misfit(config, _CONFIG)
    if not problem:
        settings = config.get("config") or {}
        problem = (
            _misfit(settings, _SETTINGS)
            or _misfit(settings.get("Healthcheck") or {}, _CHECK)
            or _misfit(config.get("rootfs") or {}, {"diff_ids": _TEXTS})
            or next(filter(None, (_misfit(one, _STEP) for one in config.get("history") or ())), "")
        )
    if problem:
        raise ImageError(f"{subject}: {problem}", "whatever made this image is to blame")


def is_descriptor(value: object) -> bool:
    """Whether a JSON value points at a blob."""
    if not isinstance(value, dict) or not value.get("digest"):
        return False
    for key, one in value.items():  # by what it has, since an index has hundreds
        wanted = _OF_DESCRIPTOR.get(key)
        if wanted is not None and type(one) is not wanted and one is not None:
            return False
    return True


def parts_of(document: Document) -> list[Document]:
    """Configuration and layers of a manifest; an index has none."""
    return [document["config"], *document["layers"]] if "layers" in document else []


def _check_index(descriptor: Document, document: Document) -> None:
    entries = document["manifests"]
    good = isinstance(entries, list) and all(map(is_descriptor, entries))
    if not good or _misfit(document, _DOCUMENT):
        raise ImageError(f"{descriptor['digest']} is not an image index")


def _check_manifest(descriptor: Document, document: Document) -> None:
    layers = document.get("layers")
    good = is_descriptor(document.get("config")) and isinstance(layers, list)
    good = good and not _misfit(document, _DOCUMENT)
    if not good or not all(map(is_descriptor, layers or [])):
        raise ImageError(f"{descriptor['digest']} is not an image manifest")


def _load(path: str, subject: str) -> Document:
    """Read a bounded JSON object. FileNotFoundError passes; the rest becomes ImageError."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_JSON + 1)
        if len(data) > MAX_JSON:
            raise ImageError(f"cannot read {subject}: it is larger than 4 MiB")
        document = jsonio.loads(data)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ImageError(f"cannot read {subject}: {error.strerror}") from error
    except ValueError as error:
        raise ImageError(f"cannot read {subject}: it is no JSON ({error})") from error
    if not isinstance(document, dict):
        raise ImageError(f"cannot read {subject}: it is no JSON object")
    return document


def told(media_type: str, digest: str) -> str:
    """Return what users are told a part of an image is: a layer, or its configuration."""
    kind = "config" if media_type in (OCI_CONFIG, DOCKER_CONFIG) else "layer"
    return f"{kind} {digest[7:19]}"
