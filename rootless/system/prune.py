"""What nothing needs, removed: containers that have ended, volumes, images, leftovers.

Each step removes what it may, tells a teller of what it could not, and says what went.
"""

from __future__ import annotations

from rootless.build import leavings
from rootless.build.cache import pruning
from rootless.containers.filters import Filters
from rootless.containers.sizes import written_sizes
from rootless.containers.summary import listed
from rootless.errors import Error, UsageError
from rootless.images import partial
from rootless.images.filters import filtered
from rootless.runtime.tree.sizes import tree_sizes
from rootless.runtime.userns import removal
from rootless.system import leftovers
from rootless.system.usage import images_size
from rootless.system.volumes.users import Unused
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.engine import Engine
    from rootless.images.image import Image
    from rootless.teller import Teller

KEYS = ("until", "label", "label!")
"""The filters that a prune takes."""


class Gone:
    """What a step has removed."""

    def __init__(self, names: Iterable[str], freed: int) -> None:
        self.names = [*names]
        """Ids, names, paths; of images the lines of a removal."""
        self.freed = freed
        """Bytes."""


class Prune:
    """One prune. Each step can be done alone."""

    def __init__(self, engine: Engine, filters: Iterable[str] = (), teller: Teller = QUIET) -> None:
        """Raises UsageError for filters that a prune does not take."""
        self._engine = engine
        self._filters = [*filters]
        self._teller = teller
        for text in self._filters:
            key = text.partition("=")[0]
            if key not in KEYS:
                raise UsageError(f"invalid filter {key!r}", "one of " + ", ".join(KEYS))

    def containers(self) -> Gone:
        """Remove containers that do not run; their volumes stay.

        Working containers stay as well: none runs, while a script is in the middle of its work.
        """
        engine = self._engine
        filters = Filters(self._filters, engine.containers, engine.images)
        stopped = [one for one in listed(engine.containers.list()) if not one.state.active]
        kept = [one.container for one in filters.keep(stopped)]
        chosen = [one for one in kept if "working" not in one.record]
        gone, freed = [], 0
        for container, size in zip(chosen, written_sizes(engine.paths, chosen), strict=True):
            try:
                if not container.prune():
                    continue  # it has come to run, or somebody was faster
            except Error as error:
                self._teller.problem(error)
            else:
                gone.append(container.id)
                freed += size
        return Gone(gone, freed)

    def volumes(self, *, every: bool = False) -> Gone:
        """Remove the anonymous volumes that no container names, or `every` one."""
        try:
            unused = Unused(self._engine, self._filters, every=every, teller=self._teller)
            gone = unused.remove()
        except Error as error:
            self._teller.problem(error)
            return Gone([], 0)
        return Gone(gone, sum(gone.values()))

    def images(self, *, every: bool) -> Gone:
        """Remove images without a name, or `every` one that no container uses.

        And what is old of pulls that broke off; with `every` and without filters all of it.
        """
        engine = self._engine
        here = [image for image in engine.images.list() if not image.readonly]
        fit = filtered(engine.images, here, [*self._filters, "containers=false"])
        before = images_size(engine.paths, here)
        lines: list[str] = []
        for image in [image for image, _ in fit if every or not image.names]:
            lines += self._remove(image)
        left = [image for image in here if f"Deleted: sha256:{image.id}" not in lines]
        freed = before - images_size(engine.paths, left)
        age = 0 if every and not self._filters else partial.MAX_AGE
        freed += partial.sweep(engine.paths.images, age=age)
        if every and not self._filters:
            engine.images.drop_layers()
        return Gone(lines, freed)

    def build_cache(self, *, every: bool, kinds: Iterable[str] = ()) -> Gone:
        """Remove what the cache of builds holds, and what killed builds have left.

        Only what no image has, unless `every` layer; of `kinds`, if said. Filters about labels fit
        nothing there.
        """
        wish = pruning.Wish()
        wish.every = every
        wish.filters = [text for text in self._filters if text.startswith("until=")]
        wish.filters += [f"type={kind}" for kind in kinds]
        if len(self._filters) > len(wish.filters):
            return Gone([], 0)
        try:
            leavings.sweep(self._engine.paths)
            gone = pruning.prune(self._engine.paths, wish)
        except Error as error:
            self._teller.problem(error)
            return Gone([], 0)
        return Gone([one.id for one in gone], sum(one.size for one in gone if not one.shared))

    def leftovers(self) -> Gone:
        """Delete what removals have left."""
        paths = self._engine.paths
        left = leftovers.find(paths)
        gone, freed = [], 0
        for path, size in zip(left, tree_sizes(paths, left), strict=True):
            try:
                removal.empty(paths, path)
            except Error as error:
                self._teller.problem(error)
            else:
                gone.append(path)
                freed += size
        return Gone(gone, freed)

    def _remove(self, image: Image) -> list[str]:
        try:
            # Several names need force; without it a container made meanwhile keeps its image.
            return self._engine.images.remove([image.id], force=len(image.names) > 1)
        except Error as error:
            self._teller.problem(error)
            return []
