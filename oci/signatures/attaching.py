"""The signatures of an image in a registry as a whole: to take them along, and to attach them."""

from __future__ import annotations

from functools import partial

from rootless.oci import jsonio, layout, manifests
from rootless.oci.digest import Digest
from rootless.oci.distribution.upload import Whole, bring
from rootless.oci.errors import SignatureError
from rootless.oci.signatures import sigstore
from rootless.oci.signatures.lookaside import Lookaside
from rootless.oci.signatures.signature import Signature, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rootless.oci.distribution.registry import Repository

    Document = dict[str, Any]


def signatures(repository: Repository, digest: str) -> list[Signature]:
    """Return all signatures of a manifest that registries.d tells of. Raises SignatureError.

    Sigstore's with all that is attached in their place, such as certificates and attestations.
    """
    settings, name = Lookaside(), repository.name
    there = f"a signature of {name.familiar}"
    found = [decode(data, there) for data in settings.signatures(name, digest)]
    if settings.has_attachments(name):
        _, layers = sigstore.found(repository, digest)
        if len(layers) > sigstore.MAX_SIGNATURES:
            raise SignatureError(f"{name.familiar} has {len(layers)} signatures, which is too many")
        for layer in layers:
            payload = sigstore.payload(repository, layer)
            found.append(Signature(layer.media_type, payload, layer.annotations))
    return found


def attach(repository: Repository, digest: str, new: Sequence[Signature]) -> None:
    """Add signatures of sigstore to those that a manifest has there. Raises RegistryError."""
    data, _ = sigstore.found(repository, digest)
    document: Document = jsonio.loads(data) if data else {"schemaVersion": 2, "layers": []}
    layers: list[Document] = document["layers"]
    missing = [one for one in new if not any(_same(_layer(one), layer) for layer in layers)]
    if not missing:
        return
    layers += map(_layer, missing)
    # As cosign and skopeo make it: the layers are what is signed, and not compressed.
    rootfs = {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}
    about = manifests.encode({"architecture": "", "os": "", "config": {}, "rootfs": rootfs})
    for blob in (*(one.payload for one in missing), about):
        whole = partial(lambda blob, start: iter([blob[start:]]), blob)
        bring(repository, Whole(Digest.of(blob), len(blob), whole), "")
    config = {"mediaType": layout.OCI_CONFIG, **document.get("config", {})}
    document["config"] = {**config, "digest": Digest.of(about), "size": len(about)}
    kind = document["mediaType"] = document.get("mediaType") or layout.OCI_MANIFEST
    repository.put_manifest(sigstore.tag_of(digest), manifests.encode(document), kind)


def _layer(one: Signature) -> Document:
    told = {"mediaType": one.media_type, "digest": Digest.of(one.payload), "size": len(one.payload)}
    return {**told, "annotations": one.annotations} if one.annotations else told


def _same(one: Document, other: Document) -> bool:
    keys = ("mediaType", "digest", "size", "annotations")
    return all(one.get(key) == other.get(key) for key in keys)
