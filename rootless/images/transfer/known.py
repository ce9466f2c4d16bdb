"""What registries are known to have: so that a second push sends nothing and compresses nothing.

For each layer that was pushed or pulled a small file in `known/` of the layout, named after the
digest of its blob here or of its uncompressed content. It lists the forms in which the layer was
seen, each with the repositories that had it:

    CHECKSUM
    {"forms": [{"compression": "gzip", "level": 0, "digest": "sha256:...", "size": 1,
                "places": ["registry.example.com/tools"]}]}

It is a hint and no more. Whether a registry has a blob is asked of the registry; a file that is
damaged, or was written for another layer, is as none, and costs that the layer is compressed again.
So nothing is synced. A form of another content than the layer's would make a wrong image: forms
are only noted by whoever has compressed or unpacked the layer and seen both digests.
"""

from __future__ import annotations

import os

from rootless.oci import jsonio
from rootless.oci.layout import sha256
from rootless.oci.reference import is_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DIRECTORY = "known"
MOST_FORMS = 6
MOST_PLACES = 8
"""How many of each are kept, the latest first."""

_LONGEST = 1 << 15
"""Bytes of one file: there are bounded numbers of forms and places, and names have 255 at most."""


class Form:
    """One way in which a layer lies in registries."""

    __slots__ = ("compression", "digest", "level", "places", "size")

    def __init__(
        self, compression: str, level: int, digest: str, size: int, places: Iterable[str] = ()
    ) -> None:
        self.compression = compression
        """gzip, zstd, or "" for the blob as it is here."""
        self.level = level
        """Which was asked for, 0 for none."""
        self.digest = digest
        self.size = size
        self.places = list(places)
        """REGISTRY/REPOSITORY of those who had it when we last heard of it, the latest first."""


class Known:
    """The records of one layout."""

    def __init__(self, layout: str) -> None:
        self._directory = f"{layout}/{DIRECTORY}"

    def forms(self, key: str) -> list[Form]:
        """Return what is known of a layer, the latest first; [] for nothing, or damaged."""
        try:
            with open(self._path(key), "rb") as file:
                head, _, data = file.read(_LONGEST).partition(b"\n")
            if head.decode() != _checksum(key, data):
                return []
            return [_form(one) for one in jsonio.loads(data)["forms"]]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return []

    def note(self, key: str, form: Form, place: str) -> None:
        """Remember that `place` has a layer in this form. Quietly nothing where one cannot."""
        if not self._path(key):
            return
        forms = self.forms(key)
        same = [one for one in forms if _same(one, form)]
        if same and same[0] is forms[0] and same[0].places[:1] == [place]:
            return  # as last time
        known = same[0].places if same else []
        places = [place, *(one for one in known if one != place)][:MOST_PLACES]
        new = Form(form.compression, form.level, form.digest, form.size, places)
        rest = [one for one in forms if not _same(one, form)]
        self._write(key, [new, *rest][:MOST_FORMS])

    def _write(self, key: str, forms: list[Form]) -> None:
        told = [{name: getattr(form, name) for name in Form.__slots__} for form in forms]
        data = jsonio.dump_bytes({"forms": told})
        path = self._path(key)
        temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
        try:
            os.makedirs(self._directory, 0o700, exist_ok=True)  # as other threads do, too
            with open(temporary, "wb") as file:
                file.write(f"{_checksum(key, data)}\n".encode() + data)
            os.rename(temporary, path)
        except OSError:
            try:
                os.unlink(temporary)
            except OSError:
                pass

    def keep_only(self, needed: set[str]) -> None:
        """Forget all layers but those with these digests; the layout's lock is held."""
        try:
            names = os.listdir(self._directory)
        except OSError:
            return
        for name in names:
            if f"sha256:{name}" not in needed:
                try:
                    os.unlink(f"{self._directory}/{name}")
                except OSError:
                    pass

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever noted."""
        return not os.path.isdir(self._directory)

    def _path(self, key: str) -> str:
        """The file of a layer, "" for a digest that is not of sha256."""
        algorithm, _, digits = key.partition(":")
        return f"{self._directory}/{digits}" if algorithm == "sha256" and is_digest(key) else ""


def _checksum(key: str, data: bytes) -> str:
    return sha256(key.encode() + b"\n" + data)


def _same(one: Form, other: Form) -> bool:
    return one.digest == other.digest and one.level == other.level


def _form(told: object) -> Form:
    """Return a checked form. Raises what reading a wrong document raises."""
    if not isinstance(told, dict):
        raise TypeError(told)
    words = (told["compression"], told["digest"], *told["places"])
    if not all(isinstance(word, str) for word in words) or not is_digest(told["digest"]):
        raise ValueError(told)
    size, level = int(told["size"]), int(told["level"])
    return Form(told["compression"], level, told["digest"], size, told["places"])
