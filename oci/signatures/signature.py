"""Signatures on their way with an image, of either kind, and as files of skopeo's dir:.

An OpenPGP signature is its own bytes. One of sigstore has a payload and annotations, which hold the
signature and may hold more; as a file it is

    NUL sigstore-json LF {"mimeType": ..., "payload": (in base64), "annotations": {...}}

Nothing of them is verified here: who takes the image does that.
"""

from __future__ import annotations

import msgspec

from rootless.oci.errors import SignatureError

_HEAD = b"\0sigstore-json\n"


class Signature(msgspec.Struct, rename={"media_type": "mimeType"}):
    """One signature of a manifest."""

    media_type: str
    """Empty for OpenPGP."""
    payload: bytes
    annotations: dict[str, str] | None = None

    @property
    def kind(self) -> str:
        """OpenPGP or sigstore."""
        return "sigstore" if self.media_type else "OpenPGP"

    def encode(self) -> bytes:
        """Return it as a file."""
        return _HEAD + msgspec.json.encode(self) if self.media_type else self.payload


def decode(data: bytes, subject: str) -> Signature:
    """Return the signature in a file. Raises SignatureError, which names `subject`."""
    if data[:1] >= b"\x80":  # so begins every packet of OpenPGP
        return Signature("", data)
    try:
        if data.startswith(_HEAD):
            found = msgspec.json.decode(data[len(_HEAD) :], type=Signature)
            if found.media_type:
                return found
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SignatureError(f"cannot read {subject}: {error}") from error
    raise SignatureError(f"cannot read {subject}: it is neither OpenPGP's nor sigstore's")
