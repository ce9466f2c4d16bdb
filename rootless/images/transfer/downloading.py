"""Blobs into the store: what broke off in an earlier command goes on where it stopped."""

from __future__ import annotations

import errno
from functools import partial

from rootless.images.partial import PartialBlob
from rootless.oci.errors import DigestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.images.intake import Intake
    from rootless.images.transfer.progress import Progress
    from rootless.oci.blobs import Blob
    from rootless.oci.transports import Content, Source, Stream

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
        self._progress.begin(digest, f"layer {digest[7:19]}", size)
        receive(self._intake, digest, size, partial(self._content, digest, size), unpack=unpack)
        self._progress.end(digest, "pulled")

    def _content(self, digest: str, size: int, start: int) -> Iterator[bytes]:
        self._progress.advance(digest, start)
        stream = self._source.blob(digest, size, start)
        self._streams.add(stream)
        try:
            for data in iter(lambda: stream.read(_PIECE), b""):
                yield data
                self._progress.advance(digest, len(data))
        finally:
            self._streams.discard(stream)
            stream.close()


def receive(intake: Intake, digest: str, size: int, content: Content, *, unpack: bool) -> None:
    """Bring a blob in, or what an earlier command has not; a layer may be unpacked meanwhile.

    Raises what `content` raises, DigestError and others.
    """
    while True:
        if unpack or size > _SMALL:
            blob = intake.partial(digest, size)
        else:
            blob = intake.blob(expected=digest, size=size)
        try:
            _receive_into(intake, blob, size, content, unpack=unpack)
            return
        except DigestError:
            if not (isinstance(blob, PartialBlob) and blob.start and blob.digest):
                raise
            # It is complete, but what was there from an earlier time was bad.


def _receive_into(intake: Intake, blob: Blob, size: int, content: Content, *, unpack: bool) -> None:
    layer = None
    try:
        layer = intake.unpack(blob) if unpack else None
        if blob.size < size:
            for data in content(blob.size):
                blob.write(data)
        blob.finish()
    except BaseException as error:
        blob.abandon()
        intake.forget(layer)
        if isinstance(blob, PartialBlob):
            full = isinstance(error, OSError) and error.errno in _FULL
            blob.discard() if full else blob.release()
        raise
    intake.take(blob, layer)
