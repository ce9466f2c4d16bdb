"""One artifact of the store: what its manifest says."""

from __future__ import annotations

from rootless.images.entries import sources_of
from rootless.oci import artifacts, jsonio, manifests
from rootless.oci.layout import name_of
from rootless.oci.reading import document, open_file
from rootless.times import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.oci.layout import Layout

    Document = dict[str, Any]


class Artifact:
    """An entry of the layout, and what is behind it."""

    def __init__(self, layout: Layout, entry: Document) -> None:
        """Raises ImageError for a damaged one."""
        self.layout = layout
        self.name = name_of(entry)
        self.digest = str(entry["digest"])
        """Of the manifest."""
        self.sources = sources_of(entry)
        """The digests by which the registry of its name knows it; [] where it was made here."""
        path = layout.blob_path(self.digest)
        self.data = document(open_file(path, f"blob {self.digest}"), f"manifest {self.digest}")
        self.manifest = artifacts.decode(self.data, f"the artifact {self.name}")

    @property
    def created(self) -> float:
        """When it was made, in seconds since the epoch; 0 where it does not say."""
        return timestamp((self.manifest.annotations or {}).get(artifacts.CREATED))

    def with_layers(self, layers: list[Document]) -> bytes:
        """Return its manifest with further files."""
        changed: Document = jsonio.loads(self.data)
        changed["layers"] += layers
        return manifests.encode(changed)

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(layer.size for layer in self.manifest.layers)
