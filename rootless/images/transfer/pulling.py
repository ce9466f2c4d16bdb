"""`pull`: an image from a registry, its layers downloaded and unpacked side by side."""

from __future__ import annotations

import contextlib
from functools import partial

from rootless.errors import NotFound, UsageError
from rootless.images.entries import entry_for
from rootless.images.finding import PULL_POLICIES, runs
from rootless.images.intake import Intake
from rootless.images.partial import sweep
from rootless.images.transfer.access import Access
from rootless.images.transfer.downloading import LayerTransfers
from rootless.images.transfer.known import Form, Known
from rootless.images.transfer.parallel import in_parallel
from rootless.images.transfer.places import check_platform, image_manifest, open_source
from rootless.images.transfer.sources import Sources
from rootless.oci import models, platform, reference, transports
from rootless.oci.distribution.remote import RegistrySource
from rootless.oci.errors import ImageError, RegistryError
from rootless.oci.layers.compression import LEVELS, compression_of
from rootless.oci.layout import MAX_JSON
from rootless.oci.reading import LocalSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.finding import Finder
    from rootless.images.image import Image
    from rootless.oci.distribution.registry import Repository
    from rootless.oci.platform import Platform
    from rootless.oci.transports import Location, Source
    from rootless.teller import Teller


def pull(
    images: Finder,
    ref: str,
    wanted: str,
    policy: str,
    access: Access,
    teller: Teller,
) -> Image:
    """Pull `ref`; see Images.pull."""
    if policy not in PULL_POLICIES:
        raise UsageError(f"unknown pull policy {policy!r}", "one of " + ", ".join(PULL_POLICIES))
    if ref == "host":
        raise UsageError("the image host is this machine itself and is never pulled")
    if transports.has_transport(ref):
        return _from_files(images, transports.parse(ref), wanted, teller)
    reference.parse(ref)
    asked = platform.parse(wanted) if wanted else None
    local = None if policy == "always" else _local(images, ref, policy)
    fits = local is not None and (policy == "never" or runs(local, wanted))
    if local is not None and fits and policy != "newer":
        return local
    known = images.name_of(ref) if local is not None else ""
    if known.startswith("localhost/") and not fits:
        known = ""  # made here, for another machine: a registry has it by the name that was written
    sources = Sources(known or ref, access, teller)
    if local is not None and fits and not _is_old(local, sources):
        return local

    def fetch(repository: Repository) -> None:
        names = [str(repository.name)]
        take(images, RegistrySource(repository), asked, names, teller)

    name, _ = sources.first(fetch)
    sources.remember(name)
    return images.get(str(name))


def take(
    images: Finder, source: Source, asked: Platform | None, names: list[str] | None, teller: Teller
) -> str:
    """Bring the image of a source into the store under `names`, and unpack it; return its id.

    Without `names` under that which the source says, if any.
    """
    with Intake(images.paths, teller) as intake:
        sweep(images.paths.images)
        return Pull(intake, source, teller).run(asked, names)


def _from_files(images: Finder, place: Location, wanted: str, teller: Teller) -> Image:
    """Take an image from an archive or directory."""
    if place.transport == "docker-archive" and not place.ref:
        from rootless.images.transfer.loading import load

        return images.get(load(images, place.path, teller)[-1])
    if place.transport == "containers-storage":
        return images.get(place.path)
    asked = platform.parse(wanted) if wanted else None
    try:
        with contextlib.closing(open_source(images, place, Access())) as source:
            return images.get(take(images, source, asked, None, teller))
    except ImageError as error:
        raise error.about(place.path) from None


def _local(images: Finder, ref: str, policy: str) -> Image | None:
    """The image in the store, if there is one."""
    try:
        return images.get(ref)
    except NotFound:
        if policy == "never":
            raise
        return None


def _is_old(image: Image, sources: Sources) -> bool:
    """Whether a registry has another image of this name than we."""
    try:
        _, newest = sources.first(lambda found: found.digest(found.name.digest or found.name.tag))
    except RegistryError:
        return False  # as podman: what cannot be asked has nothing newer
    pushed = [one.rpartition("@")[2] for one in image.pushed]
    return newest not in (*image.digests, *pushed, image.manifest_digest)


