"""What is to become of a built stage."""

from __future__ import annotations

FILES = ("local", "tar")
"""Kinds that are files alone: they need no image."""

ARCHIVES = {"oci": "oci-archive", "docker": "docker-archive"}
KINDS = (*FILES, *ARCHIVES, "image", "registry")


class Output:
    """One place that it goes to."""

    def __init__(self, kind: str, place: str = "") -> None:
        self.kind = kind
        """One of KINDS."""
        self.place = place
        """An absolute path, or - for standard output; empty for the store."""
        self.push = False
        """Whether it goes to the registry of each of its names."""
        self.unpacked = False
        """Whether an archive is to be a directory."""
        self.compression = ""
        """Of layers in archives and registries: gzip, zstd or uncompressed."""
        self.level = 0
        self.prefix = ""
        """With which the names of attestations begin, among files."""
        self.docker = False
        """Whether registries get docker's format."""

    @property
    def is_files(self) -> bool:
        """Whether it is the files alone, without an image."""
        return self.kind in FILES
