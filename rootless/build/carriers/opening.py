"""A cache where it lies: its document, and its blobs."""

from __future__ import annotations

import contextlib
import copy
import os

from rootless.build.carriers import document
from rootless.build.carriers.wishes import TAG
from rootless.images.transfer.access import Access
from rootless.images.transfer.sources import Sources
from rootless.oci import jsonio, layout, platform
from rootless.oci.digest import Digest, Hasher, Verifier
from rootless.oci.distribution.remote import RegistrySource
from rootless.oci.errors import Error, ImageError
from rootless.oci.layout import Layout
from rootless.oci.reading import LayoutSource
from rootless.oci.transports import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias, TypeVar

    from rootless.build.carriers.wishes import Carrier
    from rootless.build.crew import Line
    from rootless.build.place import Site
    from rootless.oci.distribution.registry import Repository
    from rootless.oci.transports import Fetched, Source

    Document = dict[str, Any]
    Reach: TypeAlias = Access | Callable[[], Access] | None
    T = TypeVar("T")


def access_to(carrier: Carrier, reach: Reach) -> Access:
    """Return how the registry of a carrier is spoken with."""
    found = (reach() if callable(reach) else reach) or Access()
    if carrier.tls_verify is not None:
        found = copy.copy(found)
        found.tls_verify = carrier.tls_verify
    return found


def with_source(carrier: Carrier, reach: Reach, action: Callable[[Source], T]) -> T:
    """Return what `action` makes of the place. Raises what it raises, and ImageError."""
    if carrier.kind == "local":
        if not os.path.isdir(carrier.place):
            raise ImageError("there is no such directory")
        place = Location("oci", carrier.place, carrier.tag or TAG)
        return action(LayoutSource(place, Layout(carrier.place)))

    def ask(repository: Repository) -> T:
        return action(RegistrySource(repository))

    return Sources(carrier.place, access_to(carrier, reach)).first(ask)[1]


@contextlib.contextmanager
def reading(source: Source, blob: Document) -> Iterator[Verifier]:
    """Yield the content of a blob, of which only what was read to its end may be used."""
    stream = source.blob(blob["digest"], blob["size"])
    try:
        yield Verifier(stream, Digest.parse(blob["digest"]), blob["size"])
    finally:
        stream.close()


def load(_line: Line, _paths: Site, reach: Reach, carrier: Carrier, wanted: str) -> Document:
    """Return the document of a cache, or {"error": TEXT} where it cannot be had.

    `wanted` is the platform of whose image it is to be, where it is that of an image.
    """
    try:
        return with_source(carrier, reach, lambda source: _read(source, carrier, wanted))
    except Error as error:
        return {"error": error.message}
    except OSError as error:
        return {"error": str(error.strerror)}


def _read(source: Source, carrier: Carrier, wanted: str) -> Document:
    top = source.manifest(carrier.digest)
    fetched = _manifest(source, top, wanted)
    source.admit(fetched.data)
    manifest = _object(fetched.data, "its manifest")
    config, blobs = manifest.get("config"), manifest.get("layers")
    if not layout.is_descriptor(config) or not isinstance(blobs, list):
        raise ImageError("it is no cache, and no image")
    kind = config.get("mediaType")  # type: ignore[union-attr]
    if kind == document.BUILDKIT:
        raise ImageError("it is a cache of BuildKit's, in whose keys are no results of ours")
    with_inline = kind in (layout.OCI_CONFIG, layout.DOCKER_CONFIG)
    if not with_inline and kind != document.MEDIA_TYPE:
        raise ImageError(f"it is no cache, but {str(kind)[:100]}")
    told = _object(_text(source, config), "its document")  # type: ignore[arg-type]
    if with_inline:
        return _inline(told, blobs)
    return document.decode(told, blobs, "its document")


def _manifest(source: Source, top: Fetched, wanted: str) -> Fetched:
    """Return the manifest behind an index: that of the platform."""
    fetched = top
    for _ in range(layout.MAX_DEPTH):
        index = _object(fetched.data, "its manifest")
        if "manifests" not in index:
            return fetched
        entries = index["manifests"]
        if not isinstance(entries, list) or not all(map(layout.is_descriptor, entries)):
            raise ImageError("its index is damaged")
        if any(one.get("mediaType") == document.BUILDKIT for one in entries):
            raise ImageError("it is a cache of BuildKit's, in whose keys are no results of ours")
        asked = platform.parse(wanted) if wanted else platform.host()
        chosen = platform.choose(entries, asked)
        if chosen is None:
            raise ImageError(f"it has nothing for {asked}")
        fetched = source.manifest(str(chosen["digest"]))
    raise ImageError("its index is nested too deep")


def _object(data: bytes, what: str) -> Document:
    try:
        found = jsonio.loads(data)
    except ValueError as error:
        raise ImageError(f"{what} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ImageError(f"{what} is no JSON object")
    return found


def _text(source: Source, blob: Document) -> bytes:
    if type(blob.get("size")) is not int or not 0 <= blob["size"] <= layout.MAX_JSON:
        raise ImageError("its document is larger than 4 MiB")
    with reading(source, blob) as stream:
        return b"".join(iter(lambda: stream.read(1 << 18), b""))


def _inline(config: Document, blobs: list[Document]) -> Document:
    """Return what an image says of itself; its layers are the blobs."""
    told = config.get(document.INLINE)
    if told is None:
        raise ImageError("the image has no cache in it")
    diff_ids = (config.get("rootfs") or {}).get("diff_ids")
    if not isinstance(diff_ids, list) or len(diff_ids) != len(blobs) or not isinstance(told, dict):
        raise ImageError("its layers are not those of its configuration")
    layers = told.get("layers")
    if not isinstance(layers, dict):
        raise ImageError("its cache is damaged")
    for number, diff_id in enumerate(diff_ids):
        if isinstance(diff_id, str) and isinstance(layers.get(diff_id), dict):
            layers[diff_id]["blob"] = number
    return document.decode(told, blobs, "its cache")


def measured(path: str) -> tuple[str, int]:
    """Return digest and size of a file. Raises OSError."""
    hasher, size = Hasher(), 0
    for data in pieces(path, 0):
        hasher.update(data)
        size += len(data)
    return hasher.digest, size


def pieces(path: str, start: int) -> Iterator[bytes]:
    """Yield the content of a file from an offset on. Raises OSError."""
    with open(path, "rb", buffering=0) as file:
        file.seek(start)
        while data := file.read(1 << 20):
            yield data
