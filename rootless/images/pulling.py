"""`pull`: an image from a registry, its layers downloaded and unpacked side by side."""

from __future__ import annotations

import errno
import time
from functools import partial

from rootless.errors import NotFound, UsageError
from rootless.images.collection import PULL_POLICIES, runs
from rootless.images.entries import entry_for
from rootless.images.intake import Intake
from rootless.images.known import Form, Known
from rootless.images.parallel import in_parallel
from rootless.images.partial import PartialBlob, sweep
from rootless.images.progress import Silent
from rootless.images.sources import Sources
from rootless.oci import models, platform, reference
from rootless.oci import policy as trust_policy
from rootless.oci.errors import DigestError, ImageError, RegistryError
from rootless.oci.http import Client, HttpError, Response
from rootless.oci.layout import MAX_DEPTH, MAX_JSON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.images.access import Access
    from rootless.images.collection import Images
    from rootless.images.image import Image
    from rootless.images.progress import Progress
    from rootless.images.sources import Choose, Retry
    from rootless.oci.blobs import Blob
    from rootless.oci.platform import Platform
    from rootless.oci.registry import Fetched, Repository


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
        with Intake(images.paths, images) as intake:
            sweep(images.paths.images)
            Pull(intake, repository, progress or Silent()).run(asked)

    name, _ = sources.first(fetch)
    warning = sources.remember(name)
    if warning:
        images.warnings.append(warning)
    return images.get(str(name))


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