class Pull:
    """One pull under way."""

    def __init__(self, intake: Intake, source: Source, teller: Teller) -> None:
        self._intake = intake
        self._source = source
        self._teller = teller
        self._transfers = LayerTransfers(intake, source, teller)

    def run(self, asked: Platform | None, names: list[str] | None) -> str:
        """Fetch everything, then name the image; return its id."""
        top = self._source.manifest()
        fetched = image_manifest(self._source, asked)
        self._source.admit(fetched.data)
        manifest = models.decode(fetched.data, models.Manifest, f"manifest {fetched.digest}")
        manifest.check()
        config = self._config(manifest)
        # An index was chosen from; many configurations in one are careless.
        if fetched.digest == top.digest:
            offered = platform.Platform(config.os, config.architecture, config.variant)
            check_platform(self._source, offered, asked)
        self._layers(manifest)
        layers = [{"digest": layer.digest} for layer in manifest.layers]
        self._intake.keep_layers(layers, config.rootfs.diff_ids)
        blobs = [manifest.config.digest, *(layer.digest for layer in manifest.layers)]
        blobs.append(self._intake.take_bytes(fetched.data))
        if isinstance(self._source, RegistrySource):
            # An index: who uses this store has to see that its digest means this image.
            blobs.append(self._intake.take_bytes(top.data))
        data = models.to_oci(manifest) if manifest.is_docker else fetched.data
        blobs.append(self._intake.take_bytes(data))
        if isinstance(self._source, LocalSource):  # no registry knows it
            known = [fetched.digest] if manifest.is_docker else []
            if names is None and self._source.full_name:
                names = [reference.name_to_give(self._source.full_name)]
        else:
            known = [top.digest, fetched.digest]
        self._intake.commit([(names or [], entry_for(blobs[-1], len(data), known))], blobs)
        if isinstance(self._source, RegistrySource):
            self._note(manifest, self._source.repository.place.name)
        return manifest.config.digest.partition(":")[2]

    def _note(self, manifest: models.Manifest, place: str) -> None:
        """Remember for pushes where the blobs came from, and what the layers are unpacked."""
        known = Known(self._intake.paths.images)
        parts = {part.digest: part.size for part in (manifest.config, *manifest.layers)}
        for digest, size in parts.items():
            known.note(digest, Form("", 0, digest, size), place)
        for diff_id, digest in self._intake.proven:
            with contextlib.suppress(OSError):  # removed meanwhile
                with open(self._intake.path(digest), "rb") as file:
                    kind = compression_of(file.read(6))  # its media type may lie
                if kind in LEVELS:
                    known.note(diff_id, Form(kind, 0, digest, parts[digest]), place)

    def _config(self, manifest: models.Manifest) -> models.Config:
        descriptor = manifest.config
        if descriptor.size > MAX_JSON:
            raise ImageError(f"image configuration {descriptor.digest} is larger than 4 MiB")
        if not self._intake.has(descriptor.digest):
            name = f"config {descriptor.digest[7:19]}"
            self._transfers.fetch(descriptor.digest, descriptor.size, name)
        data = self._intake.text(descriptor.digest)
        return models.config_in(data, f"image configuration {descriptor.digest}")

    def _layers(self, manifest: models.Manifest) -> None:
        """Download the layers that are not here, several at a time; the first error wins."""
        unique = {layer.digest: layer for layer in manifest.layers}
        missing = []
        for layer in unique.values():
            if self._intake.has(layer.digest):
                self._teller.begin(layer.digest, f"layer {layer.digest[7:19]}", layer.size)
                self._teller.end(layer.digest, "exists")
            else:
                missing.append(layer)
        if not missing:
            return
        fetch = partial(self._transfers.fetch, unpack=True)
        in_parallel([partial(fetch, x.digest, x.size) for x in missing], self._transfers.cancel)
