"""Taking blobs and layers into the store: what load, pull, import and unpack have in common.

A layer is extracted while its blob is still being written: a thread follows the blob, undoes its
compression, hashes the result (the diff id) and feeds an extracting process. Where the blob is
not compressed its digest is the diff id, so nothing is hashed twice and splice(2) moves the pages.
Nothing is visible before `commit`: blobs and layers lie in workspaces; then layers get their chain
ids, blobs their digests, and last the index names the image.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading

from rootless.images import durability, limits
from rootless.images.entries import named_all
from rootless.images.faults import store_errors
from rootless.images.foreman import Foreman
from rootless.images.incoming import Incoming
from rootless.images.partial import InUse, PartialBlob
from rootless.images.transfer.parallel import PARALLEL, in_parallel
from rootless.oci.blobs import (
    Blob,
    Stored,
    Workspace,
    initialise,
    locked,
    reserve,
    sync_directory,
    write_index,
)
from rootless.oci.errors import DigestError, Error, ImageError
from rootless.oci.layers.compression import compression_of
from rootless.oci.layers.unpack import feed, write_all
from rootless.oci.layout import MAX_JSON, chain_ids
from rootless.runtime.userns import identity
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Self

    from rootless.images.foreman import Job
    from rootless.oci.layout import Layout
    from rootless.store.paths import Paths
    from rootless.teller import Teller

    Document = dict[str, Any]


class Layer:
    """A layer being unpacked in a workspace; `directory` is complete when `finish` returns."""

    def __init__(self, directory: str, job: Job, blob: Blob, free: threading.Semaphore) -> None:
        self.directory = directory
        self.diff_id = ""
        self.warnings: list[str] = []
        """What could not be unpacked as it should, devices or attributes: the first of it."""
        self.warned = 0
        """How much of it there was."""
        self._job = job
        self._blob = blob
        self._follower = blob.follow()
        self._free = free
        self._error: BaseException | None = None
        self.finished = False
        """Whether `finish` was called: it can be only once."""
        self._thread = threading.Thread(target=self._run, name="layer", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._feed()
        except BrokenPipeError:
            pass  # the extractor gave up: its answer says why
        except BaseException as error:  # noqa: BLE001 - raised again by `finish`
            self._error = error
        finally:
            self._follower.close()
            self._job.close_feed()
            self._free.release()

    def _feed(self) -> None:
        follower = self._follower
        head = follower.read(6)
        if self._blob.verified and compression_of(head) == "none":
            write_all(self._job.feed, head)
            while follower.splice(self._job.feed):
                pass
            self.diff_id = self._blob.digest
            return
        blob = _Joined(head, follower)
        self.diff_id = feed(blob, self._job.feed, name=f"layer {self._blob.digest[:19]}")

    def finish(self) -> str:
        """Wait for the end and return the diff id. Raises what went wrong, on either side."""
        self.finished = True
        self._thread.join()
        try:
            record = self._job.result()
            self.warnings, self.warned = record["warnings"], record["warned"]
        except Error as error:
            # A stream that broke off breaks the extractor too: the cause is the better message.
            raise (self._error or error) from None
        if self._error is not None:
            raise self._error
        return self.diff_id

    def tell(self, teller: Teller) -> None:
        """Warn of what could not be unpacked as it should."""
        for text in self.warnings[:-1]:
            teller.warning(text)
        for text in self.warnings[-1:]:
            teller.warning(text, more=self.warned - len(self.warnings))


class _Joined:
    """A stream put together again after its head was looked at."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head or self._rest.read(size)


