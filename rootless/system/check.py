"""Whether the store is whole, and mending what can be mended.

A damaged blob is fetched again from the registry that its image or artifact came from, and nothing
but it (see `blobs`); a layer whose unpacked files are not those of its blob is unpacked again.

Nothing of this is needed in daily life: half-made things are swept up by whoever meets them. It
is for disks that lose or change bytes, and for people who have edited what they should not.
"""

from __future__ import annotations

import os

from rootless.containers.record import shown
from rootless.errors import Conflict, Error, NotFound, StoreError
from rootless.images import durability
from rootless.images.entries import list_of
from rootless.images.image import Image
from rootless.images.lists.list import ListImage
from rootless.images.mending import Mending
from rootless.images.removing import stacks
from rootless.images.trees import skeletons
from rootless.oci.layers import withheld
from rootless.oci.layout import Layout
from rootless.runtime.userns import removal
from rootless.store import records
from rootless.system import temporaries
from rootless.system.blobs import ArtifactBlobs, Finding, ImageBlobs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless.containers.container import Container
    from rootless.engine import Engine


class Check:
    """A look at the whole store. `quick` does not read the contents of blobs."""

    def __init__(self, engine: Engine, *, quick: bool) -> None:
        self._engine = engine
        self._paths = engine.paths
        self._quick = quick
        self._layout = Layout(engine.paths.images)

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, each as soon as it is found. Raises StoreError for no store."""
        self._paths.prepare()
        yield from ImageBlobs(self._engine, quick=self._quick).findings()
        yield from ArtifactBlobs(self._engine, quick=self._quick).findings()
        yield from self._layers()
        yield from self._containers()
        yield from self._names()
        if left := temporaries.found(self._paths):
            names = ", ".join(map(os.path.basename, left[:3])) + ", ..." * (len(left) > 3)
            text = f"of commands that were killed {len(left)} files are left: {names}"
            yield Finding(text, lambda: temporaries.sweep(self._paths), harmless=True)

    # -- layers

    def _layers(self) -> Iterator[Finding]:
        for name in sorted(os.listdir(self._paths.layers)):
            path = f"{self._paths.layers}/{name}"
            if not name.startswith(".") and not durability.is_trusted(path):
                yield Finding(
                    f"layer {name[:12]} was not unpacked to its end",
                    lambda path=path: removal.discard(self._paths, path, _aside(path)),  # type: ignore[misc]
                )

        yield from self._skeletons()
        if not self._quick:
            yield from self._contents()

    def _skeletons(self) -> Iterator[Finding]:
        """The second views of layers: what is wrong is thrown away, and made when it is needed."""
        for place in sorted(skeletons.places(self._paths)):
            chain = os.path.basename(place)
            whole = os.path.isdir(f"{place}/fs") and durability.has_survived(place)
            if whole and self._quick:
                continue
            try:
                problem = skeletons.damage(self._paths, place)
            except Error as error:
                problem = error.message
            if problem:
                yield Finding(
                    f"layer {chain[:12]}: {problem} differs where it has other owners",
                    lambda place=place, chain=chain: self._discard(place, chain),  # type: ignore[misc]
                )

    def _discard(self, skeleton: str, chain: str) -> None:
        if user := self._user_of(chain):
            raise Conflict(f"container {user} runs on it", "stop it first")
        removal.discard(self._paths, skeleton, _aside(skeleton))

    def _contents(self) -> Iterator[Finding]:
        """Compare unpacked layers with what their blobs unpack to."""
        seen: set[str] = set()
        entries = self._layout.index()["manifests"]
        for image in (image for entry in entries for image in self._images_of(entry)):
            try:
                chains, diff_ids = image.chains, image.config["rootfs"]["diff_ids"]
                parts = list(zip(image.manifest["layers"], diff_ids, chains, strict=True))
            except Error:
                continue  # told of already
            for descriptor, diff_id, chain in parts:
                path = f"{self._paths.layers}/{chain}"
                if chain in seen or not durability.is_trusted(path):
                    continue
                seen.add(chain)
                yield from self._content(str(descriptor["digest"]), str(diff_id), chain)

    def _images_of(self, entry: dict[str, Any]) -> list[Image]:
        if not list_of(entry):
            return [Image(self._paths, entry, [])]
        try:
            return ListImage(self._paths, entry, []).images
        except Error:
            return []  # told of already

    def _content(self, digest: str, diff_id: str, chain: str) -> Iterator[Finding]:
        try:
            with Mending(self._paths) as mending:
                problem = mending.damage(digest, chain)
        except Error:
            return  # the blob is damaged or gone, and was told of
        if not problem:
            return

        def again() -> None:
            if user := self._user_of(chain):
                raise Conflict(f"container {user} runs on it", "stop it first")
            with Mending(self._paths) as mending:
                mending.unpack_again(digest, diff_id, chain)
            for skeleton in skeletons.upon(self._paths, chain):
                self._discard(skeleton, chain)

        found = f"layer {chain[:12]}: {problem} is not what the layer's blob holds"
        if not withheld.is_withheld(f"{self._paths.layers}/{chain}"):
            found += (
                ": an earlier release left set-user-id programs, and what all may write, to others"
            )
        yield Finding(found, again)

    def _user_of(self, chain: str) -> str:
        """The name of a container that runs on a layer, "" for none."""
        path = f"/{chain}/fs"
        for one in self._engine.containers.list():
            idle = one.state().status in ("created", "exited")
            if not idle and any(
                layer.endswith(path) for layers in stacks(one.record) for layer in layers
            ):
                return str(one.name)
        return ""

    # -- containers

    def _containers(self) -> Iterator[Finding]:
        containers = self._engine.containers
        for container in containers.ids():
            try:
                found = containers.get(container)
                found.state()
            except NotFound:
                continue
            except StoreError as error:
                yield Finding(
                    f"container {container[:12]}: {error.message}",
                    lambda one=container: containers.remove(one, force=True),  # type: ignore[misc]
                    costs="the container",
                )
                continue
            yield from self._layers_of(found)
            link = f"{containers.objects.names_directory}/{found.name}"
            if not os.path.islink(link):
                yield Finding(
                    f"container {found.name}: its name is not taken",
                    lambda link=link, one=container: os.symlink(one, link),  # type: ignore[misc]
                )

    def _layers_of(self, container: Container) -> Iterator[Finding]:
        record = container.record
        images = [(record["image_id"], record["layers"], "its layers")]
        images += [(one["id"], one["layers"], "the layers mounted") for one in shown(record)]
        for image_id, layers, what in images:
            if missing := [one for one in layers if not os.path.isdir(one)]:
                yield Finding(
                    f"container {container.name}: {len(missing)} of {what} are gone",
                    lambda one=image_id: self._unpack(one),  # type: ignore[misc]
                )

    def _unpack(self, image_id: str) -> None:
        self._engine.images.get(image_id).lowers()

    def _names(self) -> Iterator[Finding]:
        directory = self._engine.containers.objects.names_directory
        try:
            names = sorted(os.listdir(directory))
        except FileNotFoundError:
            return
        for name in names:
            path = f"{directory}/{name}"
            try:
                holder = f"{self._paths.containers}/{os.readlink(path)}"
                whole = records.read_record(f"{holder}/config.json")["name"] == name
            except (OSError, KeyError):
                whole = False
            except StoreError:
                continue  # a damaged record was told of already
            if not whole:
                yield Finding(
                    f"name {name} leads to no container of this name",
                    lambda path=path: os.unlink(path),  # type: ignore[misc]
                )


def _aside(path: str) -> str:
    directory, _, name = path.rpartition("/")
    return f"{directory}/.dead-{name}"
