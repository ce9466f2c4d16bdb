"""Layers that are compressed while they are uploaded, and blobs as they lie in the store.

Both are `distribution.upload.Content`. What is compressed goes through a file of the workspace: so
little memory is needed however large the layer, and a transfer that breaks off goes on where it
stopped.
"""

from __future__ import annotations

import threading

from rootless.oci.blobs import Blob
from rootless.oci.digest import CHUNK, Digest, Verifier
from rootless.oci.errors import ImageError
from rootless.oci.layers.compression import compress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Packing:
    """A layer that a thread of its own compresses into the file `path`."""

    def __init__(
        self,
        source: str,
        digest: str,
        path: str,
        kind: str,
        level: int,
        advance: Callable[[int], None],
    ) -> None:
        """`advance` is told of bytes that were read of the blob `digest`, the file `source`."""
        self.digest = ""
        self.size = -1
        self._source, self._expected = source, digest
        self._kind, self._level = kind, level
        self._advance = advance
        self._blob = Blob(path)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="compress", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with open(self._source, "rb", buffering=0) as file:
                # A blob that the disk has changed would be pushed as what it no longer is.
                stream = Verifier(file, Digest.parse(self._expected))
                name = f"layer {self._expected[:19]}"
                for count, piece in compress(stream, self._kind, name=name, level=self._level):
                    self._blob.write(piece)
                    self._advance(count)
            self._blob.finish()
            self.digest, self.size = self._blob.digest, self._blob.size
        except OSError as error:
            self._error = ImageError(f"cannot compress {self._expected}: {error.strerror}")
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            self._error = error
        finally:
            self._blob.abandon()

    def read(self, start: int) -> Iterator[bytes]:
        """Yield what is there, and wait for more."""
        follower = self._blob.follow()
        try:
            follower.skip(start)
            while data := self._next(follower.read):
                yield data
        finally:
            follower.close()

    def _next(self, read: Callable[[int], bytes]) -> bytes:
        try:
            return read(CHUNK)
        except BaseException:
            self.settle()
            raise

    def settle(self) -> None:
        """Wait for the end. Raises what went wrong."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        """Make an end of it, from any thread."""
        self._blob.cancel()


class Kept:
    """A blob of the store."""

    def __init__(self, path: str, digest: str, size: int, advance: Callable[[int], None]) -> None:
        self.digest, self.size = digest, size
        self._path = path
        self._advance = advance

    def read(self, start: int) -> Iterator[bytes]:
        """Yield the content from an offset on. Raises ImageError."""
        try:
            with open(self._path, "rb", buffering=0) as file:
                file.seek(start)
                while data := file.read(CHUNK):
                    yield data
                    self._advance(len(data))
        except OSError as error:
            raise ImageError(f"cannot read blob {self.digest}: {error.strerror}") from error

    def settle(self) -> None:
        """It is there."""
