"""The directories behind a container's mounts, as they must be when it starts."""

from __future__ import annotations

import os
import stat

from rootless.errors import StoreError
from rootless.runtime.userns import removal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.record import Record
    from rootless.store.paths import Paths


def prepare(paths: Paths, record: Record, directory: str) -> None:
    """Make what is missing of the sources, and empty layers for the `:O` mounts.

    `-v` makes a missing directory and volumes come into being with their first use, all as the
    user; a file or socket that exists is left alone. What an earlier run has written above a
    `:O` mount is thrown away. Raises StoreError.
    """
    for volume in record["volumes"]:
        if volume["type"] == "volume":
            from rootless.volumes.collection import Volumes

            Volumes(paths).ensure(volume["name"], anonymous=volume["anonymous"])
        elif volume["make"] and not os.path.exists(volume["source"]):
            _make(volume["source"])
    layers = record["spec"]["rootless"]["overlay_binds"]
    if not layers:
        return
    try:
        removal.discard(paths, f"{directory}/overlay", f"{directory}/.gone-overlay")
        for layer in layers:
            _make(layer["upper"])
            _make(layer["work"])
            # What is mounted has the mode of the upper directory: it must be the source's.
            os.chmod(layer["upper"], stat.S_IMODE(os.stat(layer["source"]).st_mode))
    except OSError as error:
        raise StoreError(
            f"cannot prepare {directory}/overlay: {error.strerror}", "is the source still there?"
        ) from error


def _make(path: str) -> None:
    try:
        os.makedirs(path, 0o755, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make {path}: {error.strerror}", "make it yourself, or name another source"
        ) from error
