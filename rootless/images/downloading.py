"""Blobs from a registry into the store: a transfer that breaks off goes on where it stopped."""

from __future__ import annotations

import errno

from rootless.images.partial import PartialBlob
from rootless.oci.errors import DigestError, RegistryError
from rootless.oci.http import Client, HttpError, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.intake import Intake
    from rootless.images.progress import Progress
    from rootless.oci.blobs import Blob
    from rootless.oci.registry import Repository

_PIECE = 1 << 17
"""Bytes that are taken at once; a pull that is killed loses as much of each layer at most."""

_MOST_CUTS = 100
"""Interruptions of one blob that are taken, even if it gets on each time."""

_SMALL = 1 << 20
"""Bytes up to which it is not worth it to keep the beginning of what is no layer."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Download:
    """The transfers of one pull or repair. May be used by several threads at once."""

    def __init__(self, intake: Intake, repository: Repository, progress: Progress) -> None:
        self._intake = intake
        self._repository = repository
        self._progress = progress
        self._transfers: set[Response] = set()

    def cancel(self) -> None:
        """End the transfers of other threads: none of them shall keep Control-C waiting."""
        self._intake.cancel()
        for response in list(self._transfers):
            response.abort()

    def fetch(self, digest: str, size: int, *, unpack: bool) -> None:
        """Bring a blob in; a transfer that breaks off goes on, a few times without progress.

        A layer may be unpacked meanwhile. Raises RegistryError, DigestError and others.
        """
        tries, reached = 0, -1
        for cut in range(1, _MOST_CUTS + 1):
            if unpack or size > _SMALL:
                blob = self._intake.partial(digest, size)
            else:
                blob = self._intake.blob(expected=digest, size=size)
            try:
                self._fetch_into(blob, digest, size, unpack=unpack)
                return
            except HttpError as error:
                tries = 1 if blob.size > reached else tries + 1
                reached = max(reached, blob.size)
                if tries == Client.attempts or cut == _MOST_CUTS or not error.temporary:
                    raise
                Client.wait(tries)
            except DigestError:
                if not (isinstance(blob, PartialBlob) and blob.start and blob.digest):
                    raise
                # It is complete, but what was there from an earlier time was bad.

    def _fetch_into(self, blob: Blob, digest: str, size: int, *, unpack: bool) -> None:
        """Bring a blob in, or the rest of it. Raises HttpError, DigestError and others."""
        layer = None
        self._progress.begin(digest, f"layer {digest[7:19]}", size)
        try:
            response = self._rest(blob, digest, size) if blob.size < size else None
            self._progress.advance(digest, blob.size)
            layer = self._intake.unpack(blob) if unpack else None
            if response is not None:
                with response:
                    self._receive(blob, response)
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

    def _rest(self, blob: Blob, digest: str, size: int) -> Response:
        """Ask for what is missing of a blob. Raises RegistryError, HttpError."""
        response = self._repository.blob(digest, blob.size)
        if isinstance(blob, PartialBlob) and response.status == 200:
            blob.begin_anew()  # a registry that knows no ranges
        said = response.headers.get("Content-Range", "")
        if response.status == 206 and not said.startswith(f"bytes {blob.size}-"):
            response.close()
            raise RegistryError(f"blob {digest}: the registry sends another part than asked for")
        if response.length not in (-1, size - blob.size):
            response.close()
            there = blob.size + response.length
            raise RegistryError(f"blob {digest} has {there} bytes at the registry, not {size}")
        return response

    def _receive(self, blob: Blob, response: Response) -> None:
        self._transfers.add(response)
        try:
            for data in iter(lambda: response.read(_PIECE), b""):
                blob.write(data)
                self._progress.advance(blob.expected, len(data))
        finally:
            self._transfers.discard(response)
