"""The requirements of a policy: accept, reject, signed with OpenPGP, signed with sigstore.

containers-policy.json(5), "POLICY REQUIREMENTS". Each is checked against a `Candidate`; signatures
are fetched when one is first wanted. One signature that is good suffices; why the others are not
is told where none is.
"""

from __future__ import annotations

import binascii
import contextlib

from rootless.oci.digest import Digest
from rootless.oci.errors import SignatureError
from rootless.oci.signatures.claims import ATOMIC, COSIGN, Claim
from rootless.oci.signatures.identities import Identity
from rootless.oci.signatures.lookaside import Lookaside, read_bounded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Protocol

    from rootless.oci.reference import Reference
    from rootless.oci.signatures.sigstore import Source

    class Requirement(Protocol):
        """One entry of a list of requirements."""

        kind: str
        words: str
        key_files: list[str]

        def check(self, candidate: Candidate) -> None:
            """Raises SignatureError where the requirement is not met."""


MAX_TOLD = 3
"""Signatures of which it is told why they are not good."""

KEYS = {"signedBy": ("keyPath", "keyPaths", "keyData"),
        "sigstoreSigned": ("keyPath", "keyPaths", "keyData", "keyDatas")}  # fmt: skip
UNSUPPORTED = ("fulcio", "pki", "rekorPublicKeyPath", "rekorPublicKeyPaths",
               "rekorPublicKeyData", "rekorPublicKeyDatas")  # fmt: skip


class Candidate:
    """An image that asks to be let in; without name and source it cannot have signatures."""

    def __init__(self, name: Reference | None, manifest: bytes, source: Source | None) -> None:
        self.name = name
        self.manifest = manifest
        self.source = source

    def accept(self, payloads: Iterator[Callable[[], bytes]], kind: str, wanted: Identity) -> None:
        """Raises SignatureError unless one of the signed payloads speaks of this image.

        `payloads` yields functions, each of which verifies a signature and returns its payload.
        """
        faults = []
        for verified in payloads:
            try:
                claim = Claim(verified(), kind)
                claim.check_manifest(self.manifest)
                if self.name is None or not wanted.fits(self.name, claim.name):
                    raise SignatureError(f"the signature is for the name {claim.name}")
                return
            except SignatureError as error:
                faults.append(error.message)
        more = f"; and {len(faults) - MAX_TOLD} more" if len(faults) > MAX_TOLD else ""
        raise SignatureError("; ".join(faults[:MAX_TOLD]) + more or "there is no signature")


class Accept:
    """insecureAcceptAnything."""

    kind = words = "insecureAcceptAnything"

    def __init__(self) -> None:
        self.key_files: list[str] = []

    def check(self, candidate: Candidate) -> None:
        """Let everything in."""


class Reject:
    """reject."""

    kind = words = "reject"

    def __init__(self) -> None:
        self.key_files: list[str] = []

    def check(self, candidate: Candidate) -> None:
        """Let nothing in."""
        raise SignatureError("nothing from there is let in")


class Signed:
    """signedBy and sigstoreSigned: the keys, and which name has to be signed."""

    def __init__(self, document: Mapping[str, Any], where: str) -> None:
        self.kind = str(document["type"])
        self.words = f"{self.kind} wants a signature"
        given = [key for key in KEYS[self.kind] if key in document]
        allowed = {"type", "signedIdentity", *KEYS[self.kind]}
        if self.kind == "signedBy":
            allowed.add("keyType")
            if document.get("keyType") != "GPGKeys":
                raise ValueError(f"{where}: keyType is not GPGKeys")
        for key in UNSUPPORTED:
            if key in document and self.kind == "sigstoreSigned":
                raise ValueError(f"{where}: {key} is not supported, only public keys are")
        if unknown := set(document) - allowed:
            raise ValueError(f"{where}: unknown key {min(unknown)!r}")
        if len(given) != 1:
            raise ValueError(f"{where}: not exactly one of {', '.join(KEYS[self.kind])}")
        values = document[given[0]] if given[0].endswith("s") else [document[given[0]]]
        if not isinstance(values, list) or not values or not all(map(_is_text, values)):
            raise ValueError(f"{where}: {given[0]} is not what it has to be")
        self.key_files = values if given[0].startswith("keyPath") else []
        self._datas = [] if self.key_files else [_decoded(value, where) for value in values]
        identity = document.get("signedIdentity", {"type": "matchRepoDigestOrExact"})
        if not isinstance(identity, dict):
            raise ValueError(f"{where}: signedIdentity is no object")
        self._identity = Identity(identity)

    def key_datas(self) -> Iterator[tuple[str, bytes]]:
        """Yield a name and the content of each key. Raises SignatureError."""
        for path in self.key_files:
            data = read_bounded(path)
            if data is None:
                raise SignatureError(f"the key {path} is not there")
            yield path, data
        for data in self._datas:
            yield "keyData", data

    def check(self, candidate: Candidate) -> None:
        """Raises SignatureError unless there is a good signature for this image."""
        if candidate.name is None or candidate.source is None:
            raise SignatureError("signatures of archives and directories are not verified")
        digest = Digest.of(candidate.manifest)
        if self.kind == "signedBy":
            candidate.accept(self._simple(candidate.name, digest), ATOMIC, self._identity)
        else:
            found = self._attached(candidate.name, digest, candidate.source)
            candidate.accept(found, COSIGN, self._identity)

    def _simple(self, asked: Reference, digest: str) -> Iterator[Callable[[], bytes]]:
        from rootless.oci.signatures.openpgp import KeyRing

        ring = KeyRing()
        for name, data in self.key_datas():
            with _named(name):
                ring.add(data)
        for message in Lookaside().signatures(asked, digest):
            yield lambda message=message: ring.open(message)  # type: ignore[misc]

    def _attached(
        self, asked: Reference, digest: str, source: Source
    ) -> Iterator[Callable[[], bytes]]:
        from rootless.oci.signatures.sigstore import Keys, attached

        keys = []
        for name, data in self.key_datas():
            with _named(name):
                keys.append(Keys(data))
        if not Lookaside().has_attachments(asked):
            raise SignatureError(
                "there is no signature",
                "use-sigstore-attachments: true in containers/registries.d looks for them",
            )
        for signed in attached(source, digest):
            for key in keys:
                yield lambda key=key, signed=signed: key.open(signed)  # type: ignore[misc]


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """Errors inside are told with the name of the key that they are about."""
    try:
        yield
    except SignatureError as error:
        raise SignatureError(f"the key {name}: {error.message}") from error


def requirement(document: Mapping[str, Any], where: str) -> Requirement:
    """The requirement that an object of policy.json describes. Raises ValueError."""
    kind = document.get("type")
    if kind in KEYS:
        return Signed(document, where)
    if kind not in ("insecureAcceptAnything", "reject"):
        raise ValueError(f"{where}: unknown requirement {kind!r}")
    if set(document) != {"type"}:
        raise ValueError(f"{where}: {kind} has no other keys")
    return Reject() if kind == "reject" else Accept()


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _decoded(value: str, where: str) -> bytes:
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError as error:
        raise ValueError(f"{where}: a key that is no base64") from error
