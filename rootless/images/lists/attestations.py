"""Attestations of images: statements about one, in a manifest beside it in an index.

    index ─┬─ manifest of the image                     linux/amd64
           └─ manifest whose layers are statements      unknown/unknown, names the one above

This is how BuildKit stores them. A statement (in-toto) names the image by its digest: where that
becomes another, such as by a push that compresses layers, statement and manifest follow.
"""

from __future__ import annotations

from rootless.oci import jsonio, layout, manifests
from rootless.oci.layout import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Document = dict[str, Any]

STATEMENT = "https://in-toto.io/Statement/v0.1"
LAYER = "application/vnd.in-toto+json"
PREDICATE = "in-toto.io/predicate-type"
"""Annotation of a statement's descriptor."""

REFERENCE = "vnd.docker.reference.digest"
"""Annotation of a manifest's descriptor: what it is about."""

KIND = "vnd.docker.reference.type"
ATTESTATION = "attestation-manifest"

LARGEST = 64 << 20
"""Bytes of a statement that is read to be changed."""

_NOWHERE = {"architecture": "unknown", "os": "unknown"}


class Attested:
    """What is said of an image that is being made."""

    def __init__(self, platform: Document) -> None:
        self.platform = platform
        """The image's own, as a descriptor has it."""
        self.statements: list[tuple[str, Document]] = []
        """Type and content of each predicate."""
        self.subjects: list[str] = []
        """What the image is called in them."""


def is_attestation(descriptor: Document) -> bool:
    """Whether a descriptor in an index is that of a manifest of statements."""
    annotations = descriptor.get("annotations")
    return isinstance(annotations, dict) and annotations.get(KIND) == ATTESTATION


def subject_of(descriptor: Document) -> str:
    """Return the digest of the manifest that an attestation is about, "" where it says none."""
    if not is_attestation(descriptor):
        return ""
    found = descriptor["annotations"].get(REFERENCE)
    return found if isinstance(found, str) else ""


def of_image(entries: Iterable[Document], digest: str) -> list[Document]:
    """Return the descriptors of the attestations of one image."""
    return [one for one in entries if subject_of(one) == digest]


def statement(kind: str, predicate: Document, subjects: list[Document]) -> bytes:
    """Return a statement."""
    return manifests.encode(
        {"_type": STATEMENT, "predicateType": kind, "subject": subjects, "predicate": predicate}
    )


def statements(attested: Attested, digest: str) -> list[tuple[str, bytes]]:
    """Return type and text of what is said of the image with this manifest."""
    about = {"sha256": digest.partition(":")[2]}
    subjects: list[Document] = [
        {"name": name, "digest": about} for name in attested.subjects or ["_"]
    ]
    return [(kind, statement(kind, said, subjects)) for kind, said in attested.statements]


def described(digest: str, size: int, kind: str) -> Document:
    """Return the descriptor of a statement."""
    return {"mediaType": LAYER, "digest": digest, "size": size, "annotations": {PREDICATE: kind}}


def manifest(layers: list[Document]) -> tuple[bytes, bytes]:
    """Return the configuration and the manifest of an attestation with these layers."""
    config = manifests.encode(
        {
            **_NOWHERE,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in layers]},
        }
    )
    part = {"mediaType": layout.OCI_CONFIG, "digest": f"sha256:{sha256(config)}"}
    return config, manifests.make_manifest({**part, "size": len(config)}, layers)


def reference(data: bytes, about: str) -> Document:
    """Return the descriptor of an attestation's manifest in an index."""
    return {
        "mediaType": layout.OCI_MANIFEST,
        "digest": f"sha256:{sha256(data)}",
        "size": len(data),
        "annotations": {REFERENCE: about, KIND: ATTESTATION},
        "platform": dict(_NOWHERE),
    }


def index(entries: list[Document]) -> bytes:
    """Return the index of images and their attestations, images first."""
    document = {
        "schemaVersion": 2,
        "mediaType": layout.OCI_INDEX,
        "manifests": sorted(entries, key=is_attestation),
    }
    return manifests.encode(document)


def moved(data: bytes, before: str, after: str) -> bytes:
    """Return a statement about `before` as one about `after`, which is the same in another form.

    Raises ValueError for what is no statement.
    """
    said = jsonio.loads(data)
    if not isinstance(said, dict) or not isinstance(said.get("subject"), list):
        raise ValueError("no subjects")
    old, new = before.partition(":")[2], after.partition(":")[2]
    for subject in said["subject"]:
        digests = subject.get("digest") if isinstance(subject, dict) else None
        if isinstance(digests, dict) and digests.get("sha256") == old:
            digests["sha256"] = new
    return manifests.encode(said)
