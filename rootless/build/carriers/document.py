"""The document of a cache: which layer came of which step, and what else is in the carrier.

    {"version": 1,
     "layers":  {DIFF ID: {"size": of the tar, "blob": its place among the manifest's layers}},
     "results": {KEY: {"layer": DIFF ID, "below": CHAIN ID, "created", "text", "made", "content"}},
     "mounts":  {NAME: {"text", "owner": [uid, gid, mode], "size", "diffID", "blob"}}}

It is the configuration of an image manifest whose layers are the blobs, in the way in which
BuildKit keeps its own. It is not BuildKit's document: that tells steps by keys of BuildKit's, has
the base image's layers in it, and no word for a step whose layer was not written (mode=min), or for
the digest of a stage's files. Within an image it lies in the image's own configuration.

A result without a layer has changed nothing; one with `content` is what is known of a stage's files
(cache.contents). A layer without a blob is known by name alone: what needs its files has to make
them again.

Nothing in it is believed: shapes are checked here, blobs against their digests where they come in.
"""

from __future__ import annotations

from rootless.oci import jsonio
from rootless.oci.errors import ImageError
from rootless.oci.layout import is_descriptor
from rootless.oci.reference import is_digest
from rootless.times import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

MEDIA_TYPE = "application/vnd.rootless.buildcache.v1+json"
INLINE = "rootless.buildcache.v1"
"""The key of an image's configuration under which it has its own cache."""

BUILDKIT = "application/vnd.buildkit.cacheconfig.v0"

VERSION = 1
_LONGEST = 1 << 16
"""Characters of an instruction."""
_HEX = frozenset("0123456789abcdef")


def is_hex(text: object, length: int = 64) -> bool:
    """Whether it is a key or a chain id."""
    return isinstance(text, str) and len(text) == length and _HEX.issuperset(text)


def decode(document: object, blobs: list[Document], subject: str) -> Document:
    """Return the document with only what is known, and descriptors in place of numbers.

    Raises ImageError, which says what of `subject` is not as it should be.
    """
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ImageError(f"{subject} is no cache of this version of rootless")
    try:
        return {
            "layers": {
                diff_id: _layer(diff_id, value, blobs)
                for diff_id, value in document["layers"].items()
            },
            "results": {
                key: _result(key, value, document["layers"])
                for key, value in document["results"].items()
            },
            "mounts": {
                name: _mount(name, value, blobs)
                for name, value in document.get("mounts", {}).items()
            },
        }
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ImageError(f"{subject} is damaged: {error!r:.200}") from error


def _layer(diff_id: str, value: Document, blobs: list[Document]) -> Document:
    if not _is_sha256(diff_id):
        raise ValueError(diff_id)
    return {"size": _count(value["size"]), "blob": _blob(value, blobs)}


def _result(key: str, value: Document, layers: Document) -> Document:
    if not is_hex(key):
        raise ValueError(key)
    found: Document = {"layer": None, "notes": {}, "made": 0.0}
    if value.get("layer") is not None:
        if value["layer"] not in layers:
            raise ValueError(value["layer"])
        found["layer"] = value["layer"]
    created, text = value.get("created", ""), value.get("text", "")
    if created:
        found["made"] = timestamp(created)
        if not found["made"] or len(created) > 40:
            raise ValueError(created)
        found["notes"]["created"] = created
    if not isinstance(text, str) or len(text) > _LONGEST:
        raise ValueError("text")
    if text:
        found["notes"]["text"] = text
    if "content" in value:
        if not is_hex(value["content"]):
            raise ValueError(value["content"])
        found["notes"]["content"] = value["content"]
    if "made" in value:
        found["made"] = float(value["made"])
    return found


def _mount(name: str, value: Document, blobs: list[Document]) -> Document:
    uid, gid, mode = (_count(one) for one in value["owner"])
    text = value["text"]
    if not is_hex(name, 40) or not isinstance(text, str) or len(text) > 4096 or mode > 0o7777:
        raise ValueError(name)
    if not _is_sha256(value["diffID"]) or max(uid, gid) >= 1 << 32:
        raise ValueError(value["diffID"])
    blob = _blob(value, blobs)
    if blob is None:
        raise ValueError("blob")
    about = {"text": text, "owner": [uid, gid, mode], "size": _count(value["size"])}
    return {**about, "diffID": value["diffID"], "blob": blob}


def _blob(value: Document, blobs: list[Document]) -> Document | None:
    if "blob" not in value:
        return None
    blob = blobs[_count(value["blob"])]
    if not is_descriptor(blob) or not _is_sha256(blob["digest"]):
        raise ValueError("blob")
    return {"digest": blob["digest"], "size": _count(blob["size"]), "mediaType": blob["mediaType"]}


def _is_sha256(text: object) -> bool:
    return isinstance(text, str) and text.startswith("sha256:") and is_digest(text)


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise ValueError(value)
    return value


def encode(document: Document) -> bytes:
    """Return the document as it is written."""
    return jsonio.dumps({"version": VERSION, **document}, sort_keys=True).encode(
        "utf-8", "surrogateescape"
    )
