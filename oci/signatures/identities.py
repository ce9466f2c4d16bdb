"""Whether the name in a signature is the one that was asked for (`signedIdentity`).

containers-policy.json(5), "signedIdentity". Names are compared in full form; no tag is ever added.
"""

from __future__ import annotations

from rootless.oci import reference
from rootless.oci.errors import InvalidReference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from rootless.oci.reference import Reference

KINDS: dict[str, tuple[str, ...]] = {
    "matchExact": (),
    "matchRepoDigestOrExact": (),
    "matchRepository": (),
    "exactReference": ("dockerReference",),
    "exactRepository": ("dockerRepository",),
    "remapIdentity": ("prefix", "signedPrefix"),
}
"""Type -> its other keys, all of them texts."""


class Identity:
    """A signedIdentity of the policy. Raises ValueError for one that makes no sense."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self._kind = str(document.get("type"))
        keys = KINDS.get(self._kind)
        if keys is None:
            raise ValueError(f"unknown signedIdentity {self._kind!r}")
        if set(document) != {"type", *keys}:
            raise ValueError(f"{self._kind} has not exactly {' and '.join(('type', *keys))}")
        self._texts = [document[key] for key in keys if isinstance(document[key], str)]
        if len(self._texts) != len(keys):
            raise ValueError(f"{self._kind}: {' and '.join(keys)} have to be texts")
        if self._kind.startswith("exact"):
            named = _parsed(str(self._texts[0]))
            if named is None or (self._kind == "exactReference" and _is_bare(named)):
                raise ValueError(f"{self._kind}: {self._texts[0]!r} is no such name")

    def fits(self, asked: Reference, signed: str) -> bool:
        """Whether a signature for the name `signed` is good for `asked`."""
        found = _parsed(signed)
        if found is None:
            return False
        if self._kind == "matchRepository":
            return found.name == asked.name
        if self._kind == "exactRepository":
            return found.name == _full(self._texts[0]).name
        if _is_bare(found):
            return False
        if self._kind == "exactReference":
            return found == _full(self._texts[0])
        if self._kind == "matchExact":
            return found == asked
        if self._kind == "remapIdentity":
            asked = self._remapped(asked)
        if asked.digest and not asked.tag:
            return found.name == asked.name  # the digest is what decides, and was compared
        return found == asked

    def _remapped(self, asked: Reference) -> Reference:
        """`asked` with the prefix replaced by that under which it was signed."""
        prefix, signed = (str(text) for text in self._texts)
        rest = asked.name.removeprefix(prefix)
        if rest == asked.name or rest[:1] not in ("", "/"):
            return asked
        # What no signature can name fits none.
        moved = _parsed(signed + str(asked).removeprefix(prefix))
        return moved or reference.Reference("", "")


def _is_bare(named: Reference) -> bool:
    return not named.tag and not named.digest


def _parsed(text: str) -> Reference | None:
    try:
        return reference.parse(text)
    except InvalidReference:
        return None


def _full(text: object) -> Reference:
    return reference.parse(str(text))
