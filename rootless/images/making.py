"""An image in the making: layers upon those of a base, its configuration, its manifest, its names.

`commit` and `import` make theirs with it. Nothing is visible before `finish`.
"""

from __future__ import annotations

import contextlib
import os

from rootless.images.entries import entry_for
from rootless.images.intake import Intake
from rootless.images.naming import bring_in
from rootless.images.trees.packing import pack
from rootless.oci import manifests
from rootless.oci.digest import CHUNK
from rootless.oci.layers.unpack import widen
from rootless.oci.layout import OCI_CONFIG, OCI_LAYER
from rootless.runtime.userns.worker import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from rootless.images.image import Image
    from rootless.images.trees.comparing import Trees
    from rootless.images.trees.ids import Ids
    from rootless.oci.blobs import Blob
    from rootless.oci.digest import Readable
    from rootless.store.paths import Paths
    from rootless.teller import Teller

    Document = dict[str, Any]


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


class Making:
    """One image in the making. A context manager; leaving it drops what is not finished."""

    def __init__(self, paths: Paths, teller: Teller, base: Image | None = None) -> None:
        """With a `base` its layers come first."""
        self._teller = teller
        self._intake = Intake(paths, teller, source=base.layout if base else None)
        self._parts: list[Document] = list(base.manifest["layers"]) if base else []
        self.diff_ids: list[str] = list(base.config["rootfs"]["diff_ids"]) if base else []
        """Of all layers so far, the lowest first."""

    def __enter__(self) -> Self:
        self._intake.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._intake.__exit__(*error)

    def add(self, tar: Readable) -> None:
        """Put the layer of a tar stream on top. Raises what reading and unpacking it raise."""
        blob = self._intake.blob()
        layer = self._intake.unpack(blob)
        self._fill(blob, tar)
        self._keep(self._intake.take(blob.finish(), layer), blob.size)

    def add_changes(
        self,
        trees: Trees,
        ids: Ids,
        key: str,
        check: Callable[[], None],
        *,
        everything: bool = False,
    ) -> bool:
        """Put on top what differs between two trees, or `everything` there is in the new one.

        `key` is what the teller knows the work by. `check` is called when all was read, and raises
        where that may not be whole. Returns False where nothing differs: then there is no layer.
        The caller must not have threads.
        """
        reading, writing = os.pipe()
        widen(writing)
        with open(reading, "rb", buffering=0) as stream:
            # Before the layer is begun: that starts a thread, and nobody forks after it.
            keep, paths = (writing,), self._intake.paths
            try:
                worker = spawn(paths, pack, writing, trees, everything, ids, keep_fds=keep)
            finally:
                os.close(writing)
            blob = self._intake.blob()
            layer = self._intake.unpack(blob)
            try:
                self._fill(blob, Told(stream, key, self._teller))
            except BaseException:
                stream.close()  # so that the worker ends as well
                with contextlib.suppress(Exception):
                    worker.result()
                raise
        try:
            entries, left_out = worker.result()
            check()
        except BaseException:
            blob.abandon()
            raise
        if left_out:
            self._teller.note(
                f"files with names that begin with .wh. are left out, such as /{left_out[0]}: "
                "in a layer they would delete others (export keeps them)"
            )
        if not entries and not everything:
            blob.abandon()
            self._intake.forget(layer)
            return False
        self._keep(self._intake.take(blob.finish(), layer), blob.size)
        return True

    def _fill(self, blob: Blob, stream: Readable) -> None:
        try:
            while data := stream.read(CHUNK):
                blob.write(data)
        except BaseException:
            blob.abandon()
            raise

    def _keep(self, digest: str, size: int) -> None:
        self._parts.append({"mediaType": OCI_LAYER, "digest": digest, "size": size})
        self.diff_ids.append(digest)

    def finish(self, names: list[str], config: Document, *, docker: bool = False) -> str:
        """Name the image, whose configuration this is with the layers added; return its digest.

        With `docker` it has a manifest of docker's form as well, by which a push goes.
        """
        intake = self._intake
        bring_in(intake, [part["digest"] for part in self._parts])
        intake.keep_layers(self._parts, self.diff_ids)
        document = {**config, "rootfs": {"type": "layers", "diff_ids": self.diff_ids}}
        data = manifests.encode(document)
        part = {"mediaType": OCI_CONFIG, "digest": intake.take_bytes(data), "size": len(data)}
        manifest = manifests.make_manifest(part, self._parts)
        digest = intake.take_bytes(manifest)
        own = [intake.take_bytes(manifests.to_docker(part, self._parts))] if docker else []
        blobs = [*(each["digest"] for each in self._parts), part["digest"], digest, *own]
        intake.commit([(names, entry_for(digest, len(manifest), own))], blobs)
        return str(part["digest"])
