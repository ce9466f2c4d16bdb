"""What the steps of a build have made or found, to be written as a cache when it has ended."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.cache.results import Result
    from rootless.build.carriers.wishes import Carrier
    from rootless.images.trees.stack import Stack

    Document = dict[str, Any]


class Caching:
    """What of the cache counts, and which caches there are besides that of the store."""

    def __init__(self) -> None:
        self.sources: list[Carrier] = []
        """Whose results count as well, those before first."""
        self.targets: list[Carrier] = []
        """Where the results of the build go."""
        self.uncached: list[str] = []
        """Stages, by name or number, of which every step is done again."""
        self.youngest = 0.0
        """Results from before this moment (seconds since 1970) do not count."""
        self.exports = True
        """Whether they are written at its end; it may be one of several."""
        self.collected = Collected()
        """Those results."""


class Collected:
    """The results of one build, or of several for as many platforms."""

    def __init__(self) -> None:
        self.results: dict[str, Document] = {}
        """By key, in the form of `document`."""
        self.layers: dict[str, Document] = {}
        """By diff id: `size`, and under `chains` the chain ids that it has."""
        self.needed: set[str] = set()
        """Chain ids of the layers of the images."""
        self.mounts: dict[str, list[Any]] = {}
        """By the names of cache mounts: what they are called, owner, group and mode."""

    def add(self, key: str, result: Result, below: Stack) -> None:
        """Note the result of a step upon a stack."""
        told = {name: result.notes[name] for name in ("created", "text", "content")
                if result.notes.get(name)}  # fmt: skip
        told["made"] = result.made or time.time()
        if result.layer is not None:
            diff_id = str(result.layer["diffID"])
            told["layer"] = diff_id
            layer = self.layers.setdefault(diff_id, {"size": result.layer["size"], "chains": []})
            layer["chains"].append(result.upon(below).chains[-1])
        self.results[key] = told

    def document(self, blobs: dict[str, int], mounts: dict[str, Document]) -> Document:
        """Return what is written; `blobs` are the places of the layers that are as well."""
        layers = {}
        named = {told.get("layer") for told in self.results.values()}
        for diff_id in filter(named.__contains__, self.layers):
            layers[diff_id] = {"size": self.layers[diff_id]["size"]}
            if diff_id in blobs:
                layers[diff_id]["blob"] = blobs[diff_id]
        return {"layers": layers, "results": self.results, "mounts": mounts}

    def inline(self, moment: str) -> Document:
        """Return the same for the configuration of an image, whose bytes no clock decides.

        `moment` is when all counts as made, "" for when it was.
        """
        results = {}
        for key, told in self.results.items():
            results[key] = {name: value for name, value in told.items() if name != "made"}
            if moment and "created" in told:
                results[key]["created"] = moment
        layers = self.document({}, {})["layers"]
        return {
            "version": 1,
            "layers": {one: layers[one] for one in sorted(layers)},
            "results": {key: results[key] for key in sorted(results)},
        }
