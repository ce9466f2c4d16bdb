"""The image that a stage has become: its configuration, its manifest, its names."""

from __future__ import annotations

from rootless.build.layering import lend
from rootless.build.steps.telling import Telling
from rootless.images.making import Making
from rootless.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.crew import Line
    from rootless.images.making import Stack
    from rootless.store.paths import Paths


def name(
    line: Line,
    paths: Paths,
    stack: Stack,
    tags: list[str],
    document: dict[str, Any],
    docker: bool,
) -> str:
    """Put the image into the store; return the digest of its configuration."""
    names = [reference.name_to_give(tag) for tag in tags]
    with Making(paths, Telling(line), stack) as making:
        lend(paths, making, stack)
        return making.finish(names, document, docker=docker)
