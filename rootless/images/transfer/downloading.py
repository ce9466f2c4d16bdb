"""Blobs into the store: what broke off in an earlier command goes on where it stopped."""

from __future__ import annotations

import errno
from functools import partial

from rootless.images.partial import PartialBlob
from rootless.images.transfer.parallel import Streams
from rootless.oci.errors import DigestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.images.incoming import Incoming
    from rootless.images.intake import Intake
    from rootless.oci.blobs import Blob
    from rootless.oci.transports import Content, Source
    from rootless.teller import Teller

_PIECE = 1 << 17
"""Bytes that are taken at once; a pull that is killed loses as much of each layer at most."""

_SMALL = 1 << 20
"""Bytes up to which it is not worth it to keep the beginning of what is no layer."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Transfers:
    """The transfers of one pull or repair. May be used by several threads at once."""

    def __init__(self, intake: Incoming, source: Source, teller: Teller) -> None:
        self._into = intake
        self._source = source
        self._teller = teller
        self._streams = Streams()

    def cancel(self) -> None:
        """End the transfers of other threads: none of them shall keep Control-C waiting."""
        self._into.cancel()
        self._streams.abort()

    def fetch(self, digest: str, size: int, name: str = "") -> None:
        """Bring a blob in; `name` is what it is for people. Raises RegistryError, DigestError."""
        self._teller.begin(digest, name or f"blob {digest[7:19]}", size)
        receive(self._into, digest, size, partial(self._content, digest, size))
        self._teller.end(digest, "pulled")

    def _content(self, digest: str, size: int, start: int) -> Iterator[bytes]:
        self._teller.advance(digest, start)
        with self._streams.reading(self._source.blob(digest, size, start)) as stream:
            for data in iter(lambda: stream.read(_PIECE), b""):
                yield data
                self._teller.advance(digest, len(data))


class LayerTransfers(Transfers):
    """Transfers that later commands go on with; layers are unpacked meanwhile."""

    def __init__(self, intake: Intake, source: Source, teller: Teller) -> None:
        super().__init__(intake, source, teller)
        self._intake = intake

    def fetch(self, digest: str, size: int, name: str = "", *, unpack: bool = False) -> None:
        """Bring a blob in, or the rest of it; a layer may be unpacked meanwhile.

        Raises RegistryError, DigestError and others.
        """
        self._teller.begin(digest, name or f"layer {digest[7:19]}", size)
        content = partial(self._content, digest, size)
        receive_rest(self._intake, digest, size, content, unpack=unpack)
        self._teller.end(digest, "pulled")


def receive(into: Incoming, digest: str, size: int, content: Content) -> None:
    """Bring a blob in. Raises what `content` raises, DigestError and others."""
    blob = into.blob(expected=digest, size=size)
    try:
        _fill(blob, size, content)
    except BaseException:
        blob.abandon()
        raise
    into.take(blob)


def receive_rest(
    intake: Intake, digest: str, size: int, content: Content, *, unpack: bool = False
) -> None:
    """Bring in what an earlier command has not; a layer may be unpacked meanwhile.

    Raises what `content` raises, DigestError and others.
    """
    if not unpack and size <= _SMALL:
        receive(intake, digest, size, content)
        return
    while True:
        blob = intake.partial(digest, size)
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
        _fill(blob, size, content)
    except BaseException as error:
        blob.abandon()
        intake.forget(layer)
        if isinstance(blob, PartialBlob):
            full = isinstance(error, OSError) and error.errno in _FULL
            blob.discard() if full else blob.release()
        raise
    intake.take(blob, layer)


def _fill(blob: Blob, size: int, content: Content) -> None:
    """Bring what is missing of a blob, and check all of it."""
    if blob.size < size:
        for data in content(blob.size):
            blob.write(data)
    blob.finish()
