"""`push`: an image of the store to a registry, its layers uploaded side by side.

What was pulled is pushed as it came: the registry's own manifest is still in the store, so the
image has the same digest everywhere. Only layers that are not compressed (those of `load`) are
compressed on the way, and then the manifest is another.
"""

from __future__ import annotations

import contextlib
from functools import partial

from rootless.errors import UsageError
from rootless.images.collection import grouped
from rootless.images.image import Image
from rootless.images.parallel import in_parallel
from rootless.images.progress import Silent
from rootless.oci import jsonio, layout, models, reference
from rootless.oci.blobs import Blob, Workspace
from rootless.oci.compression import compress
from rootless.oci.digest import CHUNK
from rootless.oci.errors import ImageError, InvalidReference
from rootless.oci.upload import bring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless.images.access import Access
    from rootless.images.collection import Images
    from rootless.images.progress import Progress
    from rootless.oci.reference import Reference
    from rootless.oci.registry import Repository

    Document = dict[str, Any]

FORMATS = {"": "", "oci": layout.OCI_MANIFEST, "v2s2": layout.DOCKER_MANIFEST}
COMPRESSIONS = ("", "gzip", "zstd")


class Pushed:
    """What the registry has now."""

    def __init__(self, name: str, digest: str, size: int) -> None:
        self.name = name
        self.digest = digest
        """Of the manifest."""
        self.size = size
        """Bytes of the manifest, as docker prints it."""


def push(
    images: Images,
    ref: str,
    target: str,
    access: Access,
    format_: str,
    compression: str,
    progress: Progress | None,
) -> Pushed:
    """Push `ref`; see Images.push."""
    if format_ not in FORMATS:
        raise UsageError(f"unknown format {format_!r}", "oci or v2s2")
    if compression not in COMPRESSIONS:
        raise UsageError(f"unknown compression {compression!r}", "gzip or zstd")
    if compression == "zstd" and format_ == "v2s2":
        raise UsageError("docker's format knows no zstd", "--format oci")
    image = images.get(ref)
    if image.host:
        raise UsageError("the image host is this machine and cannot be pushed")
    name = _target(images, ref, target)
    with Workspace(images.paths.images, images.paths.images) as work:
        one = Push(images, image, access.repository(name), work, progress or Silent())
        return one.run(FORMATS[format_], compression)


def _target(images: Images, ref: str, target: str) -> Reference:
    """Return where to: the name that was asked for, by default the image's own."""
    name = target or images.name_of(ref)
    if not name:
        raise UsageError(f"{ref} is no name: where is it to be pushed to?", "push IMAGE NAME")
    try:
        parsed = reference.parse(name).tagged()
    except InvalidReference as error:
        raise UsageError(error.message) from error
    if parsed.domain == "localhost" and not target:
        short = f"{parsed.path}:{parsed.tag}"
        raise UsageError(
            f"{name} is the name of an image of this machine alone",
            f"push {short} REGISTRY/{short} names a registry",
        )
    return parsed


class Push:
    """One push under way."""

    def __init__(
        self,
        images: Images,
        image: Image,
        repository: Repository,
        work: Workspace,
        progress: Progress,
    ) -> None:
        self._images = images
        self._image = image
        self._repository = repository
        self._layout = image.layout
        self._work = work
        self._progress = progress
        self._paths: dict[str, str] = {}
        """Digest -> file, of layers that were compressed for this."""
        self._origins: dict[str, str] = {}

    def run(self, media_type: str, compression: str) -> Pushed:
        """Upload all that is missing there, then the manifest."""
        data, kind = self._manifest(media_type, compression)
        manifest = models.decode(data, models.Manifest, "the manifest to push")
        self._origins = _origins(self._images, self._repository.name)
        blobs = {blob.digest: blob for blob in (*manifest.layers, manifest.config)}
        in_parallel([partial(self._upload, blob) for blob in blobs.values()], lambda: None)
        name = self._repository.name
        digest = self._repository.put_manifest(name.tag or name.digest, data, kind)
        return Pushed(str(name), digest, len(data))

    # -- what is pushed

    def _manifest(self, media_type: str, compression: str) -> tuple[bytes, str]:
        """Return the manifest to push, and its media type."""
        original, kind = self._original()
        plain = [one for one in self._image.manifest["layers"] if _compression_of(one) == ""]
        wanted = media_type or kind
        if not plain and not compression and wanted == kind:
            return original, kind
        layers = [self._layer(one, compression) for one in self._image.manifest["layers"]]
        config = dict(self._image.manifest["config"])
        if wanted == layout.OCI_MANIFEST:
            extras = {
                key: value
                for key, value in self._image.manifest.items()
                if key in ("annotations", "subject", "artifactType")
            }
            return models.make_manifest(config, layers, **extras), wanted
        return models.to_docker(config, layers), wanted

    def _original(self) -> tuple[bytes, str]:
        """Return the manifest as the registry had it, or as it is here; and its media type."""
        _, data = self._image.original()
        return data, str(jsonio.loads(data).get("mediaType") or layout.OCI_MANIFEST)

    def _layer(self, descriptor: Document, compression: str) -> Document:
        """Return the layer as it is pushed: compressed, and otherwise where that is wanted."""
        now = _compression_of(descriptor)
        wanted = compression or now.removeprefix("+") or "gzip"
        if now == f"+{wanted}":
            return descriptor
        path = self._layout.blob_path(descriptor["digest"])
        digest, what = str(descriptor["digest"]), f"compress {descriptor['digest'][7:19]}"
        blob = Blob(self._work.new())
        self._progress.begin(digest, what, int(descriptor["size"]))
        try:
            with open(path, "rb", buffering=0) as file:
                for count, piece in compress(file, wanted, name=f"layer {digest[:19]}"):
                    blob.write(piece)
                    self._progress.advance(digest, count)
            blob.finish()
        except BaseException:
            blob.abandon()
            raise
        self._progress.end(digest, "compressed")
        self._paths[blob.digest] = blob.path
        return {
            **descriptor,
            "mediaType": f"{layout.OCI_LAYER}+{wanted}",
            "digest": blob.digest,
            "size": blob.size,
        }

    # -- its blobs

    def _upload(self, blob: models.Descriptor) -> None:
        digest, size = blob.digest, blob.size
        self._progress.begin(digest, f"blob {digest[7:19]}", size)
        origin, content = self._origins.get(digest, ""), partial(self._content, digest)
        self._progress.end(digest, bring(self._repository, digest, size, origin, content))

    def _content(self, digest: str, start: int) -> Iterator[bytes]:
        path = self._paths.get(digest) or self._layout.blob_path(digest)
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(start)
                while data := file.read(CHUNK):
                    yield data
                    self._progress.advance(digest, len(data))
        except OSError as error:
            raise ImageError(f"cannot read blob {digest}: {error.strerror}") from error


def _compression_of(layer: Document) -> str:
    return models.LAYER_TYPES.get(str(layer.get("mediaType")), "")


def _origins(images: Images, name: Reference) -> dict[str, str]:
    """Return layer -> another repository of the registry that had it when we last heard of it."""
    found: dict[str, str] = {}
    for names, entry in grouped(layout.Layout(images.paths.images).index()["manifests"]):
        known = [reference.parse(one) for one in names if reference.is_valid(one)]
        paths = [one.path for one in known if one.domain == name.domain and one.path != name.path]
        if paths:
            with contextlib.suppress(ImageError):  # a damaged neighbour does not matter here
                for layer in Image(images.paths, entry, names).manifest["layers"]:
                    found[str(layer["digest"])] = paths[0]
    return found
