"""`import`: an image of one layer from the tar of a root file system."""

from __future__ import annotations

import contextlib
import os
import sys

from rootless.errors import UsageError
from rootless.images import changes
from rootless.images.entries import entry_for
from rootless.images.intake import Intake
from rootless.oci import manifests, platform, reference
from rootless.oci.digest import CHUNK
from rootless.oci.layers.compression import decompress
from rootless.oci.layout import OCI_CONFIG, OCI_LAYER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from rootless.oci.digest import Readable
    from rootless.store.paths import Paths
    from rootless.teller import Teller


class Description:
    """What is said of an image that is made from a bare tree."""

    def __init__(self, lines: Iterable[str], message: str, platform_: str) -> None:
        """`lines` are Dockerfile instructions. Raises UsageError for what they may not be."""
        self.settings: dict[str, Any] = {}
        changes.apply(self.settings, [*lines])
        self.message = message
        self.platform = platform.parse(platform_) if platform_ else platform.host()


def import_(paths: Paths, source: str, ref: str, description: Description, teller: Teller) -> str:
    """Make the image; return its id. See Images.import_."""
    names = [reference.name_to_give(ref)] if ref else []

    with Intake(paths, teller) as intake, _opened(source) as (stream, size):
        blob = intake.blob()
        layer = intake.unpack(blob)
        teller.begin(source, f"import {source}", size)
        try:
            tar = decompress(Told(stream, source, teller), name=source)
            while data := tar.read(CHUNK):
                blob.write(data)
            digest = intake.take(blob.finish(), layer)
        except BaseException:
            blob.abandon()
            raise
        teller.end(source, "imported")
        part = {"mediaType": OCI_LAYER, "digest": digest, "size": blob.size}
        intake.keep_layers([part], [digest])
        comment = description.message or f"Imported from {source}"
        config = _config(description, digest, comment)
        config_digest = intake.take_bytes(config)
        descriptor = {"mediaType": OCI_CONFIG, "digest": config_digest, "size": len(config)}
        manifest = manifests.make_manifest(descriptor, [part])
        manifest_digest = intake.take_bytes(manifest)
        entry = entry_for(manifest_digest, len(manifest))
        intake.commit([(names, entry)], [digest, config_digest, manifest_digest])
    return config_digest.partition(":")[2]


def _config(description: Description, diff_id: str, comment: str) -> bytes:
    now, target = moment(), description.platform
    document: dict[str, Any] = {
        "created": now,
        "architecture": target.architecture,
        "os": target.os,
        "config": description.settings,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": now, "comment": comment}],
    }
    if target.variant:
        document["variant"] = target.variant
    return manifests.encode(document)


def moment() -> str:
    """Return this moment as configurations have it."""
    import datetime

    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


class Told:
    """A stream that tells how far it was read."""

    def __init__(self, stream: Readable, key: str, teller: Teller) -> None:
        self._stream = stream
        self._key = key
        self._teller = teller

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, empty at the end."""
        data = self._stream.read(size)
        self._teller.advance(self._key, len(data))
        return data


@contextlib.contextmanager
def _opened(source: str) -> Iterator[tuple[Readable, int]]:
    """The stream that `source` means, and its size or -1."""
    if source.startswith(("http://", "https://")):
        from rootless.oci.distribution.http import Client

        with Client().download(source) as (stream, size):
            yield stream, size
        return
    if source == "-":
        if sys.stdin.isatty():
            raise UsageError("cannot import from a terminal", "name a file, or redirect stdin")
        fd = os.dup(0)
    else:
        try:
            fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise UsageError(f"cannot open {source}: {error.strerror}") from error
    with open(fd, "rb", buffering=0) as file:
        size = os.fstat(fd).st_size
        yield file, size if source != "-" and size else -1
