"""Blobs into the store: what broke off in an earlier command goes on where it stopped."""

from __future__ import annotations

import errno

from rootless.images.partial import PartialBlob
from rootless.oci.errors import DigestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.intake import Intake
    from rootless.images.transfer.progress import Progress
    from rootless.oci.blobs import Blob
    from rootless.oci.transports import Source, Stream

_PIECE = 1 << 17
"""Bytes that are taken at once; a pull that is killed loses as much of each layer at most."""

_SMALL = 1 << 20
"""Bytes up to which it is not worth it to keep the beginning of what is no layer."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Transfers:
    """The transfers of one pull or repair. May be used by several threads at once."""

    def __init__(self, intake: Intake, source: Source, progress: Progress) -> None:
        self._intake = intake
        self._source = source
        self._progress = progress
        self._streams: set[Stream] = set()

    def cancel(self) -> None:
        """End the transfers of other threads: none of them shall keep Control-C waiting."""
        self._intake.cancel()
        for stream in list(self._streams):
            stream.abort()

    def fetch(self, digest: str, size: int, *, unpack: bool) -> None:
        """Bring a blob in, or the rest of it; a layer may be unpacked meanwhile.

        Raises RegistryError, DigestError and others.
        """
        while True:
            if unpack or size > _SMALL:
                blob = self._intake.partial(digest, size)
            else:
                blob = self._intake.blob(expected=digest, size=size)
            try:
                self._fetch_into(blob, digest, size, unpack=unpack)
                return
            except DigestError:
                if not (isinstance(blob, PartialBlob) and blob.start and blob.digest):
                    raise
                # It is complete, but what was there from an earlier time was bad.

    def _fetch_into(self, blob: Blob, digest: str, size: int, *, unpack: bool) -> None:
        layer = None
        self._progress.begin(digest, f"layer {digest[7:19]}", size)
        try:
            self._progress.advance(digest, blob.size)
            layer = self._intake.unpack(blob) if unpack else None
            if blob.size < size:
                self._receive(blob, self._source.blob(digest, size, blob.size))
            blob.finish()
        except BaseException as error:
            blob.abandon()
            self._intake.forget(layer)
            if isinstance(blob, PartialBlob):
                full = isinstance(error, OSError) and error.errno in _FULL
                blob.discard() if full else blob.release()
            raise
        self._progress.end(digest, "pulled")
        self._intake.take(blob, layer)

    def _receive(self, blob: Blob, stream: Stream) -> None:
        self._streams.add(stream)
        try:
            for data in iter(lambda: stream.read(_PIECE), b""):
                blob.write(data)
                self._progress.advance(blob.expected, len(data))
        finally:
            self._streams.discard(stream)
            stream.close()
