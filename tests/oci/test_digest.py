"""Digests are checked when they are made, and streams prove theirs at their end."""

from __future__ import annotations

import hashlib
import io

import pytest

from rootless.oci.digest import CHUNK, Digest, Hasher, ThreadedHasher, Verifier
from rootless.oci.errors import DigestError

pytestmark = pytest.mark.once

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_digest_has_parts() -> None:
    digest = Digest.parse(EMPTY)
    assert digest == EMPTY
    assert digest.algorithm == "sha256"
    assert digest.hex == EMPTY[7:]
    assert digest.path == f"blobs/sha256/{EMPTY[7:]}"
    assert Digest.of(b"") == EMPTY
    assert Digest.parse("sha512:" + "0f" * 64).algorithm == "sha512"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:" + "0" * 63,
        "sha256:" + "0" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "sha256:" + "../" * 21 + "a",
        "sha512:" + "0" * 64,
        "md5:" + "0" * 32,
        ":" + "0" * 64,
        "sha256 :" + "0" * 64,
        "sha256:" + "0" * 63 + "\n",
        "sha256:" + "\u0660" * 64,  # digits, but not ours
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(DigestError):
        Digest.parse(text)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_verifier_lets_the_right_content_pass(algorithm: str) -> None:
    data = b"x" * (CHUNK + 17)
    digest = Digest.parse(f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}")
    stream = Verifier(io.BytesIO(data), digest, len(data))
    assert b"".join(iter(lambda: stream.read(4096), b"")) == data


def test_a_verifier_refuses_other_content_at_the_end() -> None:
    stream = Verifier(io.BytesIO(b"other"), Digest(EMPTY))
    assert stream.read(100) == b"other"
    with pytest.raises(DigestError, match="has digest sha256:"):
        stream.read(100)


def test_a_verifier_refuses_surplus_before_handing_it_out() -> None:
    stream = Verifier(io.BytesIO(b"123456"), Digest.of(b"123456"), 5)
    with pytest.raises(DigestError, match="longer than its 5 bytes"):
        stream.read(100)


def test_a_verifier_refuses_less_than_promised() -> None:
    stream = Verifier(io.BytesIO(b"1234"), Digest.of(b"1234"), 5)
    stream.read(100)
    with pytest.raises(DigestError, match="has 4, not 5 bytes"):
        stream.read(100)


def test_hashing_in_a_thread_is_hashing() -> None:
    pieces = [bytes([n]) * (n * 1000) for n in range(100)]
    plain, threaded = Hasher(), ThreadedHasher()
    for piece in pieces:
        plain.update(piece)
        threaded.update(piece)
    assert threaded.digest == plain.digest == Digest.of(b"".join(pieces))
    assert threaded.digest == plain.digest
