"""Where large things lie for a while.

By hand: to import tempfile takes as long as a small load.
"""

from __future__ import annotations

import contextlib
import errno
import os

from rootless.oci.errors import Error
from rootless.oci.remove import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def place() -> str:
    """Return the directory for them: $TMPDIR or /var/tmp, as for podman.

    /tmp is often in memory.
    """
    return os.environ.get("TMPDIR") or "/var/tmp"  # noqa: S108 - nothing in it has a known name


def directory() -> str:
    """Make a directory for nobody else; its maker removes it. Raises Error."""
    path = _new_name()
    with _blamed():
        os.mkdir(path, 0o700)
    return path


def remove(path: str) -> None:
    """Remove such a directory; what cannot be removed stays, for the work itself is done."""
    with contextlib.suppress(OSError):
        remove_tree(path)


def file() -> int:
    """Return the descriptor of a new file that has no name. Raises Error."""
    with _blamed():
        return _file()


@contextlib.contextmanager
def _blamed() -> Iterator[None]:
    """Tell an error as that of this place: whoever asked would tell it of his own."""
    try:
        yield
    except OSError as error:
        raise Error(
            f"cannot make temporary files in {place()}: {error.strerror}",
            "TMPDIR names the directory for them",
        ) from error


def _file() -> int:
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(place(), flags | os.O_TMPFILE, 0o600)
    except OSError as error:
        # EISDIR says a kernel, the others a file system that has no such files (open(2)).
        if error.errno not in (errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL):
            raise
    return _unlinked(flags)


def _unlinked(flags: int) -> int:
    path = _new_name()
    fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(path)
    return fd


def _new_name() -> str:
    return f"{place()}/rootless-{os.urandom(8).hex()}"
