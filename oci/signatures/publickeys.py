"""OpenPGP public keys of version 4 (RFC 9580, sections 5.5 and 9.1), over `cryptography`."""

from __future__ import annotations

import hashlib

from rootless.oci.errors import SignatureError
from rootless.oci.signatures.packets import Octets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RSA, RSA_SIGN, DSA, ECDSA, EDDSA, ED25519, ED448 = 1, 3, 17, 19, 22, 27, 28
MIN_RSA = 2048
"""Bits of an RSA key below which it proves nothing any more."""

CURVES = {
    bytes.fromhex("2a8648ce3d030107"): "SECP256R1",
    bytes.fromhex("2b81040022"): "SECP384R1",
    bytes.fromhex("2b81040023"): "SECP521R1",
    bytes.fromhex("2b2403030208010107"): "BrainpoolP256R1",
    bytes.fromhex("2b240303020801010b"): "BrainpoolP384R1",
    bytes.fromhex("2b240303020801010d"): "BrainpoolP512R1",
}
"""Object identifiers (section 9.2) -> classes of cryptography."""

OLD_ED25519 = bytes.fromhex("2b06010401da470f01")


class Signed:
    """A signature's algorithm and numbers, and the digest that it is of."""

    def __init__(self, algorithm: int, material: bytes, hash_name: str, digest: bytes) -> None:
        self.algorithm = algorithm
        self.material = material
        self.hash_name = hash_name
        self.digest = digest


class PublicKey:
    """A key that can verify. Raises SignatureError for one that cannot, or is none."""

    def __init__(self, body: bytes) -> None:
        octets = Octets(body)
        if (version := octets.number(1)) != 4:
            raise SignatureError(f"OpenPGP keys of version {version} are not supported")
        self.created = octets.number(4)
        self.algorithm = octets.number(1)
        self.framed = b"\x99" + len(body).to_bytes(2, "big") + body if len(body) < 65536 else b""
        """As it is hashed where something is said about the key (section 5.2.4)."""
        # SHA-1 by definition; a second key with the same fingerprint would have to be trusted too.
        self.fingerprint = hashlib.sha1(self.framed, usedforsecurity=False).digest()
        try:
            self._key = self._read(octets)
        except ValueError as error:
            raise SignatureError(f"key {self.fingerprint.hex().upper()}: {error}") from error
        if octets or not self.framed:
            raise SignatureError("an OpenPGP key with something behind it")

    def _read(self, octets: Octets) -> Any:
        from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

        if self.algorithm in (RSA, RSA_SIGN):
            modulus, exponent = (int.from_bytes(octets.integer(), "big") for _ in range(2))
            if not MIN_RSA <= modulus.bit_length() <= 16384:
                raise ValueError(f"an RSA key of {modulus.bit_length()} bits")
            if exponent.bit_length() > 64:  # made to keep verifiers busy
                raise ValueError("an RSA key with an absurd exponent")
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        if self.algorithm == ECDSA:
            curve = CURVES.get(octets.take(octets.number(1)))
            if curve is None:
                raise ValueError("its curve is not supported")
            point = octets.integer()
            return ec.EllipticCurvePublicKey.from_encoded_point(getattr(ec, curve)(), point)
        if self.algorithm == EDDSA:
            curve_id, point = octets.take(octets.number(1)), octets.integer()
            if curve_id != OLD_ED25519 or point[:1] != b"\x40":
                raise ValueError("its curve is not supported")
            return ed25519.Ed25519PublicKey.from_public_bytes(point[1:])
        if self.algorithm == ED25519:
            return ed25519.Ed25519PublicKey.from_public_bytes(octets.take(32))
        if self.algorithm == ED448:
            return ed448.Ed448PublicKey.from_public_bytes(octets.take(57))
        name = "DSA" if self.algorithm == DSA else f"algorithm {self.algorithm}"
        raise ValueError(f"{name} is not supported, only RSA, ECDSA and EdDSA are")

    def verify(self, signed: Signed) -> None:
        """Raises SignatureError unless the key made the signature."""
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

        octets = Octets(signed.material)
        rsa = (RSA, RSA_SIGN)
        try:
            if signed.algorithm != self.algorithm and not (
                signed.algorithm in rsa and self.algorithm in rsa
            ):
                raise InvalidSignature
            self._verify(octets, signed)
            if octets:
                raise InvalidSignature
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, OverflowError) as error:
            name = self.fingerprint.hex().upper()
            raise SignatureError(f"the signature does not fit key {name}") from error

    def _verify(self, octets: Octets, signed: Signed) -> None:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

        prehashed = utils.Prehashed(getattr(hashes, signed.hash_name.upper())())
        digest = signed.digest
        if self.algorithm in (RSA, RSA_SIGN):
            number = octets.integer().rjust((self._key.key_size + 7) // 8, b"\0")
            self._key.verify(number, digest, padding.PKCS1v15(), prehashed)
        elif self.algorithm == ECDSA:
            pair = [int.from_bytes(octets.integer(), "big") for _ in range(2)]
            self._key.verify(utils.encode_dss_signature(*pair), digest, ec.ECDSA(prehashed))
        elif self.algorithm == EDDSA:
            self._key.verify(b"".join(octets.integer().rjust(32, b"\0") for _ in range(2)), digest)
        else:
            self._key.verify(octets.take(64 if self.algorithm == ED25519 else 114), digest)
