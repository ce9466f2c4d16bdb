"""The artifacts of a store: finding, listing, removing. What moves them is imported when asked."""

from __future__ import annotations

from rootless.artifacts.artifact import Artifact
from rootless.errors import Ambiguous, NotFound
from rootless.images.collection import meanings
from rootless.oci import reference
from rootless.oci.blobs import locked, write_index
from rootless.oci.errors import Error, ImageError
from rootless.oci.layout import Layout, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rootless.engine import Engine
    from rootless.images.transfer.access import Access
    from rootless.images.transfer.progress import Progress
    from rootless.images.transfer.sources import Choose, Retry
    from rootless.oci.artifacts import Referrer

    Document = dict[str, Any]
    # Spelt here because the method `list` hides the type inside the class.
    Found = list[Artifact]
    Problems = list[Error]
    Entries = list[Document]
    Referring = list[Referrer]
    Files = list[str]


class Artifacts:
    """The artifacts of one store. Listing takes no lock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._layout = Layout(engine.paths.artifacts)
        self.problems: Problems = []
        """What the last `list` could not read."""

    def list(self) -> Found:
        """Return all artifacts that can be read, by name; `problems` says why others cannot."""
        self.problems = []
        found = []
        for entry in self._entries():
            try:
                found.append(Artifact(self._layout, entry))
            except ImageError as error:
                self.problems.append(error)
        return sorted(found, key=lambda one: one.name)

    def get(self, ref: str) -> Artifact:
        """Return an artifact by its name, its digest or the beginning of that.

        Raises NotFound, Ambiguous, ImageError for a damaged one.
        """
        return Artifact(self._layout, self._find(self._entries(), ref))

    def add(
        self,
        name: str,
        files: Iterable[str],
        *,
        kind: str = "",
        file_type: str = "",
        annotations: Iterable[str] = (),
        append: bool = False,
        replace: bool = False,
        subject: str = "",
        access: Access | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Make an artifact of files, or `append` them to one; return its digest.

        `kind` is its type, `file_type` that of the files, `annotations` (KEY=VALUE) are theirs;
        `subject` is an image that it is about. Raises UsageError, Conflict for a name that is
        taken, unless `replace`.
        """
        from rootless.artifacts.adding import Adding

        adding = Adding(self._engine, file_type, [*annotations], progress)
        if append:
            return adding.append(name, [*files], kind=kind, replace=replace, subject=subject)
        about = adding.subject(subject, access) if subject else None
        return adding.make(name, [*files], kind=kind, replace=replace, subject=about)

    def remove(self, refs: Iterable[str]) -> Files:
        """Remove artifacts; return their digests. Raises NotFound for the first that is not."""
        from rootless.artifacts.intake import collect
        from rootless.images.intake import store_errors

        gone = []
        for ref in refs:
            self._find(self._entries(), ref)  # what is not there needs no lock
            with store_errors(self._engine.paths), locked(self._layout.path):
                index = self._layout.index()
                entry = self._find(index["manifests"], ref)
                index["manifests"].remove(entry)
                write_index(self._layout.path, index)
                collect(self._layout, [entry], index["manifests"])
            gone.append(str(entry["digest"]))
        return gone

    def extract(self, ref: str, target: str, *, title: str = "", digest: str = "") -> Files:
        """Write the files of an artifact into a directory, or one to a file; return their paths.

        `title` or `digest` choose one. Nothing is written where a title is no name of a file.
        Raises NotFound, UsageError, ImageError, DigestError for a damaged blob.
        """
        from rootless.artifacts.extracting import extract

        return extract(self.get(ref), target, title=title, digest=digest)

    def pull(
        self,
        ref: str,
        *,
        access: Access,
        retry: Retry | None = None,
        progress: Progress | None = None,
        choose: Choose | None = None,
    ) -> Artifact:
        """Pull an artifact from its registry. Raises RegistryError, ImageError, SignatureError."""
        from rootless.artifacts.moving import pull

        name = pull(self._engine.paths, ref, access, retry, progress, choose)
        return self.get(name)

    def push(
        self, ref: str, target: str = "", *, access: Access, progress: Progress | None = None
    ) -> str:
        """Push an artifact to the registry of its name, or of `target`; return its digest."""
        from rootless.artifacts.moving import push

        return push(self.get(ref), target, access, progress)

    def referrers(self, ref: str, *, access: Access, kind: str = "") -> Referring:
        """Return what refers to an image, or an artifact, in a registry; of one type, if said."""
        from rootless.artifacts.moving import referring

        return referring(ref, access, kind)

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
