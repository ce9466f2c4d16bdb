"""`tag`: one more name for an image."""

from __future__ import annotations

from rootless.errors import NotFound, UsageError
from rootless.images.entries import named
from rootless.images.intake import store_errors
from rootless.oci import reference
from rootless.oci.blobs import locked, write_index
from rootless.oci.layout import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.collection import Images


def tag(images: Images, source: str, target: str) -> None:
    """Give `source` the name `target`. Raises NotFound, InvalidReference, UsageError."""
    name = reference.parse(target)
    if name.digest:
        raise UsageError(f"cannot tag {target}: a name to give cannot have a digest")
    paths = images.paths
    images.get(source)  # says what is wrong before anything is locked
    paths.prepare()
    with store_errors(paths), locked(paths.images):
        index = Layout(paths.images).index()
        descriptor = images.find_entry(index["manifests"], source)
        if descriptor is None:
            raise NotFound(f"no such image: {source}")
        index["manifests"] = named(index["manifests"], [str(name.tagged())], descriptor)
        write_index(paths.images, index)
