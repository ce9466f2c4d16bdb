"""sigstore's signatures with plain public keys, as cosign and skopeo attach them to images.

Beside the image `sha256:ab…` its repository has the tag `sha256-ab….sig`: an image manifest with a
layer for each signature. The layer is what was signed (see signatures.claims), the signature itself
is an annotation of it (cosign, SIGNATURE_SPEC.md).
"""

from __future__ import annotations

import binascii

from rootless.oci import models
from rootless.oci.digest import Digest
from rootless.oci.errors import ImageError, RegistryError, SignatureError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from rootless.oci.distribution.http import Response
    from rootless.oci.transports import Fetched

    class Source(Protocol):
        """A repository, as distribution.registry.Repository is one."""

        def find(self, reference: str) -> Fetched | None:
            """The manifest that a tag names, None for none."""

        def blob(self, digest: str) -> Response:
            """Begin to fetch a blob."""


PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"
MAX_PAYLOAD = 1 << 20
MAX_SIGNATURES = 64


class Attached:
    """A signature that was attached to an image: its `payload` and the `signature` of that."""

    def __init__(self, payload: bytes, signature: bytes) -> None:
        self.payload = payload
        self.signature = signature


def attached(source: Source, digest: str) -> Iterator[Attached]:
    """Yield the signatures attached to a manifest. Raises SignatureError."""
    for layer in found(source, digest)[1][:MAX_SIGNATURES]:
        text = (layer.annotations or {}).get(ANNOTATION)
        if layer.media_type == PAYLOAD and text is not None:
            yield Attached(payload(source, layer), _decoded(text))


def tag_of(digest: str) -> str:
    """The tag of what is attached to a manifest."""
    return f"{digest.replace(':', '-')}.sig"


def found(source: Source, digest: str) -> tuple[bytes, list[models.Descriptor]]:
    """Return the manifest of what is attached to a manifest, and its layers: one for each.

    Empty where there is nothing. Raises SignatureError.
    """
    tag = tag_of(digest)
    try:
        fetched = source.find(tag)
        if fetched is None:
            return b"", []
        if models.kind_of(fetched.data, fetched.media_type, f"manifest {tag}") != "manifest":
            raise SignatureError(f"{tag} is an index")
        layers = models.decode(fetched.data, models.Manifest, f"manifest {tag}").layers
        for layer in layers:
            layer.check()
    except (RegistryError, ImageError) as error:
        raise SignatureError(f"no sigstore signatures: {error.message}") from error
    return fetched.data, layers


def payload(source: Source, layer: models.Descriptor) -> bytes:
    """Return what was signed, at most a megabyte. Raises SignatureError."""
    try:
        with source.blob(layer.digest) as response:
            data = response.body(MAX_PAYLOAD)
    except RegistryError as error:
        raise SignatureError(f"the payload of a signature: {error.message}") from error
    if Digest.of(data) != layer.digest:
        raise SignatureError(f"the payload of a signature is not what {layer.digest} names")
    return data


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise SignatureError("a sigstore signature is no base64") from error


class Keys:
    """Public keys in PEM. Raises SignatureError for what is none of ECDSA, RSA or Ed25519."""

    def __init__(self, data: bytes) -> None:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            self._key: Any = load_pem_public_key(data)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise SignatureError("this is no public key in PEM") from error
        good = (ec.EllipticCurvePublicKey, rsa.RSAPublicKey, ed25519.Ed25519PublicKey)
        if not isinstance(self._key, good):
            raise SignatureError("only ECDSA, RSA and Ed25519 keys are supported")

    def open(self, signed: Attached) -> bytes:
        """Return the payload. Raises SignatureError unless the key signed it."""
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

        try:
            if isinstance(self._key, ec.EllipticCurvePublicKey):
                self._key.verify(signed.signature, signed.payload, ec.ECDSA(hashes.SHA256()))
            elif isinstance(self._key, rsa.RSAPublicKey):
                scheme = padding.PKCS1v15()
                self._key.verify(signed.signature, signed.payload, scheme, hashes.SHA256())
            else:
                self._key.verify(signed.signature, signed.payload)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
            raise SignatureError("the signature does not fit the key") from error
        return signed.payload
