"""Entries of the store's index.json: pure functions from entries to entries."""

from __future__ import annotations

from rootless.oci import reference
from rootless.oci.layout import OCI_MANIFEST, REF_NAME, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from typing import Any

    Document = dict[str, Any]


SOURCES = "rootless.source-digests"
"""Annotation of an index entry: the digests, space between, by which a registry knows the image.

They differ from the entry's own where the registry served an index of several platforms, or a
docker manifest that became an OCI one here."""

LIST = "rootless.list"
"""Annotation of an index entry that is a manifest list of the user's own: its id, and when it was
made, in seconds since the epoch. The id stays when members come and go.

Other indexes, such as those pushed to `registry serve`, are images: that for this machine."""

PUSHED = "rootless.pushed-digests"
"""Annotation of an index entry: REPOSITORY@DIGEST under which the image was pushed, latest first.

Manifests of these may be nowhere here: what they are made of was compressed on the way."""

MOST_PUSHED = 8
"""How many pushes are kept of an image."""


def sources_of(descriptor: Document) -> list[str]:
    """The digests by which the image of an index entry was pulled."""
    return _words(descriptor, SOURCES)


def pushed_of(descriptor: Document) -> list[str]:
    """REPOSITORY@DIGEST under which the image of an index entry was pushed."""
    return _words(descriptor, PUSHED)


def _words(descriptor: Document, annotation: str) -> list[str]:
    annotations = descriptor.get("annotations")
    text = annotations.get(annotation) if isinstance(annotations, dict) else None
    return text.split() if isinstance(text, str) else []


def list_of(descriptor: Document) -> str:
    """The id of the manifest list that an index entry is, "" for an image."""
    annotations = descriptor.get("annotations")
    text = annotations.get(LIST) if isinstance(annotations, dict) else None
    return text.partition(" ")[0] if isinstance(text, str) else ""


def identity(descriptor: Document) -> str:
    """What the entries of one image have in common: the manifest's digest, or the id of a list.

    Several lists may have the same digest, such as those that are empty.
    """
    return list_of(descriptor) or str(descriptor["digest"])


def entries_of(entries: Iterable[Document], descriptor: Document) -> list[Document]:
    """Return the entries of the same image, among what may be hundreds."""
    wanted = identity(descriptor)
    if list_of(descriptor):
        return [entry for entry in entries if identity(entry) == wanted]
    return [entry for entry in entries if entry["digest"] == wanted and not list_of(entry)]


def entry_for(digest: str, size: int, sources: Iterable[str] = ()) -> Document:
    """Return an entry for an OCI manifest, and the digests that a registry knows it by."""
    entry: Document = {"mediaType": OCI_MANIFEST, "digest": digest, "size": size}
    known = " ".join(dict.fromkeys(sources))
    if known:
        entry["annotations"] = {SOURCES: known}
    return entry


def pushed_as(entry: Document, name: str) -> Document:
    """Return a copy of an entry whose image was pushed under `name`, REPOSITORY@DIGEST."""
    known = [name, *(one for one in pushed_of(entry) if one != name)][:MOST_PUSHED]
    annotations = {**(entry.get("annotations") or {}), PUSHED: " ".join(known)}
    return {**entry, "annotations": annotations}


def named(entries: list[Document], names: list[str], descriptor: Document) -> list[Document]:
    """Return entries in which `names` mean `descriptor` and nothing else.

    An image that loses its last name by that stays without one, as docker and podman do; without
    names `descriptor` gets an entry only if it has none yet.
    """
    return named_all(entries, [(names, descriptor)])


def named_all(
    entries: list[Document], images: Iterable[tuple[list[str], Document]]
) -> list[Document]:
    """As `named` for one image after the other, (names, descriptor), however many there are."""
    images = list(images)
    wanted = {name: descriptor for names, descriptor in images for name in names}
    rest = unnamed(entries, wanted)
    has_name = {identity(entry) for entry in (*filter(name_of, rest), *wanted.values())}
    rest = [entry for entry in rest if name_of(entry) or identity(entry) not in has_name]
    known = has_name | set(map(identity, rest))
    for _, descriptor in images:
        if identity(descriptor) not in known:  # without a name, or all went to a later one
            known.add(identity(descriptor))
            rest.append(renamed(descriptor, ""))
    return rest + [renamed(descriptor, name) for name, descriptor in wanted.items()]


def unnamed(entries: list[Document], names: Container[str]) -> list[Document]:
    """Return entries without `names`; an image that had no other keeps an entry without one."""
    rest: list[Document] = []
    losers: list[Document] = []
    for entry in entries:
        lost = name_of(entry) and reference.full(name_of(entry)) in names
        (losers if lost else rest).append(entry)
    kept = set(map(identity, rest))
    for entry in losers:
        if identity(entry) not in kept:
            kept.add(identity(entry))
            rest.append(renamed(entry, ""))
    return rest


def renamed(descriptor: Document, name: str) -> Document:
    """Return a copy of an entry with another name, "" for none."""
    annotations = dict(descriptor.get("annotations") or {})
    annotations.pop(REF_NAME, None)
    if name:
        annotations[REF_NAME] = name
    entry = {key: value for key, value in descriptor.items() if key != "annotations"}
    if annotations:
        entry["annotations"] = annotations
    return entry
