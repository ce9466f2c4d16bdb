"""A network that is there already: another container's, or a namespace with a name."""

from __future__ import annotations

import errno
import os

from rootless.errors import LaunchError
from rootless.linux import namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.tree.operations import Operation


class Joined:
    """See `kinds.Driver`."""

    own = False
    settings = None
    outside = None
    named = None
    home = -1
    """The user namespace that owns the network. It is another than that of our other containers
    where the network was made in another session, and only from inside it may be joined."""

    def __init__(self, path: str) -> None:
        """`path` is that of the namespace, as the supervisor sees it."""
        self._path = path

    def check(self) -> None:
        """Raise LaunchError for what is no network namespace, or not for us to open."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if namespaces.kind(fd) == namespaces.CLONE_NEWNET:
                    self.home = _home(fd)
                    return
                reason = "it is another kind of namespace"
            finally:
                os.close(fd)
        except OSError as error:
            reason = "it is none" if error.errno == errno.ENOTTY else os.strerror(error.errno or 0)
        raise LaunchError(f"cannot join the network namespace {self._path}: {reason}")

    def steps(self) -> list[Operation]:
        """See Driver: what there is to be done was done by whose it is."""
        return []


def _home(fd: int) -> int:
    """Return the user namespace that owns a network; -1 for our own, or one outside of that."""
    try:
        found = namespaces.home(fd)
    except OSError:
        return -1
    if os.fstat(found).st_ino == namespaces.identity("user"):
        os.close(found)
        return -1
    return found
