"""What the store takes on the disk, by images, containers and volumes (`system df`)."""

from __future__ import annotations

import os

from rootless.errors import Error
from rootless.system.sizes import layer_size, tree_sizes

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
        self.containers: list[Container] = engine.containers.list()
        self.running = {one.id for one in self.containers if _runs(one)}
        directories = [f"{one.directory}/upper" for one in self.containers]
        self.volumes = self._volume_names()
        directories += [f"{self._paths.volumes}/{name}" for name in self.volumes]
        sizes = tree_sizes(self._paths, directories)
        count = len(self.containers)
        self.container_sizes = dict(
            zip((one.id for one in self.containers), sizes[:count], strict=True)
        )
        self.volume_sizes = dict(zip(self.volumes, sizes[count:], strict=True))

    def rows(self) -> list[Row]:
        """Return one row for each kind of thing, in docker's order."""
        used = [image for image in self.images if self.containers_of(image)]
        size = images_size(self._paths, self.images)
        stopped = sum(self.container_sizes[one.id] for one in self.containers if not self.runs(one))
        linked = {name for name in self.volumes if self.links(name)}
        idle = sum(self.volume_sizes[name] for name in self.volumes if name not in linked)
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
        ]

    def runs(self, container: Container) -> bool:
        """Whether a container runs."""
        return container.id in self.running

    def containers_of(self, image: Image) -> int:
        """Return how many containers were made from an image."""
        return sum(one.record["image_id"] in image.ids for one in self.containers)

    def links(self, volume: str) -> int:
        """Return how many containers name a volume."""
        return sum(
            any(each["name"] == volume for each in one.record["volumes"]) for one in self.containers
        )

    def shared_size(self, image: Image) -> int:
        """Return the bytes of layers that other images have, too."""
        others = {chain for other in self.images if other is not image for chain in _chains(other)}
        return sum(_layer(self._paths, chain) for chain in _chains(image) if chain in others)

    def image_size(self, image: Image) -> int:
        """Return the bytes of an image, unpacked and packed."""
        return images_size(self._paths, [image])

    def _volume_names(self) -> list[str]:
        try:
            names = os.listdir(self._paths.volumes)
        except FileNotFoundError:
            return []
        return sorted(name for name in names if not name.startswith("."))


def images_size(paths: Paths, images: list[Image]) -> int:
    """Return the bytes of images together, unpacked and packed, each layer and blob once."""
    chains = {chain for image in images for chain in _chains(image)}
    blobs = {digest: size for image in images for digest, size in _blobs(image).items()}
    return sum(_layer(paths, chain) for chain in chains) + sum(blobs.values())


def _layer(paths: Paths, chain: str) -> int:
    return layer_size(f"{paths.layers}/{chain}/fs")


def _runs(container: Container) -> bool:
    try:
        return container.state().active
    except Error:
        return False  # a damaged record, which `ps` tells of


def _chains(image: Image) -> list[str]:
    try:
        return image.chains
    except Error:
        return []


def _blobs(image: Image) -> dict[str, int]:
    try:
        return {str(part["digest"]): int(part.get("size", 0)) for part in image.parts}
    except (Error, KeyError, TypeError, ValueError):
        return {}
