"""How much containers take on the disk: imported only where that is asked for."""

from __future__ import annotations

import os

from rootless.runtime.tree.sizes import layer_size, tree_size, tree_sizes
from rootless.runtime.tree.tree import holds_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.container import Container
    from rootless.store.paths import Paths


def container_size(container: Container) -> tuple[int, int]:
    """Return the bytes of a container's own files, and those together with its image's."""
    written = tree_size(_written(container))
    return written, written + sum(map(layer_size, container.record["layers"]))


def written_sizes(paths: Paths, containers: list[Container]) -> list[int]:
    """Return the bytes of each container's own files; see tree_sizes."""
    return tree_sizes(paths, [_written(container) for container in containers])


def _written(container: Container) -> str:
    """Where a container's own files are; a root that was copied is its own as a whole."""
    merged = f"{container.directory}/rootfs"
    copied = os.path.isdir(merged) and holds_files(merged)
    return merged if copied else f"{container.directory}/upper"
