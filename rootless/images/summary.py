"""One line about an image: its name as docker shows it, podman's JSON of it."""

from __future__ import annotations

import time

from rootless.oci import reference
from rootless.oci.errors import InvalidReference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.images.image import Image

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


def podman(image: Image) -> dict[str, Any]:
    """Return an image as an element of podman's JSON list."""
    digests = [digest for name in image.names for digest in image.digests_of(name)]
    repositories = [reference.parse(name).name for name in image.names if reference.is_valid(name)]
    known = image.manifest_digest
    return {
        "Id": image.id,
        "ParentId": "",
        "RepoTags": image.names,
        "RepoDigests": list(dict.fromkeys(f"{name}@{known}" for name in repositories)),
        "Size": image.size,
        "SharedSize": 0,
        "VirtualSize": image.size,
        "Labels": (image.config.get("config") or {}).get("Labels"),
        "Containers": 0,
        "Names": image.names,
        "Digest": (digests or [known])[0],
        "History": image.names,
        "Created": int(image.created),
        "CreatedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(image.created)),
        "ReadOnly": image.readonly,
        "Dangling": not image.names,
    }
