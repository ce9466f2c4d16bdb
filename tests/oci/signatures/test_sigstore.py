"""Public keys in PEM, and the signatures that are attached to images."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa

from rootless.oci.digest import Digest
from rootless.oci.errors import RegistryError, SignatureError
from rootless.oci.signatures.sigstore import (
    ANNOTATION,
    MAX_SIGNATURES,
    PAYLOAD,
    Attached,
    Keys,
    attached,
)
from rootless.oci.transports import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable

    Signer = Callable[[bytes], bytes]

pytestmark = pytest.mark.once

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def signer(kind: str) -> tuple[bytes, Signer]:
    """A new key: the public half in PEM, and what signs with it as cosign does."""
    if kind == "rsa":
        one = rsa.generate_private_key(65537, 2048)
        return pem(one), lambda data: one.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if kind == "ed25519":
        two = ed25519.Ed25519PrivateKey.generate()
        return pem(two), two.sign
    curve = ec.SECP256R1() if kind == "p256" else ec.SECP384R1()
    three = ec.generate_private_key(curve)
    return pem(three), lambda data: three.sign(data, ec.ECDSA(hashes.SHA256()))


def pem(key: Any) -> bytes:
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return bytes(key.public_key().public_bytes(*form))


@pytest.mark.parametrize("kind", ["rsa", "ed25519", "p256", "p384"])
def test_a_signature_fits_its_key_and_payload_alone(kind: str) -> None:
    public, sign = signer(kind)
    key, payload = Keys(public), b'{"critical": 1}'
    good = sign(payload)
    assert key.open(Attached(payload, good)) == payload
    other = signer(kind)[1](payload)
    for signed in (payload + b" ", good), (payload, other), (payload, good[:-1]), (payload, b""):
        with pytest.raises(SignatureError, match="does not fit the key"):
            key.open(Attached(*signed))


@pytest.mark.parametrize(
    "data", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_key(data: bytes) -> None:
    with pytest.raises(SignatureError, match="no public key in PEM"):
        Keys(data)


def test_a_kind_of_key_that_is_not_supported() -> None:
    with pytest.raises(SignatureError, match="only ECDSA, RSA and Ed25519"):
        Keys(pem(dsa.generate_private_key(2048)))


class Body:
    """An answer with a body."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def body(self, limit: int) -> bytes:
        if len(self._data) > limit:
            raise RegistryError("too large")
        return self._data


class Repository:
    """A repository in which an image has these signatures: payload, annotation, media type."""

    def __init__(self, *signatures: tuple[bytes, str, str], kind: str = MANIFEST) -> None:
        self.asked: list[str] = []
        self.blobs = {Digest.of(payload): payload for payload, _, _ in signatures}
        layers = [
            {
                "mediaType": media_type,
                "digest": Digest.of(payload),
                "size": len(payload),
                "annotations": {ANNOTATION: text},
            }
            for payload, text, media_type in signatures
        ]
        config = {"mediaType": "x", "digest": Digest.of(b"{}"), "size": 2}
        document = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers}
        if kind == INDEX:
            document = {"schemaVersion": 2, "mediaType": kind, "manifests": []}
        self.data = json.dumps(document).encode()
        self.kind = kind

    def find(self, reference: str) -> Fetched:
        self.asked.append(reference)
        return Fetched(self.data, self.kind, Digest.of(self.data))

    def blob(self, digest: str) -> Any:
        return Body(self.blobs[digest])


SUBJECT = "sha256:" + "ab" * 32


def test_attached_signatures_are_found_by_tag() -> None:
    text = base64.b64encode(b"sig").decode()
    found = Repository(
        (b"one", text, PAYLOAD), (b"other", text, "text/plain"), (b"two", text, PAYLOAD)
    )
    signed = list(attached(found, SUBJECT))
    assert [(one.payload, one.signature) for one in signed] == [(b"one", b"sig"), (b"two", b"sig")]
    assert found.asked == [f"sha256-{'ab' * 32}.sig"]


def test_not_more_than_a_bounded_number_is_fetched() -> None:
    text = base64.b64encode(b"sig").decode()
    many = [(b"%d" % number, text, PAYLOAD) for number in range(MAX_SIGNATURES + 5)]
    assert len(list(attached(Repository(*many), SUBJECT))) == MAX_SIGNATURES


def test_attachments_that_are_none() -> None:
    with pytest.raises(SignatureError, match="is an index"):
        list(attached(Repository(kind=INDEX), SUBJECT))
    with pytest.raises(SignatureError, match="no base64"):
        list(attached(Repository((b"one", "!", PAYLOAD)), SUBJECT))
    forged = Repository((b"one", "", PAYLOAD))
    forged.blobs[Digest.of(b"one")] = b"two"
    with pytest.raises(SignatureError, match="is not what sha256:"):
        list(attached(forged, SUBJECT))
    large = Repository((b"x" * ((1 << 20) + 1), "", PAYLOAD))
    with pytest.raises(SignatureError, match="too large"):
        list(attached(large, SUBJECT))
