"""Mending the store: blobs from the registry that they came from, layers from their blobs.

Only what is damaged is fetched. What comes has to have the digest of what was there, so it does
not matter whether the registry's tags have moved on, nor whom it belongs to by now. A mended blob
takes the place of the damaged one by a rename: a kill leaves the one or the other.
"""

from __future__ import annotations

import os

from rootless.images.intake import Intake
from rootless.images.transfer.downloading import Transfers
from rootless.images.transfer.progress import Silent
from rootless.oci import models
from rootless.oci.blobs import Stored, sync_directory
from rootless.oci.distribution.remote import RegistrySource
from rootless.oci.errors import DigestError, Error, ImageError
from rootless.oci.layers.datalayer import tree_behind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.oci.distribution.registry import Repository
    from rootless.oci.reference import Reference

    Document = dict[str, Any]


class Mending(Intake):
    """A repair under way; a context manager as Intake is."""

    def fetch(
        self, digest: str, size: int, places: list[tuple[Reference, list[str]]], *, manifest: bool
    ) -> None:
        """Fetch a blob again from the first of `places` that has it: (name, source digests).

        By way of its mirrors, as a pull.

        `manifest`: it is the image's manifest, not its configuration or a layer.
        Raises ImageError, which says why, where none has it.
        """
        from rootless.images.transfer.access import Access
        from rootless.images.transfer.sources import Sources

        if size < 0 and not manifest:
            raise ImageError(f"blob {digest}: its manifest does not say its size")
        reasons = []
        for name, sources in places:

            def take(repository: Repository, sources: list[str] = sources) -> None:
                if manifest:
                    self.take_bytes(_manifest(repository, digest, sources), digest)
                else:
                    source = RegistrySource(repository)
                    Transfers(self, source, Silent()).fetch(digest, size, unpack=False)

            try:
                Sources(str(name), Access()).first(take)
                self._blobs[digest].publish(self.layout)
                sync_directory(os.path.dirname(self.layout.blob_path(digest)))
            except Error as error:
                reasons.append(error.message)
            else:
                return
        raise ImageError("; ".join(reasons) or "no name says which registry it came from")

    def damage(self, digest: str, chain: str) -> str:
        """The first path at which an unpacked layer is not what its blob holds, "" for none.

        Raises LayerError and others where the blob itself is damaged.
        """
        path = f"{self.paths.layers}/{chain}"
        layer = self.unpack(Stored(self.path(digest), digest), tree_behind(path))
        layer.finish()
        return str(self._foreman.compare(layer.directory, path).result())

    def unpack_again(self, digest: str, diff_id: str, chain: str) -> None:
        """Unpack a layer anew and put it in the place of the one that is there.

        Raises DigestError where it is not `diff_id`, and what unpacking raises.
        """
        target = f"{self.paths.layers}/{chain}"
        layer = self.unpack(Stored(self.path(digest), digest), tree_behind(target))
        if (found := layer.finish()) != diff_id:
            raise DigestError(f"layer {digest} unpacks to {found}, not to {diff_id}")
        os.rename(target, self._trees.new())  # swept at the end
        self._place(layer.directory, chain)


def _manifest(repository: Repository, digest: str, sources: list[str]) -> bytes:
    """A manifest as the registry has it, or made anew of docker's as when it was pulled."""
    if digest in sources or not sources:
        return repository.manifest(digest).data
    fetched = repository.manifest(sources[-1])
    manifest = models.decode(fetched.data, models.Manifest, f"manifest {fetched.digest}")
    manifest.check()
    return models.to_oci(manifest)
