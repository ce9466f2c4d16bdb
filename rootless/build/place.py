"""Where builds keep their things in a store: `builds/`, apart from what users have made.

results/    by key, what came of a step (cache.results)
layers/     by chain id, links to the blobs of layers that results name (store.pins)
containers/ those in which RUN runs, which `ps` does not show
hashes/     digests of files of contexts
mounts/     what RUN --mount=type=cache keeps
"""

from __future__ import annotations

import os

from rootless.store.paths import Paths


class BuildPaths(Paths):
    """The directories of a store, with a room of their own for the containers of builds."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.containers = f"{self.builds}/containers"

    def prepare(self) -> None:
        """See Paths.prepare."""
        super().prepare()
        os.makedirs(self.containers, 0o700, exist_ok=True)
