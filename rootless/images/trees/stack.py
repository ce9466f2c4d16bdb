"""Layers upon each other, by what the manifest and the configuration of an image say of them."""

from __future__ import annotations

from rootless.oci.layout import chain_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.images.image import Image

    Document = dict[str, Any]


class Stack:
    """Layers upon each other, the lowest first: their descriptors and their diff ids."""

    def __init__(self, parts: list[Document], diff_ids: list[str]) -> None:
        self.parts = parts
        self.diff_ids = diff_ids

    @staticmethod
    def of(image: Image) -> Stack:
        """Return those of an image. Raises ImageError for a damaged one."""
        return Stack(list(image.manifest["layers"]), list(image.config["rootfs"]["diff_ids"]))

    def with_layer(self, part: Document, diff_id: str) -> Stack:
        """Return a stack with one more on top."""
        return Stack([*self.parts, part], [*self.diff_ids, diff_id])

    @property
    def chains(self) -> list[str]:
        """Their chain ids (image-spec, config.md), by which the store knows them unpacked."""
        return chain_ids(self.diff_ids)
