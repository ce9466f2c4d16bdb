"""The artifacts of a store: what moves or changes them, imported when asked."""

from __future__ import annotations

from rootless.artifacts.finding import Finder
from rootless.oci.blobs import locked, write_index
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.artifacts.adding import Addition
    from rootless.artifacts.artifact import Artifact
    from rootless.images import finding as images
    from rootless.images.transfer.access import Access
    from rootless.oci.artifacts import Referrer
    from rootless.store.paths import Paths
    from rootless.teller import Teller

    # Spelt here because the method `list` hides the type inside the class.
    Referring = list[Referrer]
    Files = list[str]


class Artifacts(Finder):
    """The artifacts of one store."""

    def __init__(self, paths: Paths, images: images.Finder) -> None:
        """`images` is where the subject of an artifact is looked for."""
        super().__init__(paths)
        self._images = images

    def add(
        self,
        name: str,
        files: Iterable[str],
        addition: Addition | None = None,
        *,
        access: Access | None = None,
        teller: Teller = QUIET,
    ) -> str:
        """Make an artifact of files, or append them to one; return its digest.

        `addition` says how; `access` is how the registry of its subject is reached. Raises
        UsageError, Conflict for a name that is taken, unless it is to be replaced.
        """
        from rootless.artifacts.adding import Adding, Addition

        adding = Adding(self, self._images, addition or Addition(), teller)
        return adding.run(name, [*files], access)

    def remove(self, refs: Iterable[str]) -> Files:
        """Remove artifacts; return their digests. Raises NotFound for the first that is not."""
        from rootless.artifacts.intake import collect
        from rootless.images.faults import store_errors

        gone = []
        for ref in refs:
            self._find(self._entries(), ref)  # what is not there needs no lock
            with store_errors(self.paths), locked(self._layout.path):
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
        teller: Teller = QUIET,
    ) -> Artifact:
        """Pull an artifact from its registry. Raises RegistryError, ImageError, SignatureError."""
        from rootless.artifacts.moving import pull

        name = pull(self.paths, ref, access, teller)
        return self.get(name)

    def push(self, ref: str, target: str = "", *, access: Access, teller: Teller = QUIET) -> str:
        """Push an artifact to the registry of its name, or of `target`; return its digest."""
        from rootless.artifacts.moving import push

        return push(self.get(ref), target, access, teller)

    def referrers(self, ref: str, *, access: Access, kind: str = "") -> Referring:
        """Return what refers to an image, or an artifact, in a registry; of one type, if said."""
        from rootless.artifacts.moving import referring

        return referring(ref, access, kind)
