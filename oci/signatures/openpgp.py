"""OpenPGP: public keys, and messages signed with them (RFC 9580; RFC 4880 for the older half).

What simple signing needs and nothing else: version 4 keys and signatures, RSA, ECDSA and EdDSA
over SHA-256, 384 and 512, binary documents signed inside the message. Other forms are refused in
words. The primitives are those of `cryptography`.

Key files are trusted to hold the right keys, but what a key says of itself is believed only where
its primary key signed it: its time of expiry, and which subkeys are its own and may sign. A key
with a revocation is refused whatever its reason, as by gpg, and without looking whether the
revocation is sound: in doubt a key is not to be trusted.
"""

from __future__ import annotations

import hashlib
import time

from rootless.oci.errors import SignatureError
from rootless.oci.signatures import packets
from rootless.oci.signatures.packets import Octets, Packet
from rootless.oci.signatures.publickeys import PublicKey, Signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

HASHES = {8: "sha256", 9: "sha384", 10: "sha512"}
"""Hash algorithms that are good enough (section 9.5)."""

BINARY, BACK, DIRECT = 0x00, 0x19, 0x1F
BINDING, REVOKED_KEY, REVOKED_SUBKEY, REVOKED_USER = 0x18, 0x20, 0x28, 0x30
CERTIFICATIONS = range(0x10, 0x14)
"""Types of signatures (section 5.2.1)."""

CREATED, EXPIRES, KEY_EXPIRES, ISSUER, FLAGS, EMBEDDED, ISSUER_FINGERPRINT = 2, 3, 9, 16, 27, 32, 33
"""Types of subpackets (section 5.2.3.7)."""

UNDERSTOOD = frozenset((CREATED, EXPIRES, KEY_EXPIRES, ISSUER, FLAGS, EMBEDDED, ISSUER_FINGERPRINT))
HARMLESS = frozenset((4, 7, 11, 21, 22, 23, 24, 25, 26, 28, 30, 34, 35, 39))
"""Preferences and the like, which change nothing for who verifies, critical or not."""

MAY_SIGN = 0x02


class Signature:
    """A signature packet (section 5.2.3). Raises SignatureError for what is not understood."""

    def __init__(self, body: bytes) -> None:
        octets = Octets(body)
        if (version := octets.number(1)) != 4:
            raise SignatureError(f"OpenPGP signatures of version {version} are not supported")
        self.type = octets.number(1)
        self.algorithm = octets.number(1)
        self._hash = octets.number(1)
        hashed = octets.take(octets.number(2))
        unhashed = octets.take(octets.number(2))
        octets.take(2)  # the beginning of the digest, a hint
        self.material = octets.rest()
        self._trailer = body[: 6 + len(hashed)]
        self._said: dict[int, bytes] = {}
        for kind, critical, content in packets.subpackets(hashed):
            if critical and kind not in UNDERSTOOD | HARMLESS:
                raise SignatureError(f"an OpenPGP signature with a critical subpacket {kind}")
            if kind in self._said and kind in (CREATED, EXPIRES, KEY_EXPIRES, FLAGS):
                raise SignatureError("an OpenPGP signature that contradicts itself")
            self._said[kind] = content
        # Outside of what is signed only hints count, and a signature that proves itself.
        self._hints = {kind: content for kind, _, content in packets.subpackets(unhashed)}
        if CREATED not in self._said:
            raise SignatureError("an OpenPGP signature without a time")
        self.created = self._seconds(CREATED)

    def _seconds(self, kind: int) -> int:
        content = self._said.get(kind, bytes(4))
        if len(content) != 4:
            raise SignatureError("an OpenPGP signature with a malformed time")
        return int.from_bytes(content, "big")

    @property
    def key_id(self) -> bytes:
        """The key id of who made it, as it says; empty where it does not."""
        hint = self._said.get(ISSUER_FINGERPRINT) or self._hints.get(ISSUER_FINGERPRINT, b"")
        if hint[:1] == b"\4":
            return hint[-8:]
        return self._said.get(ISSUER) or self._hints.get(ISSUER, b"")

    @property
    def expiry(self) -> float:
        """When it expires, in seconds since the epoch."""
        return self.created + (self._seconds(EXPIRES) or float("inf"))

    @property
    def key_lifetime(self) -> float:
        """How long after its creation the key expires of which it speaks."""
        return self._seconds(KEY_EXPIRES) or float("inf")

    @property
    def may_sign(self) -> bool | None:
        """Whether the key may sign documents; None where the signature does not say."""
        flags = self._said.get(FLAGS)
        return None if flags is None else bool(flags[:1] and flags[0] & MAY_SIGN)

    def embedded(self) -> Signature:
        """The signature inside this one, by which a subkey agrees. Raises SignatureError."""
        body = self._said.get(EMBEDDED) or self._hints.get(EMBEDDED)
        if body is None:
            raise SignatureError("a signing subkey does not say whose it is")
        return Signature(body)

    def verify(self, key: PublicKey, content: bytes) -> None:
        """Raises SignatureError unless `key` signed `content`, and not before there was the key."""
        name = HASHES.get(self._hash)
        if name is None:
            raise SignatureError(f"OpenPGP hash algorithm {self._hash} is not SHA-256, 384 or 512")
        end = b"\4\xff" + len(self._trailer).to_bytes(4, "big")
        digest = hashlib.new(name, content + self._trailer + end).digest()
        key.verify(Signed(self.algorithm, self.material, name, digest))
        if self.created < key.created:
            raise SignatureError("an OpenPGP signature is older than its key")

    def holds(self, key: PublicKey, content: bytes) -> bool:
        """Whether `key` signed `content` and the signature has not expired."""
        try:
            self.verify(key, content)
        except SignatureError:
            return False
        return time.time() < self.expiry


