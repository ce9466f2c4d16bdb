"""`pull`: an image from a registry, its layers downloaded and unpacked side by side."""

from __future__ import annotations

import contextlib
import errno
from functools import partial

from rootless.errors import NotFound, UsageError
from rootless.images.access import Access
from rootless.images.collection import PULL_POLICIES, runs
from rootless.images.entries import entry_for
from rootless.images.intake import Intake
from rootless.images.parallel import in_parallel
from rootless.images.partial import PartialBlob, sweep
from rootless.images.places import check_platform, image_manifest, open_source
from rootless.images.progress import Silent
from rootless.images.sources import Sources
from rootless.oci import models, platform, reference, transports
from rootless.oci.errors import DigestError, ImageError, RegistryError
from rootless.oci.layout import MAX_JSON
from rootless.oci.reading import LocalSource
from rootless.oci.remote import RegistrySource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.images.collection import Images
    from rootless.images.image import Image
    from rootless.images.progress import Progress
    from rootless.images.sources import Choose, Retry
    from rootless.oci.blobs import Blob
    from rootless.oci.platform import Platform
    from rootless.oci.registry import Repository
    from rootless.oci.transports import Location, Source, Stream


def pull(
    images: Images,
    ref: str,
    wanted: str,
    policy: str,
    access: Access,
    progress: Progress | None,
    retry: Retry | None = None,
    choose: Choose | None = None,
) -> Image:
    """Pull `ref`; see Images.pull."""
    if policy not in PULL_POLICIES:
        raise UsageError(f"unknown pull policy {policy!r}", "one of " + ", ".join(PULL_POLICIES))
    if ref == "host":
        raise UsageError("the image host is this machine itself and is never pulled")
    if transports.has_transport(ref):
        return _from_files(images, transports.parse(ref), wanted, progress)
    reference.parse(ref)
    asked = platform.parse(wanted) if wanted else None
    local = None if policy == "always" else _local(images, ref, policy)
    fits = local is not None and (policy == "never" or runs(local, wanted))
    if local is not None and fits and policy != "newer":
        return local
    known = images.name_of(ref) if local is not None else ""
    sources = Sources(known or ref, access, retry=retry, choose=choose)
    if local is not None and fits and not _is_old(local, sources):
        return local

    def fetch(repository: Repository) -> None:
        names = [str(repository.name)]
        take(images, RegistrySource(repository), asked, names, progress or Silent())

    name, _ = sources.first(fetch)
    warning = sources.remember(name)
    if warning:
        images.warnings.append(warning)
    return images.get(str(name))


def take(
    images: Images, source: Source, asked: Platform | None, names: list[str] | None, told: Progress
) -> str:
    """Bring the image of a source into the store under `names`, and unpack it; return its id.

    Without `names` under that which the source says, if any.
    """
    with Intake(images.paths, images) as intake:
        sweep(images.paths.images)
        return Pull(intake, source, told).run(asked, names)


def _from_files(images: Images, place: Location, wanted: str, progress: Progress | None) -> Image:
    """Take an image from an archive or directory."""
    if place.transport == "docker-archive" and not place.ref:
        from rootless.images.loading import load

        return images.get(load(images, place.path, progress)[-1])
    if place.transport == "containers-storage":
        return images.get(place.path)
    with contextlib.closing(open_source(images, place, Access())) as source:
        asked = platform.parse(wanted) if wanted else None
        return images.get(take(images, source, asked, None, progress or Silent()))


def _local(images: Images, ref: str, policy: str) -> Image | None:
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
    return newest not in (*image.digests, image.manifest_digest)


_PIECE = 1 << 17
"""Bytes that are taken at once; a pull that is killed loses as much of each layer at most."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Pull:
    """One pull under way."""

    def __init__(self, intake: Intake, source: Source, progress: Progress) -> None:
        self._intake = intake
        self._source = source
        self._progress = progress
        self._transfers: set[Stream] = set()

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
        data = models.to_oci(manifest) if manifest.is_docker else fetched.data
        blobs.append(self._intake.take_bytes(data))
        if isinstance(self._source, LocalSource):  # no registry knows it
            known = [fetched.digest] if manifest.is_docker else []
            names = [self._source.full_name] if names is None and self._source.full_name else names
        else:
            known = [top.digest, fetched.digest]
        self._intake.commit([(names or [], entry_for(blobs[-1], len(data), known))], blobs)
        return manifest.config.digest.partition(":")[2]

    def _config(self, manifest: models.Manifest) -> models.Config:
        descriptor = manifest.config
        if descriptor.size > MAX_JSON:
            raise ImageError(f"image configuration {descriptor.digest} is larger than 4 MiB")
        if not self._intake.has(descriptor.digest):
            self._fetch(descriptor, unpack=False)
        data = self._intake.text(descriptor.digest)
        return models.decode(data, models.Config, f"image configuration {descriptor.digest}")

    def _layers(self, manifest: models.Manifest) -> None:
        """Download the layers that are not here, several at a time; the first error wins."""
        unique = {layer.digest: layer for layer in manifest.layers}
        missing = []
        for layer in unique.values():
            if self._intake.has(layer.digest):
                self._progress.begin(layer.digest, f"layer {layer.digest[7:19]}", layer.size)
                self._progress.end(layer.digest, "exists")
            else:
                missing.append(layer)
        if not missing:
            return
        in_parallel([partial(self._fetch, layer) for layer in missing], self._cancel)

    def _cancel(self) -> None:
        """End the transfers of other threads: none of them shall keep Control-C waiting."""
        self._intake.cancel()
        for stream in list(self._transfers):
            stream.abort()

    def _fetch(self, descriptor: models.Descriptor, *, unpack: bool = True) -> None:
        """Bring a blob in, or the rest of it."""
        digest, size = descriptor.digest, descriptor.size
        while True:
            if unpack:
                blob = self._intake.partial(digest, size)
            else:
                blob = self._intake.blob(expected=digest, size=size)
            try:
                self._fetch_into(blob, descriptor, unpack=unpack)
                return
            except DigestError:
                if not (isinstance(blob, PartialBlob) and blob.start and blob.digest):
                    raise
                # It is complete, but what was there from an earlier time was bad.

    def _fetch_into(self, blob: Blob, descriptor: models.Descriptor, *, unpack: bool) -> None:
        """Bring a blob in, or the rest of it. Raises RegistryError, DigestError and others."""
        digest, size = descriptor.digest, descriptor.size
        layer = None
        self._progress.begin(digest, f"layer {digest[7:19]}", size)
        try:
            self._progress.advance(digest, blob.size)
            layer = self._intake.unpack(blob) if unpack else None
            if blob.size < size:
                self._receive(blob, self._source.blob(digest, size, blob.size))
            blob.finish()
        except BaseException as error:
            blob.abandon()
            self._intake.forget(layer)
            if isinstance(blob, PartialBlob):
                full = isinstance(error, OSError) and error.errno in _FULL
                blob.discard() if full else blob.release()
            raise
        self._progress.end(digest, "pulled")
        self._intake.take(blob, layer)

    def _receive(self, blob: Blob, stream: Stream) -> None:
        self._transfers.add(stream)
        try:
            for data in iter(lambda: stream.read(_PIECE), b""):
                blob.write(data)
                self._progress.advance(blob.expected, len(data))
        finally:
            self._transfers.discard(stream)
            stream.close()
