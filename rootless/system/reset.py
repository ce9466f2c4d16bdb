"""Deleting the whole store: only what carries our marker, and never more than was listed.

A store can lie anywhere that --root names, so a mistake here would cost somebody his home. What is
deleted is what we know by name; what else lies in the directory stays, and the directory with it.
"""

from __future__ import annotations

import contextlib
import os

from rootless.build import leavings
from rootless.errors import Conflict, NotFound, StoreError, named
from rootless.images.trees import shown
from rootless.oci.remove import remove_tree
from rootless.runtime.tree.sizes import tree_sizes
from rootless.runtime.userns import removal
from rootless.store import events
from rootless.store.paths import MARKER, RESET, home
from rootless.system import leftovers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.engine import Engine

_OURS = (
    *("containers", "images", "layers", "skeletons", "artifacts", "volumes", "builds"),
    *("seccomp", "driver"),
    *(events.FILE, events.OLDER),
)
_RUNTIME = "run"
"""The runtime directory, where it is in the store (`Paths.runtime`): the removal of all else needs
it, so it goes last."""


class Reset:
    """What a reset would delete; `carry_out` does it."""

    def __init__(self, engine: Engine) -> None:
        """Raises StoreError for a directory that must not be touched, NotFound for none."""
        self._engine = engine
        self._paths = engine.paths
        _check(self._paths.root)
        there = [f"{self._paths.root}/{name}" for name in _OURS]
        self._left = leftovers.of_resets(self._paths)
        self.paths = [path for path in (*there, *self._left) if os.path.lexists(path)]
        """What is deleted, without the marker, which goes last."""
        self.sizes = dict(zip(self.paths, tree_sizes(self._paths, self.paths), strict=True))
        containers = engine.containers.list()
        self.running = [one.name for one in containers if one.state().active]
        """Containers that are killed."""
        known = {MARKER, _RUNTIME, *_OURS, *map(os.path.basename, self._left)}
        self.foreign = sorted(set(os.listdir(self._paths.root)) - known)
        """What is not ours, and stays."""

    def carry_out(self, *, force: bool) -> None:
        """Delete it. Raises Conflict while containers run, unless `force`."""
        if self.running and not force:
            raise Conflict(
                f"containers are running: {', '.join(self.running)}",
                f"stop them first, or use {named('force')}",
            )
        self._remove_containers()
        for image in shown.ids(self._paths, "image"):
            if self._engine.images.exists(image):  # it may be another store's
                shown.forget(self._paths, "image", image)
        root = self._paths.root
        _check(root)  # it has taken a while
        self._mark()
        for path in self._left:  # first: what goes now takes their names
            removal.empty(self._paths, path)
        for path in self.paths:
            if os.path.isdir(path) and not os.path.islink(path):
                removal.discard(self._paths, path, f"{root}/.gone-{os.path.basename(path)}")
            elif os.path.lexists(path):
                os.unlink(path)
        remove_tree(f"{root}/{_RUNTIME}")
        os.unlink(f"{root}/{MARKER}")
        try:
            os.rmdir(root)
        except OSError:
            pass  # it holds something else

    def _mark(self) -> None:
        """Say that there is no whole store any more: one without its directories is of no use.

        On a disk that takes nothing, the removal is what makes room.
        """
        with contextlib.suppress(OSError):
            self._paths.mark(RESET)

    def _remove_containers(self) -> None:
        """End and remove all of them, those with damaged records as well."""
        leavings.sweep(self._paths)
        containers = self._engine.containers
        for container in containers.ids():
            try:
                containers.remove(container, force=True, volumes=True, depend=True)
            except NotFound:
                pass  # somebody else was faster


def _check(root: str) -> None:
    """Refuse what is no store of ours, or is much more than that."""
    if not os.path.isdir(root):
        raise NotFound(f"there is no store at {root}")
    if not os.path.isfile(f"{root}/{MARKER}"):
        raise StoreError(
            f"{root} does not bear the mark of a store ({MARKER}): nothing was deleted"
        )
    real = os.path.realpath(root)
    own = os.path.realpath(home())
    here = os.path.realpath(os.getcwd())
    for wrong, what in (
        (os.path.islink(root), "a symbolic link"),
        (own == real or own.startswith(real + "/"), "your home, or above it"),
        (here == real or here.startswith(real + "/"), "the current directory, or above it"),
        (_mounts(real), "a mount point, or holds one"),
        (real == "/", "the root directory"),
    ):
        if wrong:
            raise StoreError(f"the store {root} is {what}: nothing was deleted")


def _mounts(real: str) -> bool:
    """Whether something is mounted at or below a directory (proc(5), mountinfo)."""
    with open("/proc/self/mountinfo", "rb") as file:
        points = [line.split(b" ")[4] for line in file]
    for octal in (b"\\040", b"\\011", b"\\012", b"\\134"):
        points = [point.replace(octal, bytes((int(octal[1:], 8),))) for point in points]
    own = os.fsencode(real)
    shows = os.fsencode(f"{real}/{_RUNTIME}/")  # ours: a reset ends them
    return any(
        point == own or (point.startswith(own + b"/") and not point.startswith(shows))
        for point in points
    )
