"""Layers that are kept though no image has them: each has a link to its blob, by its chain id.

What the cache of builds needs has one in `builds/layers`. What a build under way has taken from
images has them in `builds/held/BUILD`, named CHAIN.DIGEST: an image may go meanwhile, and come
back with its layers compressed otherwise.
"""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths


def path(paths: Paths, chain: str) -> str:
    """Return the place of the link for a chain id."""
    return f"{paths.builds}/layers/{chain}"


def is_pinned(paths: Paths, chain: str) -> bool:
    """Whether the layer is kept for the cache."""
    return os.path.exists(path(paths, chain))


def held_by(paths: Paths, build: str) -> str:
    """Return the directory of what a build holds."""
    return f"{paths.builds}/held/{build}"


def held(paths: Paths) -> set[str]:
    """Return the chain ids of the layers that builds hold."""
    found: set[str] = set()
    with contextlib.suppress(FileNotFoundError):
        for build in os.listdir(held_by(paths, "")):
            with contextlib.suppress(FileNotFoundError):
                names = os.listdir(held_by(paths, build))
                found |= {name.partition(".")[0] for name in names}
    return found
