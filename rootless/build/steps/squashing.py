"""--squash: the layers that a build has made, or all layers, as one."""

from __future__ import annotations

from rootless.build.cache.results import Results, key_of
from rootless.build.layering import layer
from rootless.build.steps.telling import Telling
from rootless.images.trees.comparing import Trees
from rootless.images.trees.ids import Ids
from rootless.images.trees.stack import Stack
from rootless.runtime.tree.rootfs import stacked
from rootless.runtime.userns import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.crew import Line
    from rootless.build.place import Site
    from rootless.images.making import Making

    Document = dict[str, Any]


def squash(line: Line, paths: Site, stack: Stack, first: int, epoch: int | None) -> Document:
    """Make one layer of those from number `first` on; return the result as `Result` has it.

    Raises StoreError.
    """
    below = Stack(stack.parts[:first], stack.diff_ids[:first])
    key = key_of("squash", below.diff_ids, stack.diff_ids, epoch)
    results = Results(paths)
    found = results.get(key, below)
    if found is not None:
        return {"layer": found.layer, "notes": found.notes}
    places = paths.lowers(stack)
    trees = Trees(stacked(places[::-1]), stacked(places[:first][::-1]))
    trees.newest = None if epoch is None else epoch * 10**9
    ids = Ids(identity.detect(), "", "")

    def fill(making: Making) -> bool:
        return making.add_changes(trees, ids, "squash", lambda: None, everything=not first)

    result = layer(paths, below, Telling(line), fill)
    result = results.put(key, result, below)
    return {"layer": result.layer, "notes": result.notes}


def history(told: list[Document], first: int) -> list[Document]:
    """Return a history in which all layers from number `first` on are the last one's."""
    layers = 0
    found = []
    for step in told:
        layers += not step.get("empty_layer")
        new = layers > first and not step.get("empty_layer")
        found.append({**step, "empty_layer": True} if new else step)
    at = next((n for n in range(len(found) - 1, -1, -1) if not told[n].get("empty_layer")), -1)
    if layers > first:
        found[at] = told[at]
    return found
