"""What the cache of builds holds, as `builder du` and `builder prune` see it.

    regular         what a step has made, by its key
    exec.cachemount a directory of RUN --mount=type=cache
    source.local    digests of the files of a context

A layer lies on the disk twice, packed and unpacked, as those of images do, and counts so.
"""

from __future__ import annotations

import os

from rootless.build.cache.living import since
from rootless.build.cache.results import Results
from rootless.runtime.tree.sizes import layer_size, tree_sizes
from rootless.store import pins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.build.cache.results import Known
    from rootless.store.paths import Paths

REGULAR = "regular"
MOUNT = "exec.cachemount"
CONTEXT = "source.local"


class Entry:
    """One thing in the cache."""

    def __init__(self, id: str, kind: str, size: int, used: float) -> None:  # noqa: A002
        self.id = id
        self.kind = kind
        self.size = size
        self.used = used
        """When it was used last: seconds since 1970."""
        self.made = used
        self.text = ""
        """The instruction, or what else it is."""
        self.shared = False
        """Whether an image has its layer as well."""
        self.in_use = False
        """Whether a build under way has made or used it."""
        self.chain = ""
        """The chain id of its layer."""
        self.below = ""
        """That of the layer beneath."""
        self.parents: list[str] = []
        """Ids of the entries whose layer is the one beneath."""


class Entries:
    """All of a store's, looked up once."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.since = since(paths)
        self.all = [*self._regular(), *self._mounts(), *self._contexts()]
        self.all.sort(key=lambda one: (one.used, one.id))
        for one in self.all:
            one.in_use = one.used >= self.since

    @property
    def total(self) -> int:
        """Return the bytes of all, without those that images have as well."""
        return sum(one.size for one in self.all if not one.shared)

    def _regular(self) -> list[Entry]:
        found, seen = [], set()
        makers: dict[str, list[str]] = {}
        for known in Results(self._paths).all():
            size = 0 if known.chain in seen else self._size(known)
            entry = Entry(known.key, REGULAR, size, known.used)
            entry.made, entry.text = known.made, str(known.notes.get("text", ""))
            entry.chain, entry.below = known.chain, known.below
            if known.chain:
                entry.shared = _links(pins.path(self._paths, known.chain)) > 1
                seen.add(known.chain)
                makers.setdefault(known.chain, []).append(known.key)
            found.append(entry)
        for entry in found:
            entry.parents = makers.get(entry.below, [])
        return found

    def _size(self, known: Known) -> int:
        if known.layer is None:
            return 0
        return int(known.layer["size"]) + layer_size(f"{self._paths.layers}/{known.chain}/fs")

    def _mounts(self) -> list[Entry]:
        places = _below(f"{self._paths.builds}/mounts")
        sizes = tree_sizes(self._paths, [f"{place}/data" for place in places])
        return [
            self._of(place, MOUNT, size, f"cache mount {_text(place)}".rstrip())
            for place, size in zip(places, sizes, strict=True)
        ]

    def _contexts(self) -> list[Entry]:
        places = _below(f"{self._paths.builds}/hashes")
        return [
            self._of(one, CONTEXT, os.path.getsize(one), "digests of the files of a context")
            for one in places
            if "." not in os.path.basename(one)
        ]

    @staticmethod
    def _of(place: str, kind: str, size: int, text: str) -> Entry:
        entry = Entry(os.path.basename(place), kind, size, os.stat(place).st_mtime)
        entry.text = text
        return entry


def _below(directory: str) -> list[str]:
    try:
        return [f"{directory}/{name}" for name in sorted(os.listdir(directory))]
    except FileNotFoundError:
        return []


def _text(place: str) -> str:
    """Return what a cache mount is called: its id, or its target."""
    try:
        return os.readlink(f"{place}/name")
    except OSError:
        return ""


def _links(path: str) -> int:
    try:
        return os.stat(path).st_nlink
    except FileNotFoundError:
        return 1


def leaves_first(entries: Iterable[Entry]) -> list[Entry]:
    """Return them in the order in which they leave: least recently used leaves first.

    What others were made upon comes after the last of these, though it is used no later.
    """
    import heapq

    all_of = [*entries]
    above: dict[str, int] = {}
    makers: dict[str, list[Entry]] = {}
    for one in all_of:
        if one.below:
            above[one.below] = above.get(one.below, 0) + 1
        if one.chain:
            makers.setdefault(one.chain, []).append(one)
    heap = [
        (one.used, number, one) for number, one in enumerate(all_of) if not above.get(one.chain)
    ]
    heapq.heapify(heap)
    numbers = {one.id: number for number, one in enumerate(all_of)}
    order: list[Entry] = []
    while heap:
        one = heapq.heappop(heap)[2]
        order.append(one)
        if one.below in above:
            above[one.below] -= 1
            if not above[one.below]:
                for maker in makers.get(one.below, ()):
                    heapq.heappush(heap, (maker.used, numbers[maker.id], maker))
    return order
