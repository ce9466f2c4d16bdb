"""Writing an OCI image layout so that no crash and no neighbour damages it.

- Things in the making lie in a `Workspace`, a directory that its maker holds locked; what a dead
  maker left is recognised by its free lock and swept away by the next one.
- A blob is hashed while written and gets its name, its digest, only when complete and on disk.
- index.json is replaced, under the layout's lock, by a file that is on disk already.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
import time

from rootless.oci import jsonio
from rootless.oci.digest import CHUNK, Hasher
from rootless.oci.errors import DigestError, ImageError
from rootless.oci.layout import MAX_JSON, Layout
from rootless.oci.remove import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Document = dict[str, Any]

LAYOUT = "oci-layout"
RESERVE = ".reserve"
RESERVED = 1 << 16
LOCK = "lock"
"""In a workspace: the file that its maker holds locked."""

WORK = ".work-"
ORPHAN_AGE = 24 * 3600
"""Seconds after which a blob that nothing names is taken for a leaving."""

MARKER = b'{"imageLayoutVersion":"1.0.0"}'


def initialise(path: str) -> None:
    """Make the directory `path` an image layout; harmless where it is one already."""
    os.makedirs(f"{path}/blobs/sha256", exist_ok=True)
    if not is_there(path):
        _mark(path)
    if not os.path.exists(f"{path}/index.json"):
        with locked(path):
            if not os.path.exists(f"{path}/index.json"):
                sync_directory(f"{path}/blobs")
                write_index(path, Layout(path).index())


def _mark(path: str) -> None:
    """Make the file oci-layout. Never replaced: it is the lock as well."""
    temporary = f"{path}/{LAYOUT}.{os.getpid()}"
    try:
        with open(temporary, "wb") as file:
            file.write(MARKER)
            file.flush()
            os.fsync(file.fileno())
        # Not found: somebody else has the lock by now, and took it for a leaving.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(temporary, f"{path}/{LAYOUT}")
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def is_there(path: str) -> bool:
    """Whether there is a layout, and so something to lock."""
    return os.path.exists(f"{path}/{LAYOUT}")


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the layout's lock: whoever changes index.json or looks after leavings takes it.

    It is the file oci-layout, which every layout has and nobody replaces; a file and not the
    directory because flock(2) on NFS wants a descriptor that is open for writing.
    """
    fd = os.open(f"{path}/{LAYOUT}", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def write_index(path: str, document: Document) -> None:
    """Replace index.json; the caller holds the lock and read `document` under it.

    On a full disk the layout's reserve makes room, so that names can still be removed.
    Raises ImageError for one that nobody could read any more.
    """
    data = jsonio.dump_bytes(document)
    if len(data) > MAX_JSON:
        raise ImageError(f"{path}/index.json would be larger than 4 MiB", "remove images there")
    for left in temporaries(path):
        with contextlib.suppress(OSError):
            os.unlink(left)
    try:
        replace(f"{path}/index.json", data)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        try:
            os.unlink(f"{path}/{RESERVE}")
        except FileNotFoundError:
            raise error from None
        replace(f"{path}/index.json", data)


def temporaries(path: str) -> list[str]:
    """Return the half-written files of a layout whose lock the caller holds: their makers are dead.

    The index is written under the lock, and the layout's mark before there is one.
    """
    names = [name for name in os.listdir(path) if name.startswith(("index.json.", f"{LAYOUT}."))]
    return [f"{path}/{name}" for name in names]


def reserve(path: str) -> None:
    """Set some room aside for `write_index`, if it is not yet and there is any."""
    name = f"{path}/{RESERVE}"
    if not os.path.exists(name):
        with contextlib.suppress(OSError), open(name, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVED)


def unlink_orphans(path: str, needed: set[str]) -> None:
    """Remove old blobs of the layout `path` that are not `needed`: leavings of what was killed.

    Young ones may belong to a program that is about to name them in the index.
    """
    directory = f"{path}/blobs/sha256"
    for name in os.listdir(directory):
        if f"sha256:{name}" not in needed:
            with contextlib.suppress(OSError):
                blob = f"{directory}/{name}"
                if os.stat(blob).st_mtime < time.time() - ORPHAN_AGE:
                    os.unlink(blob)


def replace(path: str, data: bytes, *, private: bool = False) -> None:
    """Put a file with `data` in the place of `path`, whole or not at all, durably.

    A `private` one is for nobody else to read.
    """
    temporary = f"{path}.{os.getpid()}.{threading.get_native_id()}"
    try:
        with open(temporary, "wb") as file:
            if private:
                os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(os.path.dirname(path))


def sync_directory(path: str) -> None:
    """Bring the names in a directory to disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Workspace:
    """A locked directory for things in the making, inside `parent`. A context manager.

    Made and swept under the lock of `layout`, so that one without a lock of its own is a dead
    one. `sweep(path)` removes a dead one and, at the end, this one; by default a plain removal.
    """

    def __init__(
        self, layout: str, parent: str, sweep: Callable[[str], None] | None = None
    ) -> None:
        self._sweep = sweep or remove_tree
        self.path = f"{parent}/{WORK}{os.getpid()}-{os.urandom(4).hex()}"
        with locked(layout):
            dead = [f"{parent}/{name}" for name in os.listdir(parent) if name.startswith(WORK)]
            dead = [path for path in dead if not is_alive(path)]
            os.mkdir(self.path, 0o700)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._lock = os.open(f"{self.path}/{LOCK}", flags, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            for path in dead:
                # Two sweepers would trip over each other: what is swept moves into our own.
                with contextlib.suppress(OSError):
                    os.rename(path, f"{self.path}/{os.path.basename(path)}")
        self._count = 0

    def new(self) -> str:
        """A path in the workspace that nothing has yet."""
        self._count += 1
        return f"{self.path}/{self._count}"

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(FileNotFoundError):
            if set(os.listdir(self.path)) == {LOCK}:
                os.unlink(f"{self.path}/{LOCK}")
                os.rmdir(self.path)
            else:
                self._sweep(self.path)
        os.close(self._lock)


def is_alive(path: str) -> bool:
    """Whether the maker of a workspace still lives: it holds the lock."""
    try:
        fd = os.open(f"{path}/{LOCK}", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


class Blob:
    """A blob in the making: written by one thread, followed by another while it grows.

    With `expected` and `size` given, content that differs raises DigestError: a surplus at once,
    the rest in `finish`. `publish` gives it its name in the layout.
    """

    def __init__(self, path: str, *, expected: str = "", size: int = -1) -> None:
        self.path = path
        self.verified = not expected.startswith("sha512:")
        """Whether `digest` will be the sha256 of what followers read."""
        self.digest = ""
        self.expected = expected
        """Its digest, as promised; empty for none."""
        self._promised = size
        self.size = 0
        self._hasher = Hasher(self.expected.partition(":")[0] or "sha256", size)
        self._fd = self._open(path)
        self._grown = threading.Condition()
        self._ended = self._failed = False

    def _open(self, path: str) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`."""
        if self._failed:
            raise DigestError(f"blob {self.expected} was given up")
        if 0 <= self._promised < self.size + len(data):
            raise DigestError(f"blob {self.expected} is larger than its {self._promised} bytes")
        self._hasher.update(data)
        self._put(data)
        with self._grown:
            self.size += len(data)
            self._grown.notify_all()

    def _put(self, data: bytes | memoryview) -> None:
        """Write all of it; a subclass may leave holes."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def finish(self) -> Blob:
        """Check and close the content; the followers see its end.

        Raises DigestError where it is not what was promised.
        """
        self.digest = self._hasher.digest
        problem = ""
        if 0 <= self._promised != self.size:
            problem = f"blob {self.expected} has {self.size} bytes, not {self._promised}"
        elif self.expected and self.digest != self.expected:
            problem = f"blob {self.expected} has the digest {self.digest}"
        self._end(failed=bool(problem))
        if problem:
            hint = "the file or the transfer is damaged; nothing of it was kept"
            raise DigestError(problem, hint)
        return self

    def abandon(self) -> None:
        """Give up, in the thread that writes: followers see a failure. Harmless after `finish`."""
        if not self._ended:
            self._end(failed=True)

    def cancel(self) -> None:
        """Give up, in any thread: the next write fails. The descriptor stays its writer's."""
        with self._grown:
            if not self._ended:
                self._failed = True
                self._grown.notify_all()

    def _end(self, *, failed: bool) -> None:
        os.close(self._fd)
        with self._grown:
            self._ended, self._failed = True, failed
            self._grown.notify_all()

    def wait(self, offset: int) -> int:
        """Return how many bytes there are behind `offset`, waiting for some; 0 at the end.

        Raises DigestError where the content turned out to be bad or was given up.
        """
        with self._grown:
            while self.size <= offset and not (self._ended or self._failed):
                self._grown.wait()
            if self._failed:
                raise DigestError(f"blob {self.expected or self.path} is incomplete")
            return self.size - offset

    def follow(self) -> Follower:
        """A reader of the content, from its beginning; to be closed."""
        return Follower(self)

    def sync(self) -> None:
        """Bring the content to disk, so that `publish` under a lock takes no time."""
        with open(self.path, "rb") as file:
            os.fsync(file.fileno())

    def publish(self, layout: Layout) -> None:
        """Bring the finished blob to disk under its digest. Its directory is not synced yet."""
        target = layout.blob_path(self.digest)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        self.publish_as(target)

    def publish_as(self, target: str) -> None:
        """Bring the finished blob to disk under a name in the same file system."""
        self.sync()
        os.rename(self.path, target)
        self.path = target


class Stored(Blob):
    """A blob of a layout as one to be followed: complete from the beginning, but not verified."""

    def __init__(self, path: str, digest: str) -> None:
        self.path = path
        self.verified = False
        try:
            self.size = os.stat(path).st_size
        except OSError as error:
            raise ImageError(f"cannot read blob {digest}: {error.strerror}") from error
        self.digest = self.expected = digest
        self._grown = threading.Condition()
        self._ended, self._failed = True, False


class Follower:
    """Reads a blob while it grows. It has a descriptor of its own, so the blob's may be closed."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._fd = os.open(blob.path, os.O_RDONLY | os.O_CLOEXEC)
        self._offset = 0

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._fd)

    def skip(self, offset: int) -> None:
        """Go on from an offset."""
        self._offset = offset

    def read(self, size: int = CHUNK, /) -> bytes:
        """At most `size` bytes, waiting for them; empty at the end."""
        data = os.pread(self._fd, min(size, self._blob.wait(self._offset)), self._offset)
        self._offset += len(data)
        return data

    def splice(self, pipe: int) -> int:
        """Move bytes into a pipe without copying them; return how many, 0 at the end."""
        count = self._blob.wait(self._offset)
        if not count:
            return 0
        moved = os.splice(self._fd, pipe, min(count, CHUNK), offset_src=self._offset)
        self._offset += moved
        return moved
