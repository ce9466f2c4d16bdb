"""Which builds are under way: each holds a lock, on a file in `builds/running`.

The file is older than all that its build makes or uses. So what was made and used before the
oldest of them is nobody's at present. The lock is shared by the children of a build: it is free
when the last of them has cleaned up.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os

from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.store.paths import Paths

_MAKING = ".new-"


class Living:
    """A build under way. A context manager; `id` begins the names of what is there for it alone."""

    def __init__(self, paths: Paths) -> None:
        self.id = f"{os.getpid()}-{os.urandom(4).hex()}"
        self._place = f"{_directory(paths)}/{self.id}"
        self._lock = -1
        self.left = False
        """Whether it leaves something behind, which the next build is to look after."""

    def __enter__(self) -> Living:
        os.makedirs(os.path.dirname(self._place), 0o700, exist_ok=True)
        above, _, name = self._place.rpartition("/")
        new = f"{above}/{_MAKING}{name}"
        self._lock = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        os.rename(new, self._place)  # nobody sees it without its lock
        return self

    def __exit__(self, *_: object) -> None:
        if not self.left:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._place)
        os.close(self._lock)


def _directory(paths: Paths) -> str:
    return f"{paths.builds}/running"


def is_alive(paths: Paths, build: str) -> bool:
    """Whether that build is under way."""
    try:
        held = records.lock(f"{_directory(paths)}/{build}", wait=False)
    except FileNotFoundError:
        return False
    if held is None:
        return True
    os.close(held)
    return False


def dead(paths: Paths) -> list[str]:
    """Return the builds that were killed, and after which nobody has cleaned up yet."""
    try:
        names = os.listdir(_directory(paths))
    except FileNotFoundError:
        return []
    return [name for name in names if name[:1] != "." and not is_alive(paths, name)]


def bury(paths: Paths, build: str) -> None:
    """Forget a dead build, of which nothing is left."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{_directory(paths)}/{build}")


def since(paths: Paths) -> float:
    """Return when the oldest build under way began (seconds since 1970); infinity for none."""
    oldest = math.inf
    try:
        names = os.listdir(_directory(paths))
    except FileNotFoundError:
        return oldest
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            began = os.stat(f"{_directory(paths)}/{name}").st_mtime
            if began < oldest and (name.startswith(_MAKING) or is_alive(paths, name)):
                oldest = began
    return oldest


@contextlib.contextmanager
def guarded(paths: Paths, *, alone: bool) -> Iterator[None]:
    """Hold the lock of the cache: `alone` to throw things away, with others to add some."""
    os.makedirs(paths.builds, 0o700, exist_ok=True)
    fd = os.open(f"{paths.builds}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)
