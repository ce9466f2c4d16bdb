"""Where builds keep their things in a store: `builds/`, apart from what users have made.

results/    by key, what came of a step (cache.results)
layers/     by chain id, links to the blobs of layers that results name (store.pins)
containers/ those in which RUN runs, which `ps` does not show
failed/     which images are what failed commands have left (leftovers)
hashes/     digests of files of contexts
scratch/    what builds have fetched and unpacked, as long as they run (scratch)
mounts/     what RUN --mount=type=cache keeps
veils/      layers that hide what an ignore file hides, while a command sees a context
held/       by build, links to the blobs of layers of images that it uses (holding)
running/    a locked file for each build under way (cache.living)
gone/       what is being thrown away
key         of the store, by which secrets count in keys (cache.keys)
size, lock  of the cache: what it takes, and who changes it
"""

from __future__ import annotations

import os

from rootless.oci.layout import sha256
from rootless.store.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.foreman import Foreman
    from rootless.images.trees.stack import Stack


def runtime_mark(root: str) -> str:
    """Return how names of builds of a store begin in the runtime directory, which has several's."""
    return f"build-{sha256(os.fsencode(root))[:8]}"


class Site(Paths):
    """The directories of a store for one build, and who works for it in the user namespace."""

    foreman: Foreman | None = None
    build = ""
    """The id of the build under way, with which the names begin of what is for it alone."""

    def lowers(self, stack: Stack) -> list[str]:
        """Return the directories of the unpacked layers of a stack, lowest first."""
        return [f"{self.layers}/{chain}/fs" for chain in stack.chains]

    def private(self) -> str:
        """Return a path in the runtime directory for a file of this build alone."""
        return f"{self.runtime}/{runtime_mark(self.root)}-{self.build}-{os.urandom(4).hex()}"


class BuildPaths(Site):
    """The same, with a room of their own for the containers of builds."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.root)
        self.foreman = site.foreman
        self.build = site.build
        self.containers = f"{self.builds}/containers"

    def prepare(self) -> None:
        """See Paths.prepare."""
        super().prepare()
        os.makedirs(self.containers, 0o700, exist_ok=True)