class SigningKey:
    """A key that was found in a key file, and what speaks against it."""

    def __init__(self, public: PublicKey, expiry: float, problem: str = "") -> None:
        self.public = public
        self._expiry = expiry
        self._problem = problem

    def check(self) -> None:
        """Raises SignatureError where the key is revoked, has expired or may not sign."""
        name = self.public.fingerprint.hex().upper()
        if self._problem:
            raise SignatureError(f"key {name} {self._problem}")
        if time.time() >= self._expiry:
            when = time.strftime("%Y-%m-%d", time.gmtime(self._expiry))
            raise SignatureError(f"key {name} expired on {when}")


class _Part:
    """A primary key, user id or subkey, and the signatures that follow it."""

    def __init__(self, packet: Packet) -> None:
        self.tag = packet.tag
        self.body = packet.body
        self.signatures: list[Signature] = []
        self.faults: list[str] = []

    def add(self, body: bytes) -> None:
        """Keep a signature; one that is not understood proves nothing."""
        try:
            self.signatures.append(Signature(body))
        except SignatureError as error:
            self.faults.append(error.message)

    def has(self, kind: int) -> bool:
        return any(one.type == kind for one in self.signatures)


class KeyRing:
    """The keys of one or several key files."""

    def __init__(self) -> None:
        self.users: list[str] = []
        """The user ids, unproven: for listings."""
        self._keys: list[SigningKey] = []

    def add(self, data: bytes) -> None:
        """Take in the keys of a file. Raises SignatureError for what is no public key."""
        before = len(self._keys)
        parts: list[_Part] = []
        for packet in packets.packets(packets.dearmour(data)):
            if packet.tag == packets.PUBLIC_KEY:
                self._take(parts)
                parts = []
            elif packet.tag == packets.SECRET_KEY:
                raise SignatureError("this is a secret key: gpg --export writes the public one")
            elif packet.tag in (packets.TRUST, packets.MARKER, packets.PADDING):
                continue
            elif not parts:
                raise SignatureError("this is no OpenPGP public key")
            if packet.tag == packets.SIGNATURE:
                parts[-1].add(packet.body)
            else:
                parts.append(_Part(packet))
        self._take(parts)
        if len(self._keys) == before:
            raise SignatureError("this holds no OpenPGP public key")

    def _take(self, parts: list[_Part]) -> None:
        """Take in a primary key and all that belongs to it."""
        if not parts:
            return
        primary, *others = parts
        key = PublicKey(primary.body)
        users = [part for part in others if part.tag == packets.USER_ID]
        self.users += [user.body.decode("utf-8", "replace") for user in users]
        expiry, problem, may_sign = _own_words(key, primary, users)
        unfit = problem or ("" if may_sign else "may not sign")
        self._keys.append(SigningKey(key, expiry, unfit))
        for part in others:
            if part.tag == packets.SUBKEY:
                subkey = _subkey(key, part, expiry, problem)
                self._keys += [subkey] if subkey else []

    def open(self, message: bytes) -> bytes:
        """Return what a signed message holds. Raises SignatureError unless a good key signed it."""
        content, signature = _signed(packets.packets(packets.dearmour(message)))
        if signature.type != BINARY:
            raise SignatureError(f"a signature of type {signature.type:#04x} is of no binary data")
        keys = [key for key in self._keys if key.public.fingerprint[-8:] == signature.key_id]
        if not keys:
            name = signature.key_id.hex().upper() or "that it does not name"
            raise SignatureError(f"the signature is by key {name}, which is not trusted")
        for key in keys:  # a key that is in two files must be good in both: one may be older
            signature.verify(key.public, content)
            key.check()
        if time.time() >= signature.expiry:
            when = time.strftime("%Y-%m-%d", time.gmtime(signature.expiry))
            raise SignatureError(f"the signature expired on {when}")
        return content


