"""Blobs of a pull that broke off: they stay, and the next pull goes on where they end.

A partial blob lies in `partial/` of the layout under a name made of its digest, and is locked by
whoever downloads it. Its content counts for nothing before its digest is right: after a power cut
it may hold anything. So going on means to hash what is there, at a gigabyte or two a second, and
a result that is wrong is thrown away. A finished one stays there, locked, until the image is
whole: a kill just before that costs nothing either.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from rootless.oci.blobs import Blob
from rootless.oci.digest import CHUNK
from rootless.oci.errors import DigestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.oci.layout import Layout

DIRECTORY = "partial"
MAX_AGE = 7 * 24 * 3600
"""Seconds after its last byte when a partial blob is given up."""


class InUse(Exception):
    """Somebody else is downloading the same blob."""


class PartialBlob(Blob):
    """A blob whose beginning may be there already; `start` bytes of it are."""

    def __init__(self, layout: str, digest: str, size: int) -> None:
        """Raises InUse, OSError."""
        directory = f"{layout}/{DIRECTORY}"
        os.makedirs(directory, 0o700, exist_ok=True)
        self._lock = _claim(f"{directory}/{digest.replace(':', '-')}")
        super().__init__(f"{directory}/{digest.replace(':', '-')}", expected=digest, size=size)
        self.start = self._go_on()

    def _open(self, path: str) -> int:
        return os.dup(self._lock)

    def _go_on(self) -> int:
        """Take what is there for the beginning; return how much it is."""
        if os.fstat(self._fd).st_size > self._promised:
            os.ftruncate(self._fd, 0)
        while data := os.read(self._fd, CHUNK):
            self._hasher.update(data)
            self.size += len(data)
        return self.size

    def discard(self) -> None:
        """Remove it: its content is bad, or the disk is full. Harmless when repeated."""
        if self._lock >= 0:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            self.release()

    def finish(self) -> Blob:
        """Check and close the content, which is thrown away where it is bad (DigestError)."""
        try:
            return super().finish()
        except DigestError:
            self.discard()
            raise

    def publish(self, layout: Layout) -> None:
        """Bring the finished blob to disk under its digest."""
        super().publish(layout)
        self.release()

    def release(self) -> None:
        """Leave it for the next pull."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _claim(path: str) -> int:
    """Open and lock a partial blob. Raises InUse."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have published it in between: then the name means another file.
            if os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        except FileNotFoundError:
            pass
        except BlockingIOError:
            os.close(fd)
            raise InUse from None
        os.close(fd)


def sweep(layout: str, *, age: float = MAX_AGE) -> int:
    """Remove partial blobs that nobody has written to for `age` seconds; return their bytes."""
    freed = 0
    try:
        names = os.listdir(f"{layout}/{DIRECTORY}")
    except FileNotFoundError:
        return 0
    for name in names:
        path = f"{layout}/{DIRECTORY}/{name}"
        with contextlib.suppress(OSError, InUse):
            if os.stat(path).st_mtime > time.time() - age:
                continue
            fd = _claim(path)
            freed += os.fstat(fd).st_blocks * 512
            os.unlink(path)
            os.close(fd)
    return freed
