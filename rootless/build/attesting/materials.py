"""What a build has taken from elsewhere: images, repositories and files of the web."""

from __future__ import annotations

from rootless.build.dockerfile.plain import Value
from rootless.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Material(Value):
    """One of them. URIs have neither passwords nor queries in them."""

    __slots__ = ("algorithm", "digest", "uri")

    def __init__(self, uri: str, algorithm: str, digest: str) -> None:
        self.uri = uri
        self.algorithm = algorithm
        """sha256, or sha1 of a git commit."""
        self.digest = digest

    @property
    def document(self) -> dict[str, Any]:
        """As provenance has it."""
        return {"uri": self.uri, "digest": {self.algorithm: self.digest}}


class Materials:
    """Those of one build."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Material] = {}
        self._images: list[tuple[str, str, str]] = []
        """Name, digest and platform: most builds say nothing of them, and need no URLs."""
        self.network = False
        """Whether a command could reach a network."""

    def add(self, one: Material) -> None:
        """Take one, which may be known."""
        self._known.setdefault((one.uri, one.digest), one)

    def add_image(self, name: str, digest: str, platform: str) -> None:
        """Take an image by the digest that it is known by."""
        self._images.append((name, digest, platform))

    @property
    def all(self) -> list[Material]:
        """All of them, in order."""
        for name, digest, platform in self._images:
            algorithm, _, digits = digest.partition(":")
            self.add(Material(image_uri(name, platform), algorithm, digits))
        return [self._known[key] for key in sorted(self._known)]


def image_uri(name: str, platform: str) -> str:
    """Return the package URL of an image, as BuildKit writes it: pkg:docker/alpine@3.17?…"""
    from rootless.build.attesting.packages import quoted

    digest, kind = "", "docker"
    if name.startswith("oci:"):  # a layout of this machine, of which nobody else knows the place
        kind, tag, name = "oci", "", name.rpartition("/")[2]
    elif reference.is_valid(name):
        parsed = reference.parse(name)
        digest = str(parsed.digest or "")
        tag = parsed.tag or ("" if digest else "latest")
        name = parsed.familiar_name
    else:
        tag = ""
    way = "/".join(quoted(part) for part in name.split("/"))
    pairs = {"digest": digest, "platform": platform}
    more = "&".join(f"{key}={quoted(value)}" for key, value in pairs.items() if value)
    return f"pkg:{kind}/{way}{f'@{quoted(tag)}' if tag else ''}{'?' if more else ''}{more}"
