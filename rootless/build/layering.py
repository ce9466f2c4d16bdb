"""What a step has made -> a layer of the store, pinned for the cache."""

from __future__ import annotations

import os

from rootless.build.cache import room
from rootless.build.cache.living import guarded
from rootless.build.cache.results import Result
from rootless.build.holding import link_of
from rootless.images.making import Making
from rootless.store import pins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.build.place import Site
    from rootless.images.trees.stack import Stack
    from rootless.teller import Teller


def layer(paths: Site, stack: Stack, teller: Teller, fill: Callable[[Making], bool]) -> Result:
    """Return the result of a step upon `stack`: `fill` adds its layer, and says if there is one.

    Raises what adding raises, StoreError.
    """
    os.makedirs(f"{paths.builds}/layers", 0o700, exist_ok=True)
    room.make(paths)
    with Making(paths, teller, stack, foreman=paths.foreman) as making:
        lend(paths, making, stack)
        if not fill(making):
            return Result(None)
        top = making.stack
        with guarded(paths, alone=False):
            making.place(pins.path(paths, top.chains[-1]))
    # Not before: throwing things away needs a fork, and there are threads until here.
    room.make(paths, int(top.parts[-1]["size"]))
    return Result({**top.parts[-1], "diffID": top.diff_ids[-1]})


def lend(paths: Site, making: Making, stack: Stack) -> None:
    """Let an image in the making have the layers of its stack that are pinned, or held."""
    for chain, part in zip(stack.chains, stack.parts, strict=True):
        digest = str(part["digest"])
        held = link_of(paths, chain, digest)
        if os.path.exists(held):
            making.lend(digest, held)  # its image may be removed at any moment
        elif pins.is_pinned(paths, chain):
            making.lend(digest, pins.path(paths, chain))