class Intake(Incoming):
    """One load, pull or import under way. A context manager; leaving it drops what is not kept.

    `teller` is warned of what cannot be unpacked as it should, of each layer at most a hundred
    times; `source` is a further layout to find blobs in; `beside` has trees of layers in other
    stores, by their chain ids: files may leave their content there. Whoever lends his `foreman`
    sees to it himself that layers are written out (images.durability).
    Raises UsageError for settings that make no sense.
    """

    def __init__(
        self,
        paths: Paths,
        teller: Teller = QUIET,
        *,
        source: Layout | None = None,
        beside: dict[str, str] | None = None,
        foreman: Foreman | None = None,
    ) -> None:
        self._limits = limits.layer()
        paths.prepare()
        with store_errors(paths):
            initialise(paths.images)
            reserve(paths.images)
        super().__init__(paths, paths.images)
        self._source = source or self.layout
        self._beside = beside or {}
        self._layers: dict[str, Layer] = {}
        self._begun: list[Layer] = []
        """All that were ever begun: none may still write when the workspace is swept."""
        self._free = threading.Semaphore(PARALLEL)
        self.proven: list[tuple[str, str]] = []
        """Diff id and blob of the layers that were unpacked for this, and were what they should."""
        self._placed = False
        """Whether a layer was put into the store."""
        self._lent = foreman
        self._teller = teller
        self._owners = "record" if identity.detect().mode == "single" else "chown"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(store_errors(self.paths))
            self._foreman = self._lent or stack.enter_context(Foreman(self.paths))
            self._work = stack.enter_context(Workspace(self.paths.images, self.paths.images))
            self._trees = stack.enter_context(
                Workspace(self.paths.images, self.paths.layers, self._sweep)
            )
            stack.callback(self._drop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)
        if self._placed and self._lent is None:
            durability.write_out_later(self.paths)

    def _sweep(self, path: str) -> None:
        self._foreman.remove(path).result()

    def forget(self, layer: Layer | None) -> None:
        """Let a layer go whose blob failed; its tree is swept with the workspace."""
        if layer is not None:
            with contextlib.suppress(Exception):
                layer.finish()

    def _drop(self) -> None:
        """End whatever is still running: after an error, or what was not a layer after all."""
        super()._drop()
        for layer in self._begun:
            if not layer.finished:
                with contextlib.suppress(Exception):
                    layer.finish()
        for blob in self._open:
            if isinstance(blob, PartialBlob):
                if blob.digest and self.layout.has(blob.digest):
                    blob.discard()  # somebody else has brought it
                blob.release()

    # -- bringing in -----------------------------------------------------------------------

    def partial(self, digest: str, size: int) -> Blob:
        """Begin a blob that a later command may go on with, or go on with one."""
        try:
            blob = PartialBlob(self.paths.images, digest, size)
        except InUse:  # by another pull at the same time
            return self.blob(expected=digest, size=size)
        with self._lock:
            self._open.append(blob)
        return blob

    def unpack(self, blob: Blob, beside: str = "") -> Layer:
        """Begin to unpack `blob`, which may still grow; waits while too many layers are at it.

        `beside` is the layer's tree in a store where files may leave their content.
        """
        self._free.acquire()
        try:
            with self._lock:
                directory = self._trees.new()
                os.mkdir(directory, 0o700)
                durability.mark(directory)
                job = self._foreman.extract(
                    directory, owners=self._owners, limits=self._limits, beside=beside
                )
                layer = Layer(directory, job, blob, self._free)
                self._begun.append(layer)
            return layer
        except BaseException:
            self._free.release()
            raise

    def take(self, blob: Blob, layer: Layer | None = None) -> str:
        """Accept a finished blob, and the layer that is unpacked from it. Return its digest."""
        with self._lock:
            if layer is not None and layer is not self._layers.setdefault(blob.digest, layer):
                # Twice in one archive: the second is forgotten, and swept with the workspace.
                self._layers[f"{blob.digest} again {layer.directory}"] = layer
        return super().take(blob)

    def text(self, digest: str) -> bytes:
        """The content of a document, brought in or in the store; at most 4 MiB and a byte of it."""
        with open(self.path(digest), "rb") as file:
            return file.read(MAX_JSON + 1)

    def path(self, digest: str) -> str:
        """Where the content of a blob lies at present. Raises ImageError where there is none."""
        blob = self._blobs.get(digest)
        if blob is not None:
            return blob.path
        for layout in (self.layout, self._source):
            if layout.has(digest):
                return layout.blob_path(digest)
        raise ImageError(f"blob {digest} is missing")

    # -- keeping ---------------------------------------------------------------------------

    def keep_layers(self, layers: list[Document], diff_ids: list[str]) -> None:
        """See that all layers of an image are unpacked and are what its configuration says.

        A layer that was unpacked long ago may come in a new blob, which has to be the same.
        Raises DigestError where the content of a layer is another, and what unpacking raises.
        """
        if len(layers) != len(diff_ids):
            raise ImageError(f"the image has {len(layers)} layers and {len(diff_ids)} diff ids")
        wanted = list(zip(layers, diff_ids, chain_ids(diff_ids), strict=True))
        there = {x for _, _, x in wanted if durability.is_trusted(f"{self.paths.layers}/{x}")}
        for descriptor, _, chain in wanted:
            if chain not in there and descriptor["digest"] not in self._layers:
                self._unpack_stored(descriptor, chain)
        # Those that are missing first: the same layer may be there upon others, and needs no tree.
        for descriptor, diff_id, chain in sorted(wanted, key=lambda one: one[2] in there):
            layer = self._layers.pop(descriptor["digest"], None)
            if layer is None:
                if chain in there:
                    continue
                # The same layer twice in one image: its tree has moved.
                self._unpack_stored(descriptor, chain)
                layer = self._layers.pop(descriptor["digest"])
            found = layer.finish()
            if found != diff_id:
                raise DigestError(
                    f"layer {descriptor['digest']} unpacks to {found}, not to {diff_id}",
                    "the image is damaged or was tampered with",
                )
            if chain not in there:
                self._place(layer.directory, chain)
            self.proven.append((diff_id, str(descriptor["digest"])))
            layer.tell(self._teller)

    def _unpack_stored(self, descriptor: Document, chain: str) -> None:
        """Begin to unpack a layer whose blob is here already."""
        digest = descriptor["digest"]
        blob = self._blobs.get(digest)
        if blob is None:
            blob = Stored(self.path(digest), digest)
        self._layers[digest] = self.unpack(blob, self._beside.get(chain, ""))

    def _place(self, directory: str, chain: str) -> None:
        target = f"{self.paths.layers}/{chain}"
        # Who opens the store to others opens `layers`; what comes later follows.
        os.chmod(directory, stat.S_IMODE(os.stat(self.paths.layers).st_mode) & 0o755 | 0o700)
        if not durability.is_trusted(target):
            with contextlib.suppress(FileNotFoundError):
                os.rename(target, self._trees.new())  # from before a crash; swept
        try:
            os.rename(directory, target)
        except OSError:
            if not durability.is_trusted(target):
                raise
            # Somebody else was first; ours is swept with the workspace.
        self._placed = True

    def commit(self, images: Iterable[tuple[list[str], Document]], blobs: Iterable[str]) -> None:
        """Make `blobs` durable under their digests, then name the images.

        `images` are (names, descriptor of the manifest); an image without a name gets an entry
        without one.
        """
        with self.naming(blobs) as index:
            index["manifests"] = named_all(index["manifests"], images)

    @contextlib.contextmanager
    def naming(self, blobs: Iterable[str]) -> Iterator[Document]:
        """Make `blobs` durable, yield the index to be changed under the lock, and write it."""
        needed = list(blobs)
        # Side by side, since the file system writes its journal once for all that wait for it.
        new = [digest for digest in dict.fromkeys(needed) if not self.layout.has(digest)]
        in_parallel([self._blobs[one].sync for one in new if one in self._blobs], lambda: None)
        self.publish(needed)
        sync_directory(f"{self.paths.images}/blobs/sha256")
        sync_directory(self.paths.layers)
        with locked(self.paths.images):
            # What was in the store already may have been removed meanwhile; now nobody can.
            self.publish(needed)
            index = self.layout.index()
            yield index
            write_index(self.paths.images, index)
