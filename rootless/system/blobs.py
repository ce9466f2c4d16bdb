"""Whether the blobs of images and artifacts are whole, and fetching again those that are not."""

from __future__ import annotations

import abc
import os

from rootless.artifacts.artifact import Artifact
from rootless.artifacts.intake import Intake
from rootless.errors import Error, NotFound
from rootless.images.entries import list_of, sources_of
from rootless.images.image import Image
from rootless.images.lists.list import ListImage
from rootless.images.mending import Mending, fetch_again
from rootless.images.transfer.downloading import LayerTransfers, Transfers
from rootless.oci import reference
from rootless.oci.digest import Digest, Verifier
from rootless.oci.layout import Layout, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rootless.engine import Engine
    from rootless.oci.reference import Reference

    Document = dict[str, Any]
    Part = tuple[str, int, bool]
    """Digest, size (-1 for unknown), and whether it is a manifest."""
    Places = list[tuple[Reference, list[str]]]
    """Names, and the digests by which their registries know what is here."""


class Finding:
    """Something that is wrong."""

    def __init__(
        self,
        text: str,
        repair: Callable[[], object] | None = None,
        *,
        costs: str = "",
        mend: Callable[[], object] | None = None,
        harmless: bool = False,
    ) -> None:
        self.text = text
        self.harmless = harmless
        """Whether nothing is damaged: it only takes room until somebody sweeps it up."""
        self.mend = mend
        """What may mend it for nothing, and is tried first; None where there is no such thing."""
        self.repair = repair
        """What mends it, None for nothing."""
        self.costs = costs
        """What is lost by that; empty for nothing. Only --force pays it."""


class Blobs(abc.ABC):
    """A look at a layout of the store. `quick` does not read the contents of blobs."""

    what: str
    costs: str

    def __init__(self, engine: Engine, directory: str, *, quick: bool) -> None:
        self._engine = engine
        self._paths = engine.paths
        self._layout = Layout(directory)
        self._quick = quick
        self._seen: set[str] = set()

    @property
    def entries(self) -> list[Document]:
        """The entries of the index."""
        found: list[Document] = self._layout.index()["manifests"]
        return found

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, each blob once, manifests first: only whole ones name the others."""
        for entry in self.entries:
            tops = self.tops(entry)
            for digest, size, _ in tops:
                yield from self._once(entry, digest, size, manifest=True)
            try:
                parts = self.parts(entry)
            except Error as error:
                if not self._problem(*tops[0][:2]):  # else it was told of
                    yield self._finding(entry, error.message)
                continue
            for digest, size, manifest in parts:
                yield from self._once(entry, digest, size, manifest=manifest)

    def tops(self, entry: Document) -> list[Part]:
        """The manifest of an entry, and what else is known without reading it."""
        return [(str(entry["digest"]), int(entry.get("size", -1)), True)]

    @abc.abstractmethod
    def parts(self, entry: Document) -> list[Part]:
        """What an entry's manifest names. Raises ImageError for a damaged one."""

    @abc.abstractmethod
    def places(self, entry: Document, digest: str) -> Places:
        """Where to fetch a blob again, if it is one of this entry. Raises ImageError."""

    @abc.abstractmethod
    def fetch(self, digest: str, size: int, places: Places, *, manifest: bool) -> None:
        """Fetch a blob again. Raises ImageError."""

    @abc.abstractmethod
    def remove(self, name: str) -> None:
        """Remove an image or artifact. Raises NotFound."""

    def _once(
        self, entry: Document, digest: str, size: int, *, manifest: bool
    ) -> Iterator[Finding]:
        """Look at a blob, unless that was done for another entry."""
        if digest in self._seen:
            return
        self._seen.add(digest)
        if problem := self._problem(digest, size):

            def fetch() -> None:
                self.fetch(digest, size, self._all_places(digest), manifest=manifest)

            yield self._finding(entry, problem, fetch)

    def _all_places(self, digest: str) -> Places:
        places = []
        for entry in self.entries:
            try:
                places += self.places(entry, digest)
            except Error:
                continue  # a damaged manifest, or a name that is none
        return places

    def _problem(self, digest: str, size: int) -> str:
        """Return what is wrong with a blob, "" for nothing."""
        path = self._layout.blob_path(digest)
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

    def _finding(
        self, entry: Document, problem: str, mend: Callable[[], object] | None = None
    ) -> Finding:
        name = name_of(entry) or list_of(entry) or str(entry["digest"])

        def remove() -> None:
            try:
                self.remove(name)
            except NotFound:
                pass  # with another of its names

        return Finding(f"{self.what} {name}: {problem}", remove, costs=self.costs, mend=mend)


