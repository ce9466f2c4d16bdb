"""One line about an image: its name as docker shows it."""

from __future__ import annotations

from rootless.oci import reference
from rootless.oci.errors import InvalidReference

NONE = "<none>"


def tagged(names: list[str]) -> list[str]:
    """Return names without those by digest of which the repository has one by tag, as docker."""
    digests = [name for name in names if reference.has_digest(name)]
    if not digests:
        return names
    repositories = {split(name)[0] for name in names if name not in digests}
    return [name for name in names if name not in digests or split(name)[0] not in repositories]


def split(name: str) -> tuple[str, str]:
    """Return repository and tag as docker shows them."""
    if not name:
        return NONE, NONE
    try:
        parsed = reference.parse(name)
    except InvalidReference:  # written by another program into the layout
        return name, NONE
    return parsed.familiar_name, parsed.tag or NONE