_MOST_CUTS = 100
"""Interruptions of one blob that are taken, even if it gets on each time."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Pull:
    """One pull under way."""

    def __init__(self, intake: Intake, repository: Repository, progress: Progress) -> None:
        self._intake = intake
        self._repository = repository
        self._progress = progress
        self._transfers: set[Response] = set()

    def run(self, asked: Platform | None) -> None:
        """Fetch everything, then name the image."""
        name = self._repository.name
        top = self._repository.manifest(name.digest or name.tag)
        fetched = self._image_manifest(top, asked)
        trust_policy.load().check(name, fetched.data, self._repository)
        manifest = models.decode(fetched.data, models.Manifest, f"manifest {fetched.digest}")
        manifest.check()
        config = self._config(manifest)
        if fetched is top:  # an index was chosen from; many configurations in one are careless
            self._check_platform(config, asked)
        self._layers(manifest)
        layers = [{"digest": layer.digest} for layer in manifest.layers]
        self._intake.keep_layers(layers, config.rootfs.diff_ids)
        blobs = [manifest.config.digest, *(layer.digest for layer in manifest.layers)]
        blobs.append(self._intake.take_bytes(fetched.data))
        data = models.to_oci(manifest) if manifest.is_docker else fetched.data
        blobs.append(self._intake.take_bytes(data))
        entry = entry_for(blobs[-1], len(data), [top.digest, fetched.digest])
        self._intake.commit([([str(name)], entry)], blobs)
        self._note(manifest)

    def _note(self, manifest: models.Manifest) -> None:
        """Remember for pushes where the blobs came from, and what the layers are unpacked."""
        known = Known(self._intake.paths.images)
        place = self._repository.place.name
        parts = {part.digest: part for part in (manifest.config, *manifest.layers)}
        named = [(digest, digest) for digest in parts]
        for key, digest in (*named, *self._intake.proven):
            part = parts[digest]
            kind = models.LAYER_TYPES.get(part.media_type, "").removeprefix("+")
            known.note(key, Form(kind, 0, digest, part.size), place)

    def _image_manifest(self, fetched: Fetched, asked: Platform | None) -> Fetched:
        """Follow indexes to the manifest for the platform. Raises ImageError."""
        wanted = asked or platform.host()
        for _ in range(MAX_DEPTH):
            subject = f"manifest {fetched.digest}"
            if models.kind_of(fetched.data, fetched.media_type, subject) == "manifest":
                return fetched
            index = models.decode(fetched.data, models.Index, subject)
            chosen = models.choose(index.manifests, wanted)
            if chosen is None:
                raise ImageError(
                    f"no image for platform {wanted} in {self._repository.name.familiar}",
                    "it is there for " + (", ".join(_platforms(index)) or "none"),
                )
            chosen.check()
            fetched = self._repository.manifest(chosen.digest)
            kind = models.kind_of(fetched.data, chosen.media_type, f"manifest {chosen.digest}")
            if kind == "manifest":
                return fetched
        raise ImageError(f"manifest {fetched.digest}: indexes are nested too deep")

    def _config(self, manifest: models.Manifest) -> models.Config:
        descriptor = manifest.config
        if descriptor.size > MAX_JSON:
            raise ImageError(f"image configuration {descriptor.digest} is larger than 4 MiB")
        if not self._intake.has(descriptor.digest):
            self._fetch(descriptor, unpack=False)
        data = self._intake.text(descriptor.digest)
        return models.decode(data, models.Config, f"image configuration {descriptor.digest}")

    def _check_platform(self, config: models.Config, asked: Platform | None) -> None:
        """A single manifest may be for another machine than asked; unasked it may be anything."""
        if asked is None:
            return
        offered = platform.Platform(config.os, config.architecture, config.variant)
        if not platform.fits(offered, asked):
            raise ImageError(
                f"{self._repository.name.familiar} is for platform {offered}, not {asked}"
            )

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
        for response in list(self._transfers):
            response.abort()

    def _fetch(self, descriptor: models.Descriptor, *, unpack: bool = True) -> None:
        """Bring a blob in; a transfer that breaks off goes on, a few times without progress."""
        digest, size = descriptor.digest, descriptor.size
        tries, reached = 0, -1
        for cut in range(1, _MOST_CUTS + 1):
            if unpack:
                blob = self._intake.partial(digest, size)
            else:
                blob = self._intake.blob(expected=digest, size=size)
            try:
                self._fetch_into(blob, descriptor, unpack=unpack)
                return
            except HttpError as error:
                tries = 1 if blob.size > reached else tries + 1
                reached = max(reached, blob.size)
                if tries == Client.attempts or cut == _MOST_CUTS or not error.temporary:
                    raise
                time.sleep(Client.pause * 2 ** (tries - 1))
            except DigestError:
                if not (isinstance(blob, PartialBlob) and blob.start and blob.digest):
                    raise
                # It is complete, but what was there from an earlier time was bad.

    def _fetch_into(self, blob: Blob, descriptor: models.Descriptor, *, unpack: bool) -> None:
        """Bring a blob in, or the rest of it. Raises HttpError, DigestError and others."""
        digest, size = descriptor.digest, descriptor.size
        layer = None
        self._progress.begin(digest, f"layer {digest[7:19]}", size)
        try:
            response = self._rest(blob, descriptor) if blob.size < size else None
            self._progress.advance(digest, blob.size)
            layer = self._intake.unpack(blob) if unpack else None
            if response is not None:
                with response:
                    self._receive(blob, response)
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

    def _rest(self, blob: Blob, descriptor: models.Descriptor) -> Response:
        """Ask for what is missing of a blob. Raises RegistryError, HttpError."""
        digest, size = descriptor.digest, descriptor.size
        response = self._repository.blob(digest, blob.size)
        if isinstance(blob, PartialBlob) and response.status == 200:
            blob.begin_anew()  # a registry that knows no ranges
        said = response.headers.get("Content-Range", "")
        if response.status == 206 and not said.startswith(f"bytes {blob.size}-"):
            response.close()
            raise RegistryError(f"blob {digest}: the registry sends another part than asked for")
        if response.length not in (-1, size - blob.size):
            response.close()
            there = blob.size + response.length
            raise RegistryError(f"blob {digest} has {there} bytes at the registry, not {size}")
        return response

    def _receive(self, blob: Blob, response: Response) -> None:
        self._transfers.add(response)
        try:
            for data in iter(lambda: response.read(_PIECE), b""):
                blob.write(data)
                self._progress.advance(blob.expected, len(data))
        finally:
            self._transfers.discard(response)


def _platforms(index: models.Index) -> Iterator[str]:
    for entry in index.manifests:
        text = str(platform.of(entry.platform))
        if text and not text.startswith("unknown"):
            yield text
