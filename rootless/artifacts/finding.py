"""Finding artifacts: what there is in the store, and what a name or digest means."""

from __future__ import annotations

from rootless.artifacts.artifact import Artifact
from rootless.errors import Ambiguous, NotFound
from rootless.images.finding import meanings
from rootless.oci import reference
from rootless.oci.errors import ImageError
from rootless.oci.layout import Layout, name_of
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.store.paths import Paths
    from rootless.teller import Teller

    Document = dict[str, Any]
    # Spelt here because the method `list` hides the type inside the class.
    Found = list[Artifact]
    Entries = list[Document]


class Finder:
    """The artifacts of one store, to be found and listed. Takes no lock and changes nothing."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._layout = Layout(paths.artifacts)

    def list(self, teller: Teller = QUIET) -> Found:
        """Return all artifacts that can be read, by name; `teller` is told why others cannot."""
        found = []
        for entry in self._entries():
            try:
                found.append(Artifact(self._layout, entry))
            except ImageError as error:
                teller.problem(error)
        return sorted(found, key=lambda one: one.name)

    def get(self, ref: str) -> Artifact:
        """Return an artifact by its name, its digest or the beginning of that.

        Raises NotFound, Ambiguous, ImageError for a damaged one.
        """
        return Artifact(self._layout, self._find(self._entries(), ref))

    def _entries(self) -> Entries:
        entries: Entries = self._layout.index()["manifests"]
        return entries

    def _find(self, entries: Entries, ref: str) -> Document:
        by_name = {name_of(entry): entry for entry in entries}
        # What looks like a digest is no name, and one behind a name has to be right.
        for name in () if reference.is_id(ref) else (*meanings(ref), ref):
            if name in by_name and _fits(by_name[name], ref):
                return by_name[name]
        start = ref.removeprefix("sha256:")
        found = [one for one in entries if str(one["digest"]).startswith(f"sha256:{start}")]
        if not reference.is_hex(start) or not found:
            raise NotFound(f"no such artifact: {ref}", "rootless artifact ls lists what there is")
        if len({one["digest"] for one in found}) > 1 or len(found) > 1:
            names = ", ".join(map(name_of, found))
            raise Ambiguous(f"{ref} fits {len(found)} artifacts: {names}")
        return found[0]


def _fits(entry: Document, ref: str) -> bool:
    return not reference.has_digest(ref) or ref.endswith(f"@{entry['digest']}")
