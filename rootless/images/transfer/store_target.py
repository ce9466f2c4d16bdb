"""The store as a `Target`: of an index with all its images, or an image that changes on its way.

An index becomes a manifest list, byte for byte: all that it names comes into the store, and the
image for this machine is unpacked; others are when they are run. What does not change on its way
and is one image is pulled instead, which unpacks layers while they arrive.
"""

from __future__ import annotations

import contextlib
import os
import time

from rootless.images.entries import LIST, entry_for, list_of, named
from rootless.images.intake import Intake
from rootless.images.lists.list import with_origins
from rootless.images.partial import sweep
from rootless.images.transfer.downloading import receive_rest
from rootless.linux import files
from rootless.oci import jsonio, models, reference
from rootless.oci.distribution.remote import RegistrySource
from rootless.oci.errors import ImageError
from rootless.oci.layout import Layout, name_of
from rootless.oci.transports import check_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.oci.models import Descriptor
    from rootless.oci.transports import Content, Fetched, Source
    from rootless.store.paths import Paths
    from rootless.teller import Teller

    Document = dict[str, Any]


class StoreTarget:
    """The name `name`, full, for what is copied; who had it before loses it."""

    docker = many = together = True
    compress = ""
    keeps: tuple[str, ...] = ()

    def __init__(self, paths: Paths, name: str, source: Source, teller: Teller) -> None:
        self._source = source
        self.name = f"containers-storage:{name}"
        self._full = name
        self._needed: list[str] = []
        """Digests of all that is to be kept."""
        files.allow_all()  # each large blob stays locked until all of the index is here
        with contextlib.ExitStack() as stack:
            self._intake = stack.enter_context(Intake(paths, teller))
            sweep(paths.images)
            self._stack = stack.pop_all()

    def put(self, blob: Descriptor, content: Content) -> str:
        """Bring a blob in, or what a broken copy has not. Raises ImageError for a wrong size."""
        self._needed.append(blob.digest)
        if self._intake.has(blob.digest):
            check_size(blob.digest, os.path.getsize(self._intake.path(blob.digest)), blob.size)
            return "exists"
        receive_rest(self._intake, blob.digest, blob.size, content)
        return "copied"

    def put_manifest(self, manifest: Fetched) -> None:
        """Keep it as it is."""
        self._needed.append(self._intake.take_bytes(manifest.data, manifest.digest))

    def finish(self, top: Fetched) -> None:
        """Name the list or the image. Raises ImageError, DigestError where it does not unpack."""
        self.put_manifest(top)
        if models.kind_of(top.data, top.media_type, f"manifest {top.digest}") == "index":
            self._name_list(top)
        else:
            self._name_image(top)

    def close(self) -> None:
        """Drop what was not finished."""
        self._stack.close()

    def _name_list(self, top: Fetched) -> None:
        entry: Document = {
            "mediaType": top.media_type,
            "digest": top.digest,
            "size": len(top.data),
            "annotations": {LIST: f"{os.urandom(32).hex()} {int(time.time())}"},
        }
        if (
            isinstance(self._source, RegistrySource)
            and self._source.manifest().digest == top.digest
        ):
            # So it can be mended from there, and mounted there.
            name = str(self._source.repository.name)
            members = jsonio.loads(top.data)["manifests"]
            entry = with_origins(entry, {str(one["digest"]): name for one in members})
        image = self._for_this_machine(entry)
        if image is not None:
            self._unpack(image)
        with self._intake.naming(self._needed) as index:
            for one in index["manifests"]:
                if self._is_same(one, top.digest):
                    entry["annotations"][LIST] = one["annotations"][LIST]
            index["manifests"] = named(index["manifests"], [self._full], entry)

    def _for_this_machine(self, entry: Document) -> models.Manifest | None:
        """The image of an index that could run here, None where there is none."""
        try:
            found, _ = Arrived(self._intake).manifest(entry)
            return self._runnable(str(found["digest"]))
        except ImageError:
            return None

    def _is_same(self, entry: Document, digest: str) -> bool:
        """Whether an entry is the list that comes: the same again stays the list that it is."""
        same = list_of(entry) and entry["digest"] == digest
        return bool(same) and reference.full(name_of(entry)) == self._full

    def _name_image(self, top: Fetched) -> None:
        manifest = self._runnable(top.digest)
        self._unpack(manifest)
        data, known = top.data, []
        if manifest.is_docker:
            data, known = models.to_oci(manifest), [top.digest]
        digest = self._intake.take_bytes(data)
        entry = entry_for(digest, len(data), known)
        self._intake.commit([([self._full], entry)], [*self._needed, digest])

    def _runnable(self, digest: str) -> models.Manifest:
        data = self._intake.text(digest)
        manifest = models.decode(data, models.Manifest, f"manifest {digest}")
        manifest.check()
        return manifest

    def _unpack(self, manifest: models.Manifest) -> None:
        subject = f"image configuration {manifest.config.digest}"
        config = models.config_in(self._intake.text(manifest.config.digest), subject)
        layers = [{"digest": layer.digest} for layer in manifest.layers]
        self._intake.keep_layers(layers, config.rootfs.diff_ids)


class Arrived(Layout):
    """The layout of the store, with what is on its way into it."""

    def __init__(self, intake: Intake) -> None:
        super().__init__(intake.paths.images)
        self._intake = intake

    def blob_path(self, digest: str) -> str:
        """Where the blob lies at present. Raises ImageError where there is none."""
        return self._intake.path(digest)

    def has(self, digest: str) -> bool:
        """Whether the blob is in the store or was brought in."""
        return self._intake.has(digest)
