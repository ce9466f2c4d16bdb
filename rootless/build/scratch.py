"""A directory for what one build fetches and unpacks, which goes with it.

Its maker holds a lock on it; what a dead build has left is known by a free one, and goes when the
next build needs a directory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from rootless.runtime.userns import removal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from rootless.store.paths import Paths

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Scratch:
    """The directory, made when something is first put there. A context manager."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._above = f"{paths.builds}/scratch"
        self._path = ""
        self._fd = -1
        self._count = 0

    def new(self) -> str:
        """Make a directory in it; return its path. Raises OSError."""
        if not self._path:
            self._make()
        self._count += 1
        path = f"{self._path}/{self._count}"
        os.mkdir(path, 0o700)
        return path

    def _make(self) -> None:
        self._paths.prepare()
        os.makedirs(self._above, 0o700, exist_ok=True)
        above = os.open(self._above, _OPEN)
        try:
            fcntl.flock(above, fcntl.LOCK_EX)
            for name in os.listdir(above):
                self._sweep(f"{self._above}/{name}")
            self._path = f"{self._above}/{os.getpid()}-{os.urandom(4).hex()}"
            os.mkdir(self._path, 0o700)
            self._fd = os.open(self._path, _OPEN)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        finally:
            os.close(above)

    def _sweep(self, path: str) -> None:
        with contextlib.suppress(OSError):
            fd = os.open(path, _OPEN)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                removal.empty(self._paths, path)
            finally:
                os.close(fd)

    def close(self) -> None:
        """Remove it. Raises StoreError for what stays."""
        if self._path:
            path, self._path = self._path, ""
            try:
                removal.empty(self._paths, path)
            finally:
                os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
