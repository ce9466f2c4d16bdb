"""Signatures as files of dir:."""

from __future__ import annotations

import pytest

from rootless.oci.errors import SignatureError
from rootless.oci.signatures.signature import Signature, decode

pytestmark = pytest.mark.once


def test_there_and_back() -> None:
    for one in (
        Signature("", b"\xa3\x01 and so on"),
        Signature("text/x", b"payload\0\xff", {"key": "value", "more": "\n<&>"}),
        Signature("text/x", b"", None),
    ):
        assert vars(decode(one.encode(), "it")) == vars(one)
    kinds = [Signature("", b"\xa3").kind, Signature("text/x", b"").kind]
    assert kinds == ["OpenPGP", "sigstore"]


def test_what_skopeo_writes() -> None:
    data = b'\0sigstore-json\n{"mimeType":"text/x","payload":"aGFsbG8=","annotations":{"a":"b"}}'
    assert vars(decode(data, "it")) == vars(Signature("text/x", b"hallo", {"a": "b"}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>not found</html>",
        b"\0sigstore-json",
        b"\0other-format\n{}",
        b"\0sigstore-json\n{",
        b"\0sigstore-json\n{}",
        b'\0sigstore-json\n{"mimeType":"","payload":""}',
        b'\0sigstore-json\n{"mimeType":"x","payload":"?"}',
        b'\0sigstore-json\n{"mimeType":"x","payload":"","annotations":{"a":1}}',
        b'\0sigstore-json\n{"mimeType":"\xff","payload":""}',
        b"\0sigstore-json\n" + b"[" * 100_000,
    ],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(SignatureError, match="cannot read it"):
        decode(data, "it")
