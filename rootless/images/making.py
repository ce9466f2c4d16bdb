"""An image in the making: layers upon those of a base, its configuration, its manifest, its names.

`commit`, `import` and `build` make theirs with it. Nothing is visible before `finish`.
"""

from __future__ import annotations

import contextlib
import os

from rootless.images.entries import entry_for
from rootless.images.intake import Intake
from rootless.images.lists import attestations
from rootless.images.naming import bring_in
from rootless.images.trees.packing import pack
from rootless.images.trees.stack import Stack
from rootless.oci import manifests
from rootless.oci.blobs import Stored
from rootless.oci.digest import CHUNK
from rootless.oci.layers.unpack import widen
from rootless.oci.layout import OCI_CONFIG, OCI_INDEX, OCI_LAYER
from rootless.runtime.userns.worker import spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from rootless.images.foreman import Foreman, Job
    from rootless.images.lists.attestations import Attested
    from rootless.images.trees.comparing import Trees
    from rootless.images.trees.ids import Ids
    from rootless.oci.blobs import Blob
    from rootless.oci.digest import Readable
    from rootless.oci.layout import Layout
    from rootless.runtime.userns.worker import Worker
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


class Lent(Stored):
    """A blob of somebody else's, which gets a further name where it is published."""

    def publish_as(self, target: str) -> None:
        """Give it that name."""
        self.sync()
        with contextlib.suppress(FileExistsError):
            os.link(self.path, target)


class Making:
    """One image in the making. A context manager; leaving it drops what is not finished."""

    def __init__(
        self,
        paths: Paths,
        teller: Teller,
        below: Stack | None = None,
        source: Layout | None = None,
        foreman: Foreman | None = None,
    ) -> None:
        """The layers `below` come first; `source` has those that the store may not have.

        For `foreman` see Intake.
        """
        self._teller = teller
        self._foreman = foreman
        self._intake = Intake(paths, teller, source=source, foreman=foreman)
        self.stack = below or Stack([], [])
        """All layers so far."""
        self.entry: Document = {}
        """What the names of a finished image mean."""

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
        (entries, left_out), keep = self._packed(key, check, pack, trees, everything, ids)
        if left_out:
            self._teller.note(
                f"files with names that begin with .wh. are left out, such as /{left_out[0]}: "
                "in a layer they would delete others (export keeps them)"
            )
        keep(bool(entries) or everything)
        return bool(entries) or everything

    def add_packed(self, pack: Callable[..., Any], *arguments: Any) -> Any:
        """Put the layer on top that `pack(output, *arguments)` writes in the user namespace.

        Return what it returns: a number of entries, or that and more. Without entries there is no
        layer. The caller must not have threads.
        """
        said, keep = self._packed("", lambda: None, pack, *arguments)
        keep(bool(said[0] if isinstance(said, list) else said))
        return said

    def _packed(
        self, key: str, check: Callable[[], None], pack: Callable[..., Any], *arguments: Any
    ) -> tuple[Any, Callable[[bool], None]]:
        """Have a layer written; return what `pack` said, and what is called to keep it or not."""
        reading, writing = os.pipe()
        widen(writing)
        with open(reading, "rb", buffering=0) as stream:
            # Before the layer is begun: that starts a thread, and nobody forks after it.
            worker: Worker | Job
            if self._foreman is not None:
                worker = self._foreman.call(pack, *arguments, fds=(writing,))
            else:
                worker = self._spawned(pack, writing, *arguments)
            blob = self._intake.blob()
            layer = self._intake.unpack(blob)
            try:
                self._fill(blob, Told(stream, key, self._teller) if key else stream)
            except BaseException:
                stream.close()  # so that the worker ends as well
                with contextlib.suppress(Exception):
                    worker.result()
                raise
        try:
            said = worker.result()
            check()
        except BaseException:
            blob.abandon()
            raise

        def keep(wanted: bool) -> None:
            if wanted:
                self._keep(self._intake.take(blob.finish(), layer), blob.size)
            else:
                blob.abandon()
                self._intake.forget(layer)

        return said, keep

    def _spawned(self, pack: Callable[..., Any], output: int, *arguments: Any) -> Worker:
        try:
            return spawn(self._intake.paths, pack, output, *arguments, keep_fds=(output,))
        finally:
            os.close(output)

    def _fill(self, blob: Blob, stream: Readable) -> None:
        try:
            while data := stream.read(CHUNK):
                blob.write(data)
        except BaseException:
            blob.abandon()
            raise

    def _keep(self, digest: str, size: int) -> None:
        part = {"mediaType": OCI_LAYER, "digest": digest, "size": size}
        self.stack = self.stack.with_layer(part, digest)

    def lend(self, digest: str, path: str) -> None:
        """Have the blob of a layer below, a whole file that stays where it is."""
        self._intake.take(Lent(path, digest))

    def place(self, pin: str) -> Stack:
        """Put the new top layer into the store, before any image has it; return the stack.

        The link `pin` is made of its blob, for what keeps the layer until then. It need not
        outlive a power failure.
        """
        digest = str(self.stack.parts[-1]["digest"])
        temporary = f"{pin}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.link(self._intake.path(digest), temporary)
        os.rename(temporary, pin)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # two links of one file: rename(2) leaves both
        self._intake.keep_layers(self.stack.parts, self.stack.diff_ids)
        return self.stack

    def finish(
        self,
        names: list[str],
        config: Document,
        *,
        docker: bool = False,
        annotations: dict[str, str] | None = None,
        attested: Attested | None = None,
    ) -> str:
        """Name the image, whose configuration this is with the layers added; return its digest.

        `annotations` are those of its manifest. With `docker` it has a manifest of docker's form as
        well, by which a push goes, and which has none. With `attested` the names are those of an
        index of the image and of what is said of it.
        """
        intake = self._intake
        parts, diff_ids = self.stack.parts, self.stack.diff_ids
        bring_in(intake, [part["digest"] for part in parts])
        intake.keep_layers(parts, diff_ids)
        document = {**config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        data = manifests.encode(document)
        part = {"mediaType": OCI_CONFIG, "digest": intake.take_bytes(data), "size": len(data)}
        more = {"annotations": annotations} if annotations else {}
        manifest = manifests.make_manifest(part, parts, **more)
        digest = intake.take_bytes(manifest)
        own = [intake.take_bytes(manifests.to_docker(part, parts))] if docker else []
        blobs = [*(each["digest"] for each in parts), part["digest"], digest, *own]
        entry = entry_for(digest, len(manifest), own)
        if attested is not None:
            entry, more_blobs = self._attest(attested, entry)
            blobs += more_blobs
        intake.commit([(names, entry)], blobs)
        self.entry = entry
        return str(part["digest"])

    def _attest(self, attested: Attested, entry: Document) -> tuple[Document, list[str]]:
        """Make an index of an image and of what is said of it; return its entry and the blobs."""
        take = self._intake.take_bytes
        about = str(entry["digest"])
        layers = [
            attestations.described(take(data), len(data), kind)
            for kind, data in attestations.statements(attested, about)
        ]
        config, manifest = attestations.manifest(layers)
        said = attestations.reference(manifest, about)
        described = {key: entry[key] for key in ("mediaType", "digest", "size")}
        index = attestations.index([{**described, "platform": attested.platform}, said])
        blobs = [*(str(one["digest"]) for one in layers), take(config), take(manifest)]
        whole = {"mediaType": OCI_INDEX, "digest": take(index), "size": len(index)}
        if "annotations" in entry:
            whole["annotations"] = entry["annotations"]
        return whole, [*blobs, str(whole["digest"])]
