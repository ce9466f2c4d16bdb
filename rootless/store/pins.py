"""Layers that are kept though no image has them: each has a link to its blob, by its chain id."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths


def path(paths: Paths, chain: str) -> str:
    """Return the place of the link for a chain id."""
    return f"{paths.builds}/layers/{chain}"


def is_pinned(paths: Paths, chain: str) -> bool:
    """Whether the layer is kept."""
    return os.path.exists(path(paths, chain))
