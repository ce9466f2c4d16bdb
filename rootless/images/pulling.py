"""`pull`: an image from a registry, its layers downloaded and unpacked side by side."""

from __future__ import annotations

import contextlib
from functools import partial

from rootless.errors import NotFound, UsageError
from rootless.images.collection import PULL_POLICIES, runs
from rootless.images.downloading import Download
from rootless.images.entries import entry_for
from rootless.images.intake import Intake
from rootless.images.known import Form, Known
from rootless.images.parallel import in_parallel
from rootless.images.partial import sweep
from rootless.images.progress import Silent
from rootless.images.sources import Sources
from rootless.oci import models, platform, reference
from rootless.oci import policy as trust_policy
from rootless.oci.compression import LEVELS, compression_of
from rootless.oci.errors import ImageError, RegistryError
from rootless.oci.layout import MAX_DEPTH, MAX_JSON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.images.access import Access
    from rootless.images.collection import Images
    from rootless.images.image import Image
    from rootless.images.progress import Progress
    from rootless.images.sources import Choose, Retry
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
    pushed = [one.rpartition("@")[2] for one in image.pushed]
    return newest not in (*image.digests, *pushed, image.manifest_digest)


class Pull:
    """One pull under way."""

    def __init__(self, intake: Intake, repository: Repository, progress: Progress) -> None:
        self._intake = intake
        self._repository = repository
        self._progress = progress
        self._download = Download(intake, repository, progress)

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
        parts = {part.digest: part.size for part in (manifest.config, *manifest.layers)}
        for digest, size in parts.items():
            known.note(digest, Form("", 0, digest, size), place)
        for diff_id, digest in self._intake.proven:
            with contextlib.suppress(OSError):  # removed meanwhile
                with open(self._intake.path(digest), "rb") as file:
                    kind = compression_of(file.read(6))  # its media type may lie
                if kind in LEVELS:
                    known.note(diff_id, Form(kind, 0, digest, parts[digest]), place)

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
            self._download.fetch(descriptor.digest, descriptor.size, unpack=False)
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
        fetch = partial(self._download.fetch, unpack=True)
        in_parallel([partial(fetch, x.digest, x.size) for x in missing], self._download.cancel)


def _platforms(index: models.Index) -> Iterator[str]:
    for entry in index.manifests:
        text = str(platform.of(entry.platform))
        if text and not text.startswith("unknown"):
            yield text
