"""Events of images: what happened to which, by its id and the name that was used."""

from __future__ import annotations

from rootless.errors import Ambiguous, NotFound
from rootless.images.entries import identity, list_of
from rootless.images.image import Image
from rootless.oci import reference
from rootless.oci.layout import Layout, name_of
from rootless.store import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rootless.images.finding import Finder

    Document = dict[str, Any]


def tell(images: Finder, action: str, refs: Sequence[str]) -> None:
    """Record what happened to the images that `refs` mean now, however many an archive brought."""
    named: dict[str, Document] = {}
    if len(refs) > 1:
        entries = Layout(images.paths.images).index()["manifests"]
        named = {reference.full(name_of(entry)): entry for entry in entries if name_of(entry)}
    ids: dict[str, str] = {}
    told = []
    for ref in refs:
        known = ref if reference.is_digest(ref) else ""
        if ref in named:
            key = identity(named[ref])
            known = ids.get(key) or _id_of(images, named[ref])
            ids[key] = known
        told.append((known or _found(images, ref) or ref, ref))
    events.record_all(images.paths.root, "image", action, told)


def tell_lost(images: Finder, action: str, ref: str) -> None:
    """Record that a name or an image went: what it means now, if anything, is another image."""
    events.record_all(images.paths.root, "image", action, [(ref, ref)])


def _id_of(images: Finder, entry: Document) -> str:
    return f"sha256:{list_of(entry) or Image(images.paths, entry, []).id}"


def _found(images: Finder, ref: str) -> str:
    try:
        image = images.look(ref)
    except (Ambiguous, NotFound):  # by now, with the name that it got
        return ""
    return "" if image.host else f"sha256:{image.id}"
