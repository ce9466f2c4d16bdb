"""One line about an image: its name as docker shows it."""

from __future__ import annotations

from rootless.oci import reference
from rootless.oci.errors import InvalidReference

NONE = "<none>"


def split(name: str) -> tuple[str, str]:
    """Return repository and tag as docker shows them."""
    if not name:
        return NONE, NONE
    try:
        parsed = reference.parse(name)
    except InvalidReference:  # written by another program into the layout
        return name, NONE
    return parsed.familiar_name, parsed.tag or NONE
