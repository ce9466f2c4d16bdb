"""`volume clone`: another volume with the same in it, by reflinks where they are possible."""

from __future__ import annotations

import os

from rootless.errors import Conflict
from rootless.oci.descent import OPEN
from rootless.runtime.tree.copying import copy_tree
from rootless.runtime.userns.worker import call
from rootless.system.volumes.still import own_place, still
from rootless.volumes.names import DATA, check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.engine import Engine
    from rootless.volumes.collection import Volume


def clone(engine: Engine, name: str, new: str = "", *, pause: bool = False) -> Volume:
    """Make a volume with what another one has; without a name it is anonymous.

    It has the labels of the first. Raises what `still` and `Volumes.create` raise.
    """
    volumes = engine.volumes
    if new and volumes.exists(check_name(new)):
        raise Conflict(f'the volume name "{new}" is already in use')
    with still(engine, name, pause=pause) as volume:
        source = own_place(volume)

        def fill(directory: str) -> None:
            call(engine.paths, _copy, source, f"{directory}/{DATA}")
            if os.path.exists(f"{volume.directory}/filled"):
                flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
                os.close(os.open(f"{directory}/filled", flags, 0o600))

        return volumes.create(new, labels=volume.labels, fill=fill)


def _copy(source: str, destination: str) -> None:
    """In the user namespace: copy the one into the other, which is made."""
    from rootless.linux.libc import check, libc

    old = os.open(source, OPEN)
    try:
        os.mkdir(destination, 0o700)
        new = os.open(destination, OPEN)
        try:
            copy_tree(old, new)
            check(libc.syncfs(new), "syncfs")
        finally:
            os.close(new)
    finally:
        os.close(old)
