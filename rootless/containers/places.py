"""Where the containers of a store lie."""

from __future__ import annotations

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
        empty=lambda path: _empty(paths, path),
        absent="rootless ps -a lists what there is",
        damaged="rootless rm -f {id} removes it",
    )


def _empty(paths: Paths, path: str) -> None:
    from rootless.runtime.userns import removal  # listings remove nothing

    removal.empty(paths, path)
