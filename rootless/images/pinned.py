"""Images that are asked for with a digest, NAME@DIGEST: it is the digest that has to be right."""

from __future__ import annotations

from rootless.images.entries import pushed_of, sources_of
from rootless.oci import reference
from rootless.oci.errors import ImageError, InvalidReference
from rootless.oci.layout import name_of, parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.store.paths import Paths

    Document = dict[str, Any]


def find(entries: list[Document], ref: str, shared: Paths | None) -> Document | None:
    """Return the entry that the registry knows by this digest, under this repository.

    `shared` is the shared store whose entries they are, None for the user's own.
    """
    try:
        parsed = reference.parse(ref)
    except InvalidReference:
        return None
    local = f"localhost/{parsed.familiar_name}"
    for entry in entries:
        name = reference.full(name_of(entry))
        repository = reference.parse(name).name if reference.is_valid(name) else name
        if not name_of(entry) or repository not in (parsed.name, local):
            continue
        pushed = shared is None and f"{repository}@{parsed.digest}" in pushed_of(entry)
        if pushed or parsed.digest in digests_of(entry, shared):
            return entry
    return None


def digests_of(entry: Document, shared: Paths | None) -> list[str]:
    """Return the digests by which a registry knows the image of an entry.

    That of a shared store may claim any. It is believed of a manifest with the same parts, such as
    docker's, and of an index that leads to it, if they are there.
    """
    claimed = sources_of(entry)
    if shared is None:
        return [str(entry["digest"]), *claimed]
    from rootless.images.shared import SharedLayout

    layout = SharedLayout(shared.images)
    try:
        descriptor, manifest = layout.manifest(entry)
    except ImageError:
        return []
    parts = _digests(parts_of(manifest))
    found = [str(entry["digest"]), str(descriptor["digest"])]
    for digest in reversed(claimed):  # the index comes before what was chosen of it
        try:
            document = layout.document(digest)
            if "manifests" in document:
                fits = not set(found).isdisjoint(_digests(document["manifests"]))
            else:
                fits = _digests(parts_of(document)) == parts
        except (ImageError, KeyError, TypeError):
            continue  # not here, or something else
        if fits:
            found.append(digest)
    return found


def _digests(parts: list[Document]) -> list[str]:
    return [part["digest"] for part in parts]
