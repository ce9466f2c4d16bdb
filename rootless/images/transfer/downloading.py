"""Blobs into the store: what broke off in an earlier command goes on where it stopped."""

from __future__ import annotations

import errno

from rootless.images.partial import PartialBlob
from rootless.images.transfer.parallel import Streams
from rootless.oci.errors import DigestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.incoming import Incoming
    from rootless.images.intake import Intake
    from rootless.images.transfer.progress import Progress
    from rootless.oci.blobs import Blob
    from rootless.oci.transports import Source

_PIECE = 1 << 17
"""Bytes that are taken at once; a pull that is killed loses as much of each layer at most."""

_SMALL = 1 << 20
"""Bytes up to which it is not worth it to keep the beginning of what is no layer."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Transfers:
    """The transfers of one pull or repair. May be used by several threads at once."""

    def __init__(self, intake: Incoming, source: Source, progress: Progress) -> None:
        self._into = intake
        self._source = source
        self._progress = progress
        self._streams = Streams()

    def cancel(self) -> None:
        """End the transfers of other threads: none of them shall keep Control-C waiting."""
        self._into.cancel()
        self._streams.abort()

    def fetch(self, digest: str, size: int, name: str = "") -> None:
        """Bring a blob in; `name` is what it is for people. Raises RegistryError, DigestError."""
        blob = self._into.blob(expected=digest, size=size)
        self._progress.begin(digest, name or f"blob {digest[7:19]}", size)
        try:
            self._receive(blob, size)
        except BaseException:
            blob.abandon()
            raise
        self._progress.end(digest, "pulled")
        self._into.take(blob)

    def _receive(self, blob: Blob, size: int) -> None:
        """Bring what is missing of a blob, and check all of it."""
        digest = blob.expected
        if blob.size < size:
            with self._streams.reading(self._source.blob(digest, size, blob.size)) as stream:
                for data in iter(lambda: stream.read(_PIECE), b""):
                    blob.write(data)
                    self._progress.advance(digest, len(data))
        blob.finish()


class LayerTransfers(Transfers):
    """Transfers that later commands go on with; layers are unpacked meanwhile."""

    def __init__(self, intake: Intake, source: Source, progress: Progress) -> None:
        super().__init__(intake, source, progress)
        self._intake = intake

    def fetch(self, digest: str, size: int, name: str = "", *, unpack: bool = False) -> None:
        """Bring a blob in, or the rest of it; a layer may be unpacked meanwhile.

        Raises RegistryError, DigestError and others.
        """
        if not unpack and size <= _SMALL:
            super().fetch(digest, size, name)
            return
        while True:
            blob = self._intake.partial(digest, size)
            try:
                self._fetch_into(blob, size, name, unpack=unpack)
                return
            except DigestError:
                if not (isinstance(blob, PartialBlob) and blob.start and blob.digest):
                    raise
                # It is complete, but what was there from an earlier time was bad.

    def _fetch_into(self, blob: Blob, size: int, name: str, *, unpack: bool) -> None:
        digest, layer = blob.expected, None
        self._progress.begin(digest, name or f"layer {digest[7:19]}", size)
        try:
            self._progress.advance(digest, blob.size)
            layer = self._intake.unpack(blob) if unpack else None
            self._receive(blob, size)
        except BaseException as error:
            blob.abandon()
            self._intake.forget(layer)
            if isinstance(blob, PartialBlob):
                full = isinstance(error, OSError) and error.errno in _FULL
                blob.discard() if full else blob.release()
            raise
        self._progress.end(digest, "pulled")
        self._intake.take(blob, layer)
