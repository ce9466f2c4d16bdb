"""Whether the store is whole, and mending what can be mended.

A damaged blob is fetched again from the registry that its image came from, and nothing but it; a
layer whose unpacked files are not those of its blob is unpacked again.

Nothing of this is needed in daily life: half-made things are swept up by whoever meets them. It
is for disks that lose or change bytes, and for people who have edited what they should not.
"""

from __future__ import annotations

import os

from rootless.artifacts.artifact import Artifact
from rootless.errors import Conflict, Error, NotFound, StoreError
from rootless.images import trust
from rootless.images.image import Image, list_of, sources_of
from rootless.images.lists import ListImage
from rootless.images.mending import Mending
from rootless.oci import reference
from rootless.oci.digest import Digest, Verifier
from rootless.oci.layout import Layout, name_of
from rootless.runtime import removal
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rootless.engine import Engine
    from rootless.oci.reference import Reference


class Finding:
    """Something that is wrong."""

    def __init__(
        self,
        text: str,
        repair: Callable[[], None] | None = None,
        *,
        costs: str = "",
        mend: Callable[[], None] | None = None,
    ) -> None:
        self.text = text
        self.mend = mend
        """What may mend it for nothing, and is tried first; None where there is no such thing."""
        self.repair = repair
        """What mends it, None for nothing."""
        self.costs = costs
        """What is lost by that; empty for nothing. Only --force pays it."""


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
        yield from self._images()
        yield from self._artifacts()
        yield from self._layers()
        yield from self._containers()
        yield from self._names()

    # -- images

    def _images(self) -> Iterator[Finding]:
        seen: set[str] = set()
        for entry in self._layout.index()["manifests"]:
            if list_of(entry):
                yield from self._list(seen, entry)
                continue
            name = name_of(entry) or str(entry["digest"])
            manifest = (str(entry["digest"]), int(entry.get("size", -1)))
            sources = [(one, -1) for one in sources_of(entry)[-1:]]  # docker's own manifest
            for digest, size in (manifest, *sources):
                yield from self._once(seen, entry, digest, size, manifest=True)
            try:
                parts = self._blobs(entry)
            except Error as error:
                if not self._blob(*manifest):  # else it was told of
                    yield self._damaged_image(name, error.message)
                continue
            for digest, size in parts:
                yield from self._once(seen, entry, digest, size, manifest=False)

    def _list(self, seen: set[str], entry: dict[str, Any]) -> Iterator[Finding]:
        """Look at a manifest list, and at what is here of its members."""
        digest, size = str(entry["digest"]), int(entry.get("size", -1))
        yield from self._once(seen, entry, digest, size, manifest=True)
        try:
            image = ListImage(self._paths, entry, [])
            members, parts = image.members, image.parts
        except Error as error:
            if not self._blob(digest, size):  # else it was told of
                yield self._damaged_image(name_of(entry) or image.id, error.message)
            return
        for part in parts:
            digest, size = str(part["digest"]), int(part.get("size", -1))
            yield from self._once(seen, entry, digest, size, manifest=part in members)

    def _once(
        self, seen: set[str], entry: dict[str, Any], digest: str, size: int, *, manifest: bool
    ) -> Iterator[Finding]:
        """Look at a blob, unless that was done for another image."""
        if digest in seen:
            return
        seen.add(digest)
        if problem := self._blob(digest, size):
            name = name_of(entry) or str(entry["digest"])
            places = self._places(digest)

            def fetch() -> None:
                with Mending(self._paths) as mending:
                    mending.fetch(digest, size, places, manifest=manifest)

            yield self._damaged_image(name, problem, fetch if places else None)

    def _places(self, digest: str) -> list[tuple[Reference, list[str]]]:
        """The names and source digests of all pulled images that have a blob."""
        places = []
        for entry in self._layout.index()["manifests"]:
            sources = sources_of(entry)
            try:
                if list_of(entry):
                    places += self._origins(entry, digest)
                    continue
                whole = {str(entry["digest"]), *sources}
                if digest not in whole:
                    whole |= {one for one, _ in self._blobs(entry)}
                if sources and digest in whole:
                    places.append((reference.parse(name_of(entry)), sources))
            except Error:
                continue  # a damaged manifest, or a name that is none
        return places

    def _origins(self, entry: dict[str, Any], digest: str) -> list[tuple[Reference, list[str]]]:
        """As `_places`, of a manifest list: where its members are from."""
        image = ListImage(self._paths, entry, [])
        return [
            (reference.parse(image.origins[member["digest"]]), [str(member["digest"])])
            for member in image.members
            if member["digest"] in image.origins
            and (digest == member["digest"] or digest in _digests(image, member))
        ]

    def _blobs(self, entry: dict[str, Any]) -> list[tuple[str, int]]:
        parts = Image(self._paths, entry, []).parts
        return [(str(part["digest"]), int(part.get("size", -1))) for part in parts]

    def _blob(self, digest: str, size: int, layout: Layout | None = None) -> str:
        """Return what is wrong with a blob, "" for nothing."""
        path = (layout or self._layout).blob_path(digest)
        try:
            there = os.stat(path).st_size
        except OSError as error:
            return f"blob {digest[:19]}: {(error.strerror or '').lower()}"
        if there != size >= 0:
            return f"blob {digest[:19]} has {there}, not {size} bytes"
        if self._quick:
            return ""
        try:
            with open(path, "rb") as file:
                reader = Verifier(file, Digest.parse(digest), size)
                while reader.read():
                    pass
        except OSError as error:
            return f"blob {digest[:19]}: {error.strerror}"
        except Error as error:
            return f"blob {digest[:19]}: {error.message}"
        return ""

    def _damaged_image(
        self, name: str, problem: str, mend: Callable[[], None] | None = None
    ) -> Finding:
        def remove() -> None:
            try:
                self._engine.images.remove([name], force=True)
            except NotFound:
                pass  # with another of its names

        costs = "the image: pull or load it again"
        return Finding(f"image {name}: {problem}", remove, costs=costs, mend=mend)

    # -- artifacts

    def _artifacts(self) -> Iterator[Finding]:
        layout = Layout(self._paths.artifacts)
        for entry in layout.index()["manifests"]:
            if problem := self._artifact(layout, entry):
                yield self._damaged_artifact(name_of(entry) or str(entry["digest"]), problem)

    def _damaged_artifact(self, name: str, problem: str) -> Finding:
        def remove() -> None:
            self._engine.artifacts.remove([name])

        costs = "the artifact: pull or add it again"
        return Finding(f"artifact {name}: {problem}", remove, costs=costs)

    def _artifact(self, layout: Layout, entry: dict[str, Any]) -> str:
        """Return what is wrong with an artifact, "" for nothing."""
        digest, size = str(entry["digest"]), int(entry.get("size", -1))
        if problem := self._blob(digest, size, layout):
            return problem
        try:
            blobs = Artifact(layout, entry).manifest.blobs.values()
        except Error as error:
            return error.message
        problems = (self._blob(blob.digest, blob.size, layout) for blob in blobs)
        return next(filter(None, problems), "")

    # -- layers

    def _layers(self) -> Iterator[Finding]:
        for name in sorted(os.listdir(self._paths.layers)):
            path = f"{self._paths.layers}/{name}"
            if not name.startswith(".") and not trust.is_trusted(path):
                yield Finding(
                    f"layer {name[:12]} was not unpacked to its end",
                    lambda path=path: removal.discard(self._paths, path, _aside(path)),  # type: ignore[misc]
                )

        if not self._quick:
            yield from self._contents()

    def _contents(self) -> Iterator[Finding]:
        """Compare unpacked layers with what their blobs unpack to."""
        seen: set[str] = set()
        for entry in self._layout.index()["manifests"]:
            image = Image(self._paths, entry, [])
            try:
                diff_ids = image.config["rootfs"]["diff_ids"]
                parts = list(zip(image.manifest["layers"], diff_ids, image.chains, strict=True))
            except Error:
                continue  # told of already
            for descriptor, diff_id, chain in parts:
                path = f"{self._paths.layers}/{chain}"
                if chain in seen or not trust.is_trusted(path):
                    continue
                seen.add(chain)
                yield from self._content(str(descriptor["digest"]), str(diff_id), chain)

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

        yield Finding(f"layer {chain[:12]}: {problem} is not what the layer's blob holds", again)

    def _user_of(self, chain: str) -> str:
        """The name of a container that runs on a layer, "" for none."""
        path = f"{self._paths.layers}/{chain}/fs"
        for one in self._engine.containers.list():
            idle = one.state().status in ("created", "exited")
            if path in one.record["layers"] and not idle:
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
            missing = [one for one in found.record["layers"] if not os.path.isdir(one)]
            if missing:
                yield Finding(
                    f"container {found.name}: {len(missing)} of its layers are gone",
                    lambda one=found: self._unpack(one.record["image_id"]),  # type: ignore[misc]
                )
            link = f"{containers.names_directory}/{found.name}"
            if not os.path.islink(link):
                yield Finding(
                    f"container {found.name}: its name is not taken",
                    lambda link=link, one=container: os.symlink(one, link),  # type: ignore[misc]
                )

    def _unpack(self, image_id: str) -> None:
        self._engine.images.get(image_id).lowers()

    def _names(self) -> Iterator[Finding]:
        directory = self._engine.containers.names_directory
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


def _digests(image: ListImage, member: dict[str, Any]) -> list[str]:
    """The blobs of a member of a list, none for one whose manifest cannot be read."""
    try:
        return [str(part["digest"]) for part in image.parts_of(member)]
    except Error:
        return []


def _aside(path: str) -> str:
    directory, _, name = path.rpartition("/")
    return f"{directory}/.dead-{name}"
