"""The results of other stores, as far as they are of use: taken by their keys, fetched if needed.

A result that is found counts as it is, with a layer that is not here. What needs that layer's
files (a command that has to run upon it, a digest of its files that is not known, the image) has it
brought first (`bringing`). Where that fails the cache does not count any more, and the build begins
again with what it has by then: `Again`.
"""

from __future__ import annotations

from rootless.build.cache.results import Result, Results
from rootless.images import durability
from rootless.oci.layout import OCI_LAYER
from rootless.store import pins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.carriers.collected import Collected
    from rootless.build.carriers.wishes import Carrier
    from rootless.images.trees.stack import Stack
    from rootless.store.paths import Paths

    Document = dict[str, Any]
    Taken = tuple[str, Result, Stack]


class Cache:
    """One cache that was read."""

    def __init__(self, carrier: Carrier, document: Document) -> None:
        self.carrier = carrier
        self.layers: dict[str, Document] = document["layers"]
        self.results: dict[str, Document] = document["results"]
        self.mounts: dict[str, Document] = document["mounts"]


class Imports:
    """All caches of one build."""

    def __init__(self, paths: Paths, youngest: float) -> None:
        self._paths = paths
        self._youngest = youngest
        self.caches: list[Cache] = []
        self._owed: dict[str, list[Taken]] = {}
        """By chain id, the results that were taken and whose layer is not here."""
        self._lost: set[str] = set()
        """Chain ids of layers that cannot be had."""

    def get(self, key: str, stack: Stack) -> Result | None:
        """Return what the step of that key made upon `stack`; None where nobody knows."""
        for cache in self.caches:
            told = cache.results.get(key)
            if told is None or told["made"] < self._youngest:
                continue
            result = Result(self._layer(cache, told["layer"]), dict(told["notes"]))
            result.made = told["made"]
            chain = "" if result.layer is None else result.upon(stack).chains[-1]
            if chain in self._lost:
                continue
            if chain and not self.is_here(chain):
                self._owed.setdefault(chain, []).append((key, result, stack))
            return result
        return None

    @staticmethod
    def _layer(cache: Cache, diff_id: str | None) -> Document | None:
        if diff_id is None:
            return None
        size = cache.layers[diff_id]["size"]
        return {"mediaType": OCI_LAYER, "digest": diff_id, "size": size, "diffID": diff_id}

    def is_here(self, chain: str) -> bool:
        """Whether a layer is in the store, and stays."""
        place = f"{self._paths.layers}/{chain}"
        return pins.is_pinned(self._paths, chain) and durability.is_trusted(place)

    def owed(self, stack: Stack) -> list[int]:
        """Return the places in a stack of those layers that are still to be brought."""
        if not self._owed:
            return []
        return [number for number, chain in enumerate(stack.chains) if chain in self._owed]

    def stacks_owed(self) -> list[Stack]:
        """Return the stacks whose last layer is still to be brought."""
        return [result.upon(below) for _, result, below in (one[0] for one in self._owed.values())]

    def places(self, diff_id: str) -> list[tuple[Carrier, Document]]:
        """Return where a layer can be had, and as which blob."""
        found = []
        for cache in self.caches:
            blob = cache.layers.get(diff_id, {}).get("blob")
            if blob is not None:
                found.append((cache.carrier, blob))
        return found

    def mounts(self, name: str) -> list[tuple[Carrier, Document]]:
        """Return where the content of a cache mount can be had."""
        return [
            (cache.carrier, cache.mounts[name]) for cache in self.caches if name in cache.mounts
        ]

    def brought(self, chain: str) -> list[Taken]:
        """Note that a layer is here; return the results that have it."""
        return self._owed.pop(chain, [])

    def lose(self, chain: str) -> None:
        """Count no more on a layer."""
        self._lost.add(chain)

    def drop(self, carrier: Carrier) -> None:
        """Count no more on a cache."""
        self.caches = [cache for cache in self.caches if cache.carrier is not carrier]

    def begin_again(self) -> None:
        """Forget what was taken: it is taken again, as far as it still counts."""
        self._owed.clear()


class CarriedResults(Results):
    """The results of the store and of imported caches; what is used is noted for an export."""

    def __init__(
        self, paths: Paths, youngest: float, imports: Imports, collected: Collected | None
    ) -> None:
        super().__init__(paths, youngest=youngest)
        self._imports = imports
        self._collected = collected

    def get(self, key: str, stack: Stack) -> Result | None:
        """See Results.get."""
        found = super().get(key, stack)
        if found is None:
            found = self._imports.get(key, stack)
            if found is None:
                return None
            if found.layer is None or self._imports.is_here(found.upon(stack).chains[-1]):
                super().put(key, found, stack)
        self.used(key, found, stack)
        return found

    def put(self, key: str, result: Result, stack: Stack, *, anew: bool = False) -> Result:
        """See Results.put."""
        found = super().put(key, result, stack, anew=anew)
        self.used(key, found, stack)
        return found

    def used(self, key: str, result: Result, stack: Stack) -> None:
        """See Results.used."""
        if self._collected is not None:
            self._collected.add(key, result, stack)
