"""How an image is to be written, beyond as it is: its format, and how layers are compressed."""

from __future__ import annotations

from rootless.errors import UsageError, named
from rootless.oci import layout, manifests
from rootless.oci.layers.compression import LEVELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

FORMATS = {
    "": "",
    "oci": layout.OCI_MANIFEST,
    "v2s2": layout.DOCKER_MANIFEST,
    "docker": layout.DOCKER_MANIFEST,
}


class Wish:
    """How an image is to be pushed; "" and 0 leave it as it is."""

    def __init__(self, format_: str = "", compression: str = "", level: int = 0) -> None:
        """Raises UsageError for what is not known, or cannot be together."""
        if format_ not in FORMATS:
            raise UsageError(f"unknown format {format_!r}", "oci or v2s2")
        if compression and compression not in LEVELS:
            raise UsageError(f"unknown compression {compression!r}", "gzip or zstd")
        if compression == "zstd" and FORMATS[format_] == layout.DOCKER_MANIFEST:
            hint = f"{named('format')} oci"
            raise UsageError(f"the format {format_} knows no {compression}", hint)
        most = LEVELS[compression or "gzip"]
        if not 0 <= level <= most:
            raise UsageError(f"{compression or 'gzip'} has no level {level}", f"1 to {most}")
        self.media_type = FORMATS[format_]
        self.compression = compression
        self.level = level

    def of(self, layer: Document) -> str:
        """Return how a layer is to be compressed, "" where it stays as it is."""
        now = compression_of(layer)
        wanted = self.compression or now or "gzip"
        return "" if wanted == now else wanted


class CopyWish(Wish):
    """The same of a copy, and what of it is to be copied."""

    def __init__(
        self,
        *,
        everything: bool = False,
        platform: str = "",
        format_: str = "",
        compression: str = "",
        level: int = 0,
        remove_signatures: bool = False,
    ) -> None:
        """Raises UsageError for what is not known, or cannot be together."""
        super().__init__(format_, compression, level)
        self.everything = everything
        """An index with all that it names, instead of the image for one platform."""
        self.platform = platform
        self.remove_signatures = remove_signatures
        if everything and platform:
            raise UsageError(f"all platforms and {platform} alone contradict each other")
        if level and not compression:
            raise UsageError(f"level {level} of which compression?", f"{named('compression')} gzip")


def whole(wish: Wish, *, everything: bool) -> CopyWish:
    """Return the wish of a push as one of a copy, of `everything` or of one image."""
    names = {kind: name for name, kind in FORMATS.items() if name != "docker"}
    return CopyWish(
        everything=everything,
        format_=names[wish.media_type],
        compression=wish.compression,
        level=wish.level,
    )


def compression_of(layer: Document) -> str:
    """How the layer of a descriptor is compressed by its media type, "" for not."""
    return manifests.LAYER_TYPES.get(str(layer.get("mediaType")), "").removeprefix("+")
