"""Signatures on their way with an image, of either kind, and as files of skopeo's dir:.

An OpenPGP signature is its own bytes. One of sigstore has a payload and annotations, which hold the
signature and may hold more; as a file it is

    NUL sigstore-json LF {"mimeType": ..., "payload": (in base64), "annotations": {...}}

Nothing of them is verified here: who takes the image does that.
"""

from __future__ import annotations

import binascii

from rootless.oci import jsonio
from rootless.oci.errors import SignatureError
from rootless.oci.structures import Structure, camel

_HEAD = b"\0sigstore-json\n"


class _File(Structure, spelling=camel):
    mime_type: str
    payload: str
    annotations: dict[str, str] | None = None


class Signature:
    """One signature of a manifest."""

    def __init__(
        self, media_type: str, payload: bytes, annotations: dict[str, str] | None = None
    ) -> None:
        self.media_type = media_type
        """Empty for OpenPGP."""
        self.payload = payload
        self.annotations = annotations

    @property
    def kind(self) -> str:
        """OpenPGP or sigstore."""
        return "sigstore" if self.media_type else "OpenPGP"

    def encode(self) -> bytes:
        """Return it as a file."""
        if not self.media_type:
            return self.payload
        payload = binascii.b2a_base64(self.payload, newline=False).decode()
        told = {"mimeType": self.media_type, "payload": payload, "annotations": self.annotations}
        return _HEAD + jsonio.dumps(told).encode()


def decode(data: bytes, subject: str) -> Signature:
    """Return the signature in a file. Raises SignatureError, which names `subject`."""
    if data[:1] >= b"\x80":  # so begins every packet of OpenPGP
        return Signature("", data)
    try:
        if data.startswith(_HEAD):
            found = _File.read(jsonio.loads(data[len(_HEAD) :].decode()))
            payload = binascii.a2b_base64(found.payload, strict_mode=True)
            if found.mime_type:
                return Signature(found.mime_type, payload, found.annotations)
    except ValueError as error:  # Misfit and binascii.Error are some as well
        raise SignatureError(f"cannot read {subject}: {error}") from error
    raise SignatureError(f"cannot read {subject}: it is neither OpenPGP's nor sigstore's")
