"""Where the cache comes from and goes to: plain values, parsed and checked."""

from __future__ import annotations

KINDS = ("local", "registry", "inline")
MODES = ("min", "max")
TAG = "latest"
"""Of a directory that is given none; BuildKit's."""


class Carrier:
    """One place that a cache is read from or written to."""

    def __init__(self, kind: str, place: str = "") -> None:
        self.kind = kind
        """One of KINDS."""
        self.place = place
        """An absolute path, or the name of an image with its registry."""
        self.tag = ""
        """Of a directory, TAG for none."""
        self.digest = ""
        """Of the manifest in a directory, where it is not found by its tag."""
        self.everything = False
        """Whether the layers of stages are written of which the image has none (mode=max)."""
        self.compression = "gzip"
        """gzip, zstd, or "" for none."""
        self.level = 0
        self.lenient = False
        """Whether it is no error where it cannot be written."""
        self.mounts = False
        """Whether what RUN --mount=type=cache keeps goes along."""
        self.tls_verify: bool | None = None
        """As of `images.transfer.access`; None for what is so for all."""

    def __str__(self) -> str:
        if self.kind == "local":
            tag = f":{self.tag}" if self.tag and self.tag != TAG else ""
            return f"{self.place}{tag}" + (f"@{self.digest}" if self.digest else "")
        return self.place or "the image"

    def is_same(self, other: Carrier) -> bool:
        """Whether what the other has is here as well."""
        return (self.kind, self.place) == (other.kind, other.place)
