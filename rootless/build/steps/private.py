"""Files for one command of a build, in the runtime directory: secrets, and programs of heredocs."""

from __future__ import annotations

import contextlib
import os

from rootless.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.build.place import Site


@contextlib.contextmanager
def private_file(paths: Site, data: bytes) -> Iterator[str]:
    """Yield the path of a file with these bytes, which nobody else may read, and remove it.

    Raises StoreError, which names the directory: it is often small.
    """
    path = paths.private()
    try:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with open(os.open(path, flags, 0o600), "wb") as file:
                file.write(data)
        except OSError as error:
            hint = "make room there, or take less than its disk or memory has"
            message = f"cannot write to the runtime directory {paths.runtime}: {error.strerror}"
            raise StoreError(message, hint) from error
        yield path
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
