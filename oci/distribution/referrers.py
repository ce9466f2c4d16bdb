"""Who refers to a manifest (distribution-spec 1.1, "Listing Referrers").

Registries that know the referrers API keep such lists themselves. For others clients do, in an
index whose tag is made of the digest of the subject: `sha256-<digits>`.
"""

from __future__ import annotations

from rootless.oci import jsonio, layout, manifests, models
from rootless.oci.artifacts import Referrer, Referrers
from rootless.oci.errors import ImageError, RegistryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.oci.distribution.registry import Repository

    Document = dict[str, Any]

_EMPTY: dict[str, Any] = {"schemaVersion": 2, "manifests": []}
ATTEMPTS = 5
"""How often an index is written again because another client wrote it in between."""


def tag_of(subject: str) -> str:
    """The tag of the index of those that refer to `subject` (`Referrers Tag Schema`)."""
    algorithm, _, digits = subject.partition(":")
    return f"{algorithm[:32]}-{digits[:64]}"


def referrers(repository: Repository, subject: str, kind: str = "") -> list[Referrer]:
    """Return what refers to a manifest, of one type if `kind` says so. Raises RegistryError."""
    pages = repository.referrers(subject)
    if pages is None:
        index = repository.find(tag_of(subject))
        pages = [] if index is None else [index.data]
    found: dict[str, Referrer] = {}
    for page in pages:
        for one in models.decode(page, Referrers, f"the referrers of {subject}").manifests:
            one.check()
            found[one.digest] = one
    return [one for one in found.values() if not kind or one.artifact_type == kind]


def enter(repository: Repository, subject: str, descriptor: Document) -> None:
    """See that the index of a subject names a manifest: for a registry that does not see to it.

    Others may do the same at the same time, and nothing holds them off, so it is looked at again.
    """
    tag = tag_of(subject)
    for _ in range(ATTEMPTS):
        known = repository.find(tag)
        document = _index(known.data, tag) if known else _EMPTY
        entries: list[Document] = document["manifests"]
        if any(entry.get("digest") == descriptor["digest"] for entry in entries):
            return
        entries = [*entries, descriptor]
        data = manifests.encode({**document, "mediaType": layout.OCI_INDEX, "manifests": entries})
        if len(data) > layout.MAX_JSON:
            raise RegistryError(f"the index {tag} of {repository.name.familiar_name} is full")
        repository.put_manifest(tag, data, layout.OCI_INDEX)
    raise RegistryError(f"the index {tag} of {repository.name.familiar_name} does not keep entries")


def _index(data: bytes, tag: str) -> Document:
    if models.kind_of(data, "", f"manifest {tag}") != "index":
        raise ImageError(f"the tag {tag} is to be an index of referrers, and is none")
    models.decode(data, Referrers, f"the index {tag}")
    document: Document = jsonio.loads(data)
    return document