class ImageBlobs(Blobs):
    """The blobs of images and manifest lists."""

    what = "image"
    costs = "the image: pull or load it again"

    def __init__(self, engine: Engine, *, quick: bool) -> None:
        super().__init__(engine, engine.paths.images, quick=quick)

    def tops(self, entry: Document) -> list[Part]:
        """Docker's own manifest is another than ours."""
        sources = [] if list_of(entry) else sources_of(entry)[-1:]
        return [*super().tops(entry), *((one, -1, True) for one in sources)]

    def parts(self, entry: Document) -> list[Part]:
        """Of a list what is here of its images."""
        if not list_of(entry):
            return [_part(one) for one in Image(self._paths, entry, []).parts]
        image = ListImage(self._paths, entry, [])
        manifests = {one["digest"] for one in image.manifests}
        return [_part(one, manifest=one["digest"] in manifests) for one in image.parts]

    def places(self, entry: Document, digest: str) -> Places:
        """An image's own name; of a list where its members are from."""
        if not list_of(entry):
            sources = sources_of(entry)
            known = {str(entry["digest"]), *sources}
            if not sources or not (digest in known or _names(self.parts(entry), digest)):
                return []
            return [(reference.parse(name_of(entry)), sources)]
        image = ListImage(self._paths, entry, [])
        names = image.origins
        found = list(names.values())  # the list itself may be there, if it is as it came
        if digest != entry["digest"]:
            members = [one for one in image.members if one["digest"] in names]
            found = [names[one["digest"]] for one in members if digest in image.made_of(one)]
        return [(reference.parse(name), []) for name in dict.fromkeys(found)]

    def fetch(self, digest: str, size: int, places: Places, *, manifest: bool) -> None:
        """Fetch a blob again. Raises ImageError."""
        with Mending(self._paths) as intake:
            fetch_again(intake, LayerTransfers, digest, size, places, manifest=manifest)

    def remove(self, name: str) -> None:
        """Remove an image. Raises NotFound."""
        self._engine.images.remove([name], force=True)


class ArtifactBlobs(Blobs):
    """The blobs of artifacts, whose manifests are here as registries have them."""

    what = "artifact"
    costs = "the artifact: pull or add it again"

    def __init__(self, engine: Engine, *, quick: bool) -> None:
        super().__init__(engine, engine.paths.artifacts, quick=quick)

    def parts(self, entry: Document) -> list[Part]:
        """Its files, and the configuration."""
        blobs = Artifact(self._layout, entry).manifest.blobs.values()
        return [(blob.digest, blob.size, False) for blob in blobs]

    def places(self, entry: Document, digest: str) -> Places:
        """Its name, where it was pulled; a file that was added later is not there."""
        pulled = sources_of(entry)
        if not pulled or not (digest == entry["digest"] or _names(self.parts(entry), digest)):
            return []
        return [(reference.parse(name_of(entry)), [])]

    def fetch(self, digest: str, size: int, places: Places, *, manifest: bool) -> None:
        """Fetch a blob again. Raises ImageError."""
        with Intake(self._paths) as intake:
            fetch_again(intake, Transfers, digest, size, places, manifest=manifest)

    def remove(self, name: str) -> None:
        """Remove an artifact. Raises NotFound."""
        self._engine.artifacts.remove([name])


def _part(descriptor: Document, *, manifest: bool = False) -> Part:
    return str(descriptor["digest"]), int(descriptor.get("size", -1)), manifest


def _names(parts: list[Part], digest: str) -> bool:
    return any(one == digest for one, _, _ in parts)
