"""Results of imported caches, whose layers are brought when something needs their files."""

from __future__ import annotations

from rootless.build.carriers.imports import Cache
from rootless.build.course.order import Again
from rootless.build.watching import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from rootless.build.carriers.bringing import Bringing
    from rootless.build.course.common import Build
    from rootless.build.course.order import Work
    from rootless.images.trees.stack import Stack


class Lazily:
    """What one build imports."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._imports = build.imports
        self._watcher = build.watcher

    def load(self) -> None:
        """Read the documents of the caches; one that cannot be read is a warning."""
        carriers = self._build.request.caching.sources
        if not carriers or not self._build.request.use_cache:
            return
        from rootless.build.carriers.opening import load

        for carrier in carriers:
            step = Step(f"importing cache manifest from {carrier}")
            self._watcher.begin(step)
            how = (self._build.access, carrier, self._build.request.platform)
            document = self._build.order.last(step, load, *how)
            if "error" in document:
                self._warn(step, f"nothing is imported from {carrier}: {document['error']}")
            else:
                self._imports.caches.append(Cache(carrier, document))
            self._watcher.end(step, cached=False, error="")

    def bring(self, step: Step, stack: Stack) -> Generator[Work | Any, Any, None]:
        """Have the layers of a stack here, before somebody looks into them. Raises Again."""
        wanted = self._wanted(stack)
        if wanted is not None:
            from rootless.build.carriers.bringing import bring

            self._take(step, wanted, (yield self._build.order.work(step, bring, wanted)))

    def bring_at_last(self, step: Step, stack: Stack) -> None:
        """Do the same when all stages have ended."""
        wanted = self._wanted(stack)
        if wanted is not None:
            from rootless.build.carriers.bringing import bring

            self._take(step, wanted, self._build.order.last(step, bring, wanted))

    def _wanted(self, stack: Stack) -> Bringing | None:
        """Return what is to be brought. Raises Again where it is to be had nowhere."""
        owed = self._imports.owed(stack)
        if not owed:
            return None
        from rootless.build.carriers.bringing import Bringing

        places = {number: self._imports.places(stack.diff_ids[number]) for number in owed}
        lost = [stack.chains[number] for number, found in places.items() if not found]
        for chain in lost:
            if not self._imports.is_here(chain):
                self._imports.lose(chain)
        if lost:
            raise Again
        return Bringing(stack, places, self._build.access)

    def _take(self, step: Step, wanted: Bringing, value: Any) -> None:
        for chain in value["chains"]:
            for key, result, below in self._imports.brought(chain):
                self._build.results.put(key, result, below)
        if value["failed"]:
            places = wanted.places[value["number"]]
            for place, text in value["failed"]:
                carrier = places[place][0]
                self._imports.drop(carrier)
                self._warn(step, f"nothing more is imported from {carrier}: {text}")
            raise Again

    def _warn(self, step: Step, text: str) -> None:
        self._watcher.hear(step, {"do": "warning", "text": text})
