"""A package that an image has, and its name for everybody (purl)."""

from __future__ import annotations

from urllib.parse import quote

from rootless.build.dockerfile.plain import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 1024
"""Characters of a name or a version. Longer ones are no package's."""

MOST = 50_000
"""Packages of one image."""


class Package(Value):
    """One package."""

    __slots__ = ("kind", "licenses", "name", "place", "purl", "supplier", "version")

    def __init__(self, kind: str, name: str, version: str, place: str) -> None:
        self.kind = kind
        """deb, apk, rpm or pypi."""
        self.name = name
        self.version = version
        self.place = place
        """The path of the database that tells of it, or of its own file."""
        self.purl = ""
        self.licenses: list[str] = []
        """As the package names them; all of them hold."""
        self.supplier = ""

    @property
    def order(self) -> tuple[str, str, str, str, str]:
        """What it is sorted by."""
        return self.kind, self.name, self.version, self.purl, self.place


class System(Value):
    """The distribution of an image, as its os-release says."""

    __slots__ = ("id", "version")

    def __init__(self, id: str = "", version: str = "") -> None:  # noqa: A002 - its own word
        self.id = id
        self.version = version

    @property
    def distro(self) -> str:
        """ID-VERSION, as purls have it."""
        return "-".join(filter(None, (self.id, self.version)))


def purl(kind: str, space: str, name: str, version: str, more: Mapping[str, str]) -> str:
    """Return `pkg:KIND/SPACE/NAME@VERSION?KEY=VALUE` (purl-spec)."""
    way = "/".join(quote(part, safe="", errors="replace") for part in (space, name) if part)
    after = f"@{quoted(version)}" if version else ""
    pairs = "&".join(f"{key}={quoted(more[key])}" for key in sorted(more) if more[key])
    return f"pkg:{kind}/{way}{after}{'?' if pairs else ''}{pairs}"


def quoted(text: str) -> str:
    """Return a part of a package URL: colons stay as they are."""
    return quote(text, safe=":", errors="replace")


def is_plausible(name: str, version: str) -> bool:
    """Whether a package can be called so."""
    texts = (name, version)
    return bool(name) and all(len(one) <= LONGEST and one.isprintable() for one in texts)
