"""Digests: the names of content, and streams that prove them.

The form is `algorithm:hex` (OCI image-spec 1.1, descriptor.md). Both registered algorithms,
sha256 and sha512, are read; what we make ourselves is sha256. hashlib is imported where something
is hashed, not here: commands that only read names do without it.
"""

from __future__ import annotations

from rootless.oci.errors import DigestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Readable(Protocol):
        """What a byte stream has to offer."""

        def read(self, size: int, /) -> bytes:
            """At most `size` bytes, empty at the end."""
            ...


LENGTHS = {"sha256": 64, "sha512": 128}
"""Hex digits of each algorithm that is understood."""

CHUNK = 1 << 20
"""Size of the pieces in which streams are read; hashlib releases the GIL for pieces like these."""

_SMALL = 1 << 18
"""Bytes up to which the interpreter's own SHA-256 is done before OpenSSL's is loaded."""

_HEX = frozenset("0123456789abcdef")


class Digest(str):
    """A digest such as `sha256:e3b0…`: a string that was checked when it was made.

    Being a str it compares, hashes and serialises as one.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Return `text` as a digest. Raises DigestError when it is none of a known algorithm.

        The check also keeps `/` and `..` out of paths that are built from digests.
        """
        algorithm, colon, digits = text.partition(":")
        if not colon:
            raise DigestError(f"{text[:100]!r} is no digest: no algorithm before a colon")
        if algorithm not in LENGTHS:
            raise DigestError(f"digest {text[:100]!r}: the algorithm is not sha256 or sha512")
        if len(digits) != LENGTHS[algorithm] or not _HEX.issuperset(digits):
            raise DigestError(
                f"digest {text[:150]!r}: not {LENGTHS[algorithm]} lower-case hex digits"
            )
        return cls(text)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The sha256 digest of `data`, a document."""
        from rootless.oci.layout import sha256

        return cls(f"sha256:{sha256(data)}")

    @property
    def algorithm(self) -> str:
        """`sha256` or `sha512`."""
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        """The digits after the colon."""
        return self.partition(":")[2]

    @property
    def path(self) -> str:
        """Where an OCI layout keeps this blob: `blobs/sha256/…` (image-layout.md)."""
        return f"blobs/{self.algorithm}/{self.hex}"


class Hasher:
    """Hashes what passes by and counts its bytes."""

    def __init__(self, algorithm: str = "sha256", size: int = -1) -> None:
        """`size` is how many bytes are to come, where that is known."""
        from rootless.oci.layout import own_sha256

        if algorithm == "sha256" and 0 <= size <= _SMALL:
            self._hash = own_sha256()(b"")
        else:
            import hashlib

            self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._algorithm = algorithm
        self.update = self._hash.update

    @property
    def digest(self) -> Digest:
        """The digest of everything so far."""
        return Digest(f"{self._algorithm}:{self._hash.hexdigest()}")


class Verifier:
    """A readable stream that proves its digest, and its size where it is known, at its end.

    The last `read` (the one that returns nothing) raises DigestError when the content was another,
    so only what was read to the end may be used. A stream longer than `size` is refused as soon as
    it is, before its surplus is handed out.
    """

    def __init__(self, stream: Readable, digest: Digest, size: int = -1) -> None:
        self._stream = stream
        self._expected = digest
        self._size = size
        self._hasher = Hasher(digest.algorithm, size)
        self._count = 0

    def read(self, size: int = CHUNK, /) -> bytes:
        """At most `size` bytes; empty at the verified end."""
        data = self._stream.read(size)
        if data:
            self._count += len(data)
            if self._count > self._size >= 0:
                raise DigestError(
                    f"{self._expected}: content is longer than its {self._size} bytes"
                )
            self._hasher.update(data)
        elif size:
            self._finish()
        return data

    def _finish(self) -> None:
        actual = self._hasher.digest
        if actual != self._expected:
            raise DigestError(
                f"content of {self._expected} has digest {actual} after {self._count} bytes",
                "the file is damaged or was cut short: load or pull the image again",
            )
        if self._count != self._size >= 0:
            raise DigestError(
                f"{self._expected}: content has {self._count}, not {self._size} bytes"
            )


class ThreadedHasher:
    """A Hasher that works in a thread of its own, so that decompressing goes on meanwhile.

    At most eight pieces wait for it. `digest` ends the thread and must be called, or `close`.
    """

    def __init__(self, algorithm: str = "sha256") -> None:
        import queue
        import threading

        self._hasher = Hasher(algorithm)
        self._pieces: queue.Queue[bytes | None] = queue.Queue(8)
        self._thread = threading.Thread(target=self._run, name="hash", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._hasher.update(piece)

    def update(self, data: bytes) -> None:
        """Hash `data`, which must not change."""
        self._pieces.put(data)

    def close(self) -> None:
        """End the thread after what it was given."""
        if self._thread.is_alive():
            self._pieces.put(None)
            self._thread.join()

    @property
    def digest(self) -> Digest:
        """The digest of everything so far; nothing can be added afterwards."""
        self.close()
        return self._hasher.digest