def _own_words(key: PublicKey, primary: _Part, users: list[_Part]) -> tuple[float, str, bool]:
    """What a primary key says of itself: its expiry, what speaks against it, whether it signs."""
    if primary.has(REVOKED_KEY):
        return key.created, "is revoked", False
    newest = []
    for part in (primary, *users):
        kinds = (DIRECT,) if part is primary else CERTIFICATIONS
        content = key.framed + (b"" if part is primary else _framed_user(part.body))
        own = [one for one in part.signatures if one.key_id == key.fingerprint[-8:]]
        good = [one for one in own if one.type in kinds and one.holds(key, content)]
        if any(one.type == REVOKED_USER for one in own):
            continue
        if good:
            newest.append(max(good, key=lambda one: one.created))
    if not newest:
        return key.created, "has no sound signature of its own: SHA-1 does not count", False
    expiry = min(key.created + one.key_lifetime for one in newest)
    return expiry, "", all(one.may_sign is not False for one in newest)


def _framed_user(body: bytes) -> bytes:
    return b"\xb4" + len(body).to_bytes(4, "big") + body


def _subkey(primary: PublicKey, part: _Part, expiry: float, problem: str) -> SigningKey | None:
    """A subkey that may sign, None for one that is for something else or is not proven."""
    try:
        key = PublicKey(part.body)
    except SignatureError:
        return None  # for encryption, most likely
    content = primary.framed + key.framed
    bindings = [
        one for one in part.signatures if one.type == BINDING and one.holds(primary, content)
    ]
    if not bindings:
        return None
    newest = max(bindings, key=lambda one: one.created)
    if not newest.may_sign:
        return None
    if part.has(REVOKED_SUBKEY):
        problem = problem or "is revoked"
    try:
        back = newest.embedded()
        back.verify(key, content)
    except SignatureError:
        return None
    if back.type != BACK:
        return None
    return SigningKey(key, min(expiry, key.created + newest.key_lifetime), problem)


def _signed(found: Iterable[Packet]) -> tuple[bytes, Signature]:
    """Content and signature of a message: one of each, whichever comes first (section 10.3)."""
    parts = [one for one in found if one.tag not in (packets.MARKER, packets.PADDING)]
    if len(parts) == 1 and parts[0].tag == packets.COMPRESSED:
        parts = list(packets.packets(packets.decompress(parts[0].body)))
    tags = [part.tag for part in parts]
    if tags == [packets.ONE_PASS, packets.LITERAL, packets.SIGNATURE]:
        literal, signature = parts[1:]
    elif tags == [packets.SIGNATURE, packets.LITERAL]:
        signature, literal = parts
    else:
        raise SignatureError("this is no OpenPGP message with one signature inside")
    octets = Octets(literal.body)
    octets.take(1)  # the format, a hint
    octets.take(octets.number(1) + 4)  # a file name and a time, which nobody signed
    return octets.rest(), Signature(signature.body)
