"""What the store takes on the disk, by images, containers and volumes (`system df`)."""

from __future__ import annotations

from rootless.build.cache.entries import Entries
from rootless.containers.sizes import written_sizes
from rootless.errors import Error
from rootless.images.removing import image_ids
from rootless.images.trees import skeletons
from rootless.runtime.tree.sizes import layer_size, tree_sizes
from rootless.system import leftovers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.container import Container
    from rootless.engine import Engine
    from rootless.images.image import Image
    from rootless.store.paths import Paths


class Row:
    """The things of one kind: how many, how many of them in use, and their bytes."""

    def __init__(self, kind: str, total: int, active: int, size: int, reclaimable: int) -> None:
        self.kind, self.total, self.active = kind, total, active
        self.size, self.reclaimable = size, reclaimable


class Usage:
    """All sizes, looked up once. Those of images are known since they were unpacked."""

    def __init__(self, engine: Engine) -> None:
        self._paths = engine.paths
        self.images: list[Image] = [one for one in engine.images.list() if not one.readonly]
        self._known = {one.stored_digest: _pieces(self._paths, one) for one in self.images}
        self._owners: dict[str, int] = {}
        """How many images have a layer or blob."""
        for key in (key for pieces in self._known.values() for key in pieces):
            self._owners[key] = self._owners.get(key, 0) + 1
        self.containers: list[Container] = engine.containers.list()
        self.running = {one.id for one in self.containers if _runs(one)}
        written = written_sizes(self._paths, self.containers)
        ids = [one.id for one in self.containers]
        self.container_sizes = dict(zip(ids, written, strict=True))
        volumes = engine.volumes
        self.volumes = volumes.names()
        sizes = tree_sizes(self._paths, [volumes.data(name) for name in self.volumes])
        self.volume_sizes = dict(zip(self.volumes, sizes, strict=True))
        self.cache = Entries(self._paths)
        """What the cache of builds holds."""
        left = leftovers.find(self._paths)
        self.leftovers = dict(zip(left, tree_sizes(self._paths, left), strict=True))
        """The bytes of what removals have left."""

    def rows(self) -> list[Row]:
        """Return one row for each kind of thing, in docker's order."""
        used = [image for image in self.images if self.containers_of(image)]
        size = images_size(self._paths, self.images)
        stopped = sum(self.container_sizes[one.id] for one in self.containers if not self.runs(one))
        linked = {name for name in self.volumes if self.links(name)}
        idle = sum(self.volume_sizes[name] for name in self.volumes if name not in linked)
        left = sum(self.leftovers.values())
        return [
            Row("Images", len(self.images), len(used), size, size - images_size(self._paths, used)),
            Row(
                "Containers",
                len(self.containers),
                len(self.running),
                sum(self.container_sizes.values()),
                stopped,
            ),
            Row(
                "Local Volumes",
                len(self.volumes),
                len(linked),
                sum(self.volume_sizes.values()),
                idle,
            ),
            self._cache_row(),
            # Docker has no such row: where all is well, there is none.
            *([Row("Leftovers", len(self.leftovers), 0, left, left)] if self.leftovers else []),
        ]

    def _cache_row(self) -> Row:
        entries = self.cache.all
        used = [one for one in entries if one.in_use]
        # What images have as well counts there, and nothing would become free.
        idle = sum(one.size for one in entries if not (one.in_use or one.shared))
        return Row("Build Cache", len(entries), len(used), self.cache.total, idle)

    def runs(self, container: Container) -> bool:
        """Whether a container runs."""
        return container.id in self.running

    def containers_of(self, image: Image) -> int:
        """Return how many containers were made from an image, or have it mounted."""
        return sum(bool(image_ids(one.record) & image.ids) for one in self.containers)

    def links(self, volume: str) -> int:
        """Return how many containers name a volume."""
        return sum(
            any(each["name"] == volume for each in one.record["volumes"]) for one in self.containers
        )

    def shared_size(self, image: Image) -> int:
        """Return the bytes of layers and blobs that other images have, too."""
        return sum(size for key, size in self._pieces(image).items() if self._owners[key] > 1)

    def image_size(self, image: Image) -> int:
        """Return the bytes of an image, unpacked and packed."""
        return sum(self._pieces(image).values())

    def _pieces(self, image: Image) -> dict[str, int]:
        return self._known[image.stored_digest]


def images_size(paths: Paths, images: list[Image]) -> int:
    """Return the bytes of images together, unpacked and packed, each layer and blob once."""
    known: dict[str, int] = {}
    for image in images:
        known.update(_pieces(paths, image))
    return sum(known.values())


def _pieces(paths: Paths, image: Image) -> dict[str, int]:
    """Return the bytes of an image's unpacked layers, by chain id, and of its blobs, by digest.

    And of the layers' skeletons, by their places.
    """
    chains = _chains(image)
    layers = {chain: layer_size(f"{paths.layers}/{chain}/fs") for chain in chains}
    views = {one: skeletons.size(one) for one in skeletons.of_chains(paths, chains)}
    return {**layers, **views, **_blobs(image)}


def _runs(container: Container) -> bool:
    try:
        return container.state().active
    except Error:
        return False  # a damaged record, which `ps` tells of


def _chains(image: Image) -> set[str]:
    try:
        return image.all_chains
    except Error:
        return set()


def _blobs(image: Image) -> dict[str, int]:
    try:
        return {str(part["digest"]): int(part.get("size", 0)) for part in image.parts}
    except (Error, KeyError, TypeError, ValueError):
        return {}
