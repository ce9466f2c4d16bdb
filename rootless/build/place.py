"""Where builds keep their things in a store: `builds/`, apart from what users have made.

results/    by key, what came of a step (cache.results)
layers/     by chain id, links to the blobs of layers that results name (store.pins)
containers/ those in which RUN runs, which `ps` does not show
failed/     which images are what failed commands have left (leftovers)
hashes/     digests of files of contexts
mounts/     what RUN --mount=type=cache keeps
"""

from __future__ import annotations

import os

from rootless.store.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.foreman import Foreman


class Site(Paths):
    """The directories of a store for one build, and who works for it in the user namespace."""

    foreman: Foreman | None = None


class BuildPaths(Site):
    """The same, with a room of their own for the containers of builds."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.root)
        self.foreman = site.foreman
        self.containers = f"{self.builds}/containers"

    def prepare(self) -> None:
        """See Paths.prepare."""
        super().prepare()
        os.makedirs(self.containers, 0o700, exist_ok=True)
