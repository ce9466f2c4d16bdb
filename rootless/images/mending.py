"""Mending the store: blobs from the registry that they came from, layers from their blobs.

Those of artifacts as well, which are in a store of their own: they have an intake of their own.

Only what is damaged is fetched. What comes has to have the digest of what was there, so it does
not matter whether the registry's tags have moved on, nor whom it belongs to by now. A mended blob
takes the place of the damaged one by a rename: a kill leaves the one or the other.
"""

from __future__ import annotations

import os

from rootless.images.intake import Intake
from rootless.oci import models
from rootless.oci.blobs import Stored
from rootless.oci.distribution.remote import RegistrySource
from rootless.oci.errors import DigestError, Error, ImageError
from rootless.oci.layers.datalayer import tree_behind
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from rootless.images.incoming import Incoming
    from rootless.images.transfer.downloading import Transfers
    from rootless.oci.distribution.registry import Repository
    from rootless.oci.reference import Reference
    from rootless.oci.transports import Source
    from rootless.teller import Teller

    Into = TypeVar("Into", bound=Incoming)


class Mending(Intake):
    """A repair of images under way; a context manager as Intake is."""

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


def fetch_again(
    intake: Into,
    transfers: Callable[[Into, Source, Teller], Transfers],
    digest: str,
    size: int,
    places: list[tuple[Reference, list[str]]],
    *,
    manifest: bool,
) -> None:
    """Fetch a blob again from the first of `places` that has it: (name, source digests).

    As a pull does, by way of its mirrors. `manifest`: it is one, and no configuration, layer or
    file of an artifact.
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
                intake.take_bytes(_manifest(repository, digest, sources), digest)
            else:
                transfers(intake, RegistrySource(repository), QUIET).fetch(digest, size)

        try:
            Sources(str(name), Access()).first(take)
            intake.restore(digest)
        except Error as error:
            reasons.append(error.message)
        else:
            return
    if not places:
        hint = "if there is one, pulling it again makes the record"
        raise ImageError("no record says which registry it came from", hint)
    raise ImageError("; ".join(reasons))


def _manifest(repository: Repository, digest: str, sources: list[str]) -> bytes:
    """A manifest as the registry has it, or made anew of docker's as when it was pulled."""
    if digest in sources or not sources:
        return repository.manifest(digest).data
    fetched = repository.manifest(sources[-1])
    manifest = models.decode(fetched.data, models.Manifest, f"manifest {fetched.digest}")
    manifest.check()
    return models.to_oci(manifest)
