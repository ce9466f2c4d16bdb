"""Uploads under way: each a blob in the making, with a name that cannot be guessed.

They live as long as the server: after its end a client begins anew (the specification lets an
upload expire at any time), and their files are swept with the workspace. They are bounded: one
that nobody touched for an hour goes, and where there are too many, the one that was idle for
longest. Nobody has more than a share of them, and who has most makes room for who has none.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter

from rootless.registry.refusal import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless.oci.blobs import Blob

MOST = 256
"""Uploads at once; each holds a descriptor."""

SHARE = 64
"""Uploads at once of one peer."""

LONGEST = 3600.0
"""Seconds after which an idle upload is given up."""

SPARED = 60.0
"""Seconds for which an idle upload does not make room for another."""


class Upload:
    """One upload; `lock` is held by whoever is at it."""

    def __init__(self, name: str, peer: str, blob: Blob) -> None:
        self.id = os.urandom(16).hex()
        self.name = name
        self.peer = peer
        self.blob = blob
        self._path = blob.path
        self.lock = threading.Lock()
        self.used = time.monotonic()

    @property
    def location(self) -> str:
        """Where it goes on: a path, so that it does not matter how the client reaches us."""
        return f"/v2/{self.name}/blobs/uploads/{self.id}"

    @property
    def range(self) -> str:
        """What is here, as the specification writes it: `0-` and the last byte's number."""
        return f"0-{max(0, self.blob.size - 1)}"

    def drop(self) -> None:
        """Delete what was sent, in the thread that is at it. Harmless where it was published."""
        self.blob.abandon()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


class Uploads:
    """All uploads of one server."""

    def __init__(self, new: Callable[[], Blob]) -> None:
        self._new = new
        self._lock = threading.Lock()
        self._open: dict[str, Upload] = {}

    def begin(self, name: str, peer: str = "") -> Upload:
        """Begin one of a peer's. Raises Refusal 429 where there are too many."""
        with self._lock:
            now = time.monotonic()
            self._expire(now)
            own = [upload for upload in self._open.values() if upload.peer == peer]
            full = len(own) >= SHARE and not self._drop_idlest(own, now)
            if not full and len(self._open) >= MOST:
                every = list(self._open.values())
                room = self._drop_idlest(every, now) or (not own and self._drop_of_most(every))
                full = not room
            if full:
                raise Refusal(
                    429, "TOOMANYREQUESTS", "too many uploads at once", {"Retry-After": "5"}
                )
            upload = Upload(name, peer, self._new())
            self._open[upload.id] = upload
            return upload

    @contextlib.contextmanager
    def using(self, name: str, upload_id: str) -> Iterator[Upload]:
        """Have the upload for oneself. Raises Refusal where it is unknown or in use."""
        upload = self._open.get(upload_id)
        if upload is None or upload.name != name:
            raise Refusal(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload: begin it again")
        if not upload.lock.acquire(blocking=False):
            raise Refusal(409, "BLOB_UPLOAD_INVALID", "somebody else is sending to this upload")
        try:
            if self._open.get(upload_id) is not upload:
                raise Refusal(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload any more")
            upload.used = time.monotonic()
            yield upload
            upload.used = time.monotonic()
        finally:
            upload.lock.release()

    def end(self, upload: Upload) -> None:
        """Forget an upload that is `using`, and delete what is not published of it."""
        self._open.pop(upload.id, None)
        upload.drop()

    def expire(self) -> None:
        """Give up what nobody has touched for long."""
        with self._lock:
            self._expire(time.monotonic())

    def _expire(self, now: float) -> None:
        for upload in list(self._open.values()):
            if now - upload.used > LONGEST:
                self._drop(upload)

    def _drop_idlest(self, of: list[Upload], now: float) -> bool:
        """Make room. False where all are in use, or were a moment ago."""
        idle = sorted(of, key=lambda upload: upload.used)
        return any(now - upload.used > SPARED and self._drop(upload) for upload in idle)

    def _drop_of_most(self, every: list[Upload]) -> bool:
        """Make room for somebody who has none, at the cost of who has most."""
        counts = Counter(upload.peer for upload in every)
        ((most, count),) = counts.most_common(1)
        idle = sorted(every, key=lambda upload: upload.used)
        return count > 1 and any(upload.peer == most and self._drop(upload) for upload in idle)

    def _drop(self, upload: Upload) -> bool:
        if not upload.lock.acquire(blocking=False):
            return False
        try:
            self.end(upload)
        finally:
            upload.lock.release()
        return True
