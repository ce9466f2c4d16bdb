"""The names that a registry is asked for, and those that images of a store have.

The grammar of the distribution-spec, "Pulling manifests", is that of the path of an image's name.
"""

from __future__ import annotations

from rootless.oci import reference
from rootless.oci.errors import InvalidReference
from rootless.oci.reference import is_tag

__all__ = ["GUESTS", "LOCAL", "is_repository", "is_tag", "places"]

LOCAL = "localhost"
"""The domain of images that belong to this machine: what is pushed goes there, and nowhere else."""

GUESTS = "pushed.localhost"
"""The domain of what guests push: a full name alone leads there, and no such host (RFC 6761) has
images of its own, so that none of them ever stands for what somebody else has or looks for."""

_RANKS = {LOCAL: 0, reference.DEFAULT_DOMAIN: 1}


def is_repository(name: str) -> bool:
    """Whether `name` is the name of a repository."""
    try:
        parsed = reference.parse(f"{LOCAL}/{name}")
    except InvalidReference:
        return False
    return parsed.path == name and not (parsed.tag or parsed.digest)


def places(full: str) -> tuple[int, list[str], str]:
    """Where an image of the store is served, by its full name: rank, repositories, and tag.

    The lower rank has a repository and tag that several images would have: the user's own images
    come before those of docker.io, and these before those of other registries.
    """
    try:
        parsed = reference.parse(full)
    except InvalidReference:
        return 3, [], ""
    names = [parsed.path]
    if parsed.domain not in (LOCAL, GUESTS):
        names.append(parsed.name)
    if parsed.domain == reference.DEFAULT_DOMAIN:
        names.append(parsed.familiar_name)
    names = [name for name in dict.fromkeys(names) if is_repository(name)]
    return _RANKS.get(parsed.domain, 2), names, parsed.tag
