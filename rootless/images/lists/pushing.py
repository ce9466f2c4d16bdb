"""`manifest push`: a manifest list to a registry or another place, by default with its members."""

from __future__ import annotations

import contextlib

from rootless.errors import UsageError, named
from rootless.images.transfer.access import Access
from rootless.images.transfer.copying import copy
from rootless.images.transfer.places import open_source, open_target
from rootless.oci import reference, transports
from rootless.oci.transports import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.finding import Finder
    from rootless.images.lists.list import ListImage
    from rootless.images.transfer.wish import CopyWish
    from rootless.teller import Teller


def target_of(images: Finder, ref: str, target: str) -> str:
    """Return where a list is pushed to: its own name unless said. Raises UsageError for none."""
    name = target or images.name_of(ref)
    if not name:
        raise UsageError(f"{ref} is no name: where is it to be pushed to?", "push LIST NAME")
    return name


def push(
    images: Finder, image: ListImage, target: str, wish: CopyWish, access: Access, teller: Teller
) -> str:
    """Push a list to `target`, a name in a registry or another place; return its digest there.

    Raises UsageError for a place that can have none, and what copying raises.
    """
    place = transports.parse(target)
    if place.transport == "containers-storage":
        place = Location("docker", place.path)
    if place.path.startswith("localhost/"):
        raise UsageError(f"{target} is a name of this machine alone", "push LIST REGISTRY/NAME")
    here = Location("containers-storage", image.id)
    if wish.everything:
        both = (_for_members(image, place, access), access)
        return copy(images, str(here), str(place), wish, both, teller)
    if wish.media_type:
        raise UsageError(
            f"{named('format')} changes the images of a list: it goes with {named('everything')}"
        )
    source = open_source(images, here, access)
    with contextlib.closing(open_target(images.paths, place, access, source)) as there:
        there.finish(source.manifest())
    return image.stored_digest


def _for_members(image: ListImage, place: Location, access: Access) -> Access:
    """How members are reached: credentials for where they go to are for no other registry."""
    domains = {reference.parse(name).domain for name in image.origins.values()}
    if place.transport == "docker" and domains <= {reference.parse(place.path).domain}:
        return access
    return Access(tls_verify=access.tls_verify, authfile=access.authfile)
