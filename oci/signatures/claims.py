"""What a signature claims: the payload of simple signing and of sigstore, read strictly.

    {"critical": {"type": ..., "image": {"docker-manifest-digest": ...},
                  "identity": {"docker-reference": ...}}, "optional": {...}}

containers-signature(5); sigstore's "simple signing" payload has another type. A key that is not
known, or is there twice, could mean something to somebody else: such a payload is refused.
"""

from __future__ import annotations

from rootless.oci import jsonio
from rootless.oci.digest import Digest, Hasher
from rootless.oci.errors import DigestError, SignatureError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ATOMIC = "atomic container signature"
COSIGN = "cosign container image signature"


class Claim:
    """`digest` of a manifest, and the `name` that it was signed for."""

    def __init__(self, payload: bytes, kind: str) -> None:
        """Raises SignatureError for a payload that is none of this kind."""
        whole = _object(_parsed(payload), "the payload", ("critical", "optional"))
        critical = _object(whole["critical"], "critical", ("type", "image", "identity"))
        image = _object(critical["image"], "image", ("docker-manifest-digest",))
        identity = _object(critical["identity"], "identity", ("docker-reference",))
        if critical["type"] != kind:
            raise SignatureError(f"the signature is of another type than {kind!r}")
        _check_optional(whole["optional"], required=kind == ATOMIC)
        self.digest = _text(image["docker-manifest-digest"], "docker-manifest-digest")
        self.name = _text(identity["docker-reference"], "docker-reference")

    def check_manifest(self, manifest: bytes) -> None:
        """Raises SignatureError unless the claim is about these bytes."""
        try:
            digest = Digest.parse(self.digest)
        except DigestError as error:
            raise SignatureError(f"the signature is for no digest: {error.message}") from error
        hasher = Hasher(digest.algorithm)
        hasher.update(manifest)
        if hasher.digest != digest:
            raise SignatureError(f"the signature is for {digest}, not for {hasher.digest}")


def strict_json(data: bytes) -> Any:
    """The JSON in `data`. Raises ValueError, also where an object has a key twice."""
    return jsonio.loads(data.decode(), once=True)


def _parsed(payload: bytes) -> object:
    try:
        return strict_json(payload)
    except ValueError as error:
        raise SignatureError(f"the payload of the signature is no JSON: {error}") from error


def _object(value: object, name: str, keys: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(value, dict) or set(value) != set(keys):
        raise SignatureError(f"{name} of the signature has not exactly {' and '.join(keys)}")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise SignatureError(f"{name} of the signature is no text")
    return value


def _check_optional(value: object, *, required: bool) -> None:
    if value is None and not required:
        return
    if not isinstance(value, dict):
        raise SignatureError("optional of the signature is no object")
    stamp = value.get("timestamp", 0)
    if not isinstance(value.get("creator", ""), str) or not (
        isinstance(stamp, int) or (isinstance(stamp, float) and stamp.is_integer())
    ):
        raise SignatureError("optional of the signature has a malformed creator or timestamp")
