"""A cache in a registry: a manifest with a name of its own, beside those of images."""

from __future__ import annotations

import threading
from functools import partial

from rootless.build.carriers.opening import access_to, measured, pieces
from rootless.images.transfer.outgoing import Packing
from rootless.oci import reference
from rootless.oci.blobs import Workspace, initialise
from rootless.oci.distribution.upload import Upload, Whole, bring
from rootless.oci.errors import RegistryError
from rootless.oci.layout import OCI_MANIFEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.build.carriers.opening import Reach
    from rootless.build.carriers.wishes import Carrier
    from rootless.store.paths import Paths
    from rootless.teller import Teller


class Repository:
    """A repository that gets a cache: a `Target` of `exporting`."""

    def __init__(self, paths: Paths, carrier: Carrier, reach: Reach, teller: Teller) -> None:
        """Raises RegistryError, InvalidReference."""
        name = reference.parse(carrier.place).tagged()
        self._repository = access_to(carrier, reach).destination(name)
        self.name = self._repository.place.name
        self._teller = teller
        paths.prepare()
        initialise(paths.images)
        self._work = Workspace(paths.images, paths.images)
        self._lock = threading.Lock()

    def has(self, digest: str, size: int) -> bool:
        """Whether a blob is there."""
        return self._repository.has(digest, size)

    def room(self) -> str:
        """Return a path for a file that is there for a while."""
        return self._work.new()

    def put(self, path: str, name: str, kind: str, level: int) -> tuple[str, int]:
        """Upload a file, compressed or as it is; return digest and size."""
        with self._lock:
            place = self._work.new()
        if not kind:
            digest, size = measured(path)
            bring(self._repository, Whole(digest, size, partial(pieces, path)), "")
            return digest, size
        advance = partial(self._teller.advance, name)
        packing = Packing(path, name, place, kind, level, advance)
        try:
            Upload(self._repository, packing).run(self._repository.begin_upload())
        except BaseException:
            packing.cancel()
            raise
        return packing.digest, packing.size

    def put_bytes(self, data: bytes) -> str:
        """Upload a document; return its digest."""
        from rootless.oci.digest import Digest

        digest = Digest.of(data)

        def read(start: int) -> Iterator[bytes]:
            yield data[start:]

        bring(self._repository, Whole(digest, len(data), read), "")
        return digest

    def finish(self, manifest: bytes, parts: list[str]) -> list[str]:
        """Name it; all parts are there, or the registry refuses it."""
        place = self._repository.place
        if place.digest:
            raise RegistryError(f"{place} is a digest, and a cache needs a tag")
        self._repository.put_manifest(place.tag, manifest, OCI_MANIFEST)
        return []

    def close(self) -> None:
        """Remove what was compressed for it."""
        self._work.__exit__()
