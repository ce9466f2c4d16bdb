"""Layers of imported results, brought into the store: each is the work of one child."""

from __future__ import annotations

import os
from functools import partial

from rootless.build.cache.living import guarded
from rootless.build.carriers.opening import reading, with_source
from rootless.build.layering import layer
from rootless.build.steps.telling import Telling
from rootless.images import durability
from rootless.images.trees.stack import Stack
from rootless.oci.errors import DigestError, Error
from rootless.oci.layers.compression import decompress
from rootless.oci.layout import Layout
from rootless.store import pins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.carriers.opening import Reach
    from rootless.build.carriers.wishes import Carrier
    from rootless.build.crew import Line
    from rootless.build.place import Site
    from rootless.images.making import Making
    from rootless.oci.digest import Readable
    from rootless.oci.transports import Source

    Document = dict[str, Any]
    Places = list[tuple[Carrier, Document]]


class _Bounded:
    """A stream that is not to be longer than it was said to be, before all of it is unpacked."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, empty at the end. Raises DigestError beyond the last."""
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise DigestError(f"a layer is longer by {-self._left} bytes or more than it should be")
        return data


class Bringing:
    """The layers of a stack that are wanted, and where each is to be had."""

    def __init__(self, stack: Stack, places: dict[int, Places], reach: Reach) -> None:
        self.stack = stack
        self.places = places
        self.reach = reach


def bring(line: Line, paths: Site, wanted: Bringing) -> Document:
    """Bring them, the lowest first; return their chain ids, and why one could not be had.

    `failed` has the places where it was looked for, by number, and what each said.
    """
    brought: list[str] = []
    for number, places in sorted(wanted.places.items()):
        said = []
        for place, (carrier, blob) in enumerate(places):
            try:
                _bring(line, paths, wanted, number, (carrier, blob))
            except Error as error:
                said.append([place, error.message])
            except OSError as error:
                said.append([place, str(error.strerror)])
            else:
                brought.append(wanted.stack.chains[number])
                break
        else:
            return {"chains": brought, "number": number, "failed": said}
    return {"chains": brought, "failed": []}


def _bring(
    line: Line, paths: Site, wanted: Bringing, number: int, place: tuple[Carrier, Document]
) -> None:
    stack, (carrier, blob) = wanted.stack, place
    chain = stack.chains[number]
    if _is_pinned(paths, chain, stack.diff_ids[number]):
        return
    below = Stack(stack.parts[:number], stack.diff_ids[:number])
    part, diff_id = stack.parts[number], stack.diff_ids[number]

    def fill(making: Making, source: Source) -> bool:
        telling = Telling(line)
        telling.begin(blob["digest"], f"layer {blob['digest'][7:19]}", blob["size"])
        with reading(source, blob) as stream:
            raw = decompress(stream, name=f"layer {blob['digest'][:19]}")
            making.add(_Bounded(raw, int(part["size"])))
        if making.stack.diff_ids[-1] != diff_id or making.stack.parts[-1]["size"] != part["size"]:
            raise DigestError(f"layer {blob['digest'][:19]} is not what its cache says that it is")
        telling.end(blob["digest"], "done")
        return True

    def take(source: Source) -> None:
        layer(paths, below, Telling(line), partial(fill, source=source))

    with_source(carrier, wanted.reach, take)


def _is_pinned(paths: Site, chain: str, diff_id: str) -> bool:
    """Have the layer kept, if it is here: brought by another step, or as an image's."""
    place, pin = f"{paths.layers}/{chain}", pins.path(paths, chain)
    blob = Layout(paths.images).blob_path(diff_id)
    with guarded(paths, alone=False):
        if not pins.is_pinned(paths, chain):
            os.makedirs(os.path.dirname(pin), 0o700, exist_ok=True)
            try:
                os.link(blob, pin)
            except OSError:
                return False
        return durability.is_trusted(place)
