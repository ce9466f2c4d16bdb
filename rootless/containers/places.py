"""Where the containers of a store lie."""

from __future__ import annotations

from rootless.runtime.userns import removal
from rootless.store.objects import Objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths


def objects(paths: Paths) -> Objects:
    """Return the directories and names of the containers."""
    return Objects(
        paths.containers,
        "container",
        record="config.json",
        empty=lambda path: removal.empty(paths, path),
        absent="rootless ps -a lists what there is",
        damaged="rootless rm -f {id} removes it",
    )
