"""`manifest inspect --verbose`: the manifests behind a name, each in full, in docker's shape."""

from __future__ import annotations

import binascii
import contextlib

from rootless.oci import models, reference
from rootless.oci.layout import INDEXES, OCI_MANIFEST
from rootless.oci.transports import media_type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.oci.transports import Fetched, Source

    Document = dict[str, Any]


def describe(source: Source, name: str) -> Document | list[Document]:
    """Return the manifest that a place has, or of an index all that it names; close the source.

    Raises what reading them raises.
    """
    with contextlib.closing(source):
        found = source.manifest()
        if _kind(found) not in INDEXES:
            return _one(found, name, {})
        entries = _decoded(found).get("manifests") or []
        return [_one(source.manifest(str(one["digest"])), name, one) for one in entries]


def _one(found: Fetched, name: str, entry: Document) -> Document:
    kind = _kind(found)
    descriptor = {"mediaType": kind, "digest": found.digest, "size": len(found.data)}
    if entry.get("platform"):
        descriptor["platform"] = entry["platform"]
    full = reference.full(name) if reference.is_valid(name) else name
    return {
        "Ref": f"{full.partition('@')[0]}@{found.digest}",
        "Descriptor": descriptor,
        "Raw": binascii.b2a_base64(found.data, newline=False).decode(),
        "OCIManifest" if kind == OCI_MANIFEST else "SchemaV2Manifest": _decoded(found),
    }


def _kind(found: Fetched) -> str:
    return media_type_of(found.data, found.media_type, f"manifest {found.digest}")


def _decoded(found: Fetched) -> Document:
    return models.document_in(found.data, f"manifest {found.digest}")
