"""Image archives: tar files that hold a docker archive, an OCI layout, or both at once.

    docker-archive   manifest.json names configuration and layers by their paths in the archive;
                     `docker save` before 25 wrote <id>/layer.tar (a symlink where two images share
                     one), podman writes <digest>.tar, docker since 25 blobs/sha256/<digest>
    oci-archive      oci-layout, index.json, blobs/sha256/<digest>

Such a file is read once, from its beginning to its end, because it may come through a pipe; what
its members mean is known only when all have been seen. So members are given to a `Sink` as they
come, and `contents` puts the images together afterwards. Paths in the archive are only ever keys
of a dictionary, never names of files.
"""

from __future__ import annotations

import posixpath

from rootless.oci import jsonio, layout, platform, reference
from rootless.oci.digest import CHUNK
from rootless.oci.errors import ImageError, InvalidReference
from rootless.oci.layers import tar
from rootless.oci.models import (
    Config,
    Descriptor,
    DockerImage,
    Index,
    Manifest,
    choose,
    config_in,
    decode,
    decode_list,
    kind_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    class Sink(Protocol):
        """Where the members of an archive go."""

        def skip(self, digest: str) -> bool:
            """Whether the content with this digest is here already and need not be read."""

        def receive(self, digest: str, size: int, pieces: Iterator[bytes]) -> str:
            """Keep the content of a member; return its digest.

            `digest` is what it must be, "" where the archive does not say.
            """

        def text(self, digest: str) -> bytes:
            """Return the content of a document that was received or skipped."""

        def has(self, digest: str) -> bool:
            """Whether such content was received or skipped."""


LIMITS = tar.Limits(entries=20_000)
MAX_LINKS = 8
_LEGACY = ("/json", "/VERSION", "repositories")
"""Files of the image format before docker 1.10, which nothing reads any more."""


class Found:
    """An image in an archive: its names, and either its manifest or what one is made of."""

    def __init__(
        self,
        names: list[str],
        *,
        manifest: str = "",
        config: str = "",
        layers: list[str] | None = None,
        sources: list[str] | None = None,
    ) -> None:
        self.names = names
        self.manifest = manifest
        """Digest of its manifest, "" where the archive has none (docker archives)."""
        self.config = config
        self.layers = layers or []
        """Digests of configuration and layers where there is no manifest."""


class Archive:
    """What an archive turned out to hold: for each path the digest of its content."""

    def __init__(self) -> None:
        self.members: dict[str, str] = {}
        self.links: dict[str, str] = {}

    def digest(self, path: str) -> str:
        """The digest of the content at `path`, links followed. Raises ImageError."""
        path = _clean(path)
        for _ in range(MAX_LINKS):
            if path in self.members:
                return self.members[path]
            if path not in self.links:
                break
            path = self.links[path]
        raise ImageError(f"the archive has no {path[:200]!r}, though its manifest names it")


def read(source: int | tar.ReadableInto, sink: Sink, limits: tar.Limits | None = None) -> Archive:
    """Read the tar `source` to its end and give its members to `sink`.

    Raises ImageError for what is no archive of images, and what `sink` raises.
    """
    return read_from(tar.Reader(source, limits or LIMITS), sink)


def read_from(reader: tar.Reader, sink: Sink) -> Archive:
    """As `read`, for a sink that asks the reader where it is."""
    archive = Archive()
    for entry in reader:
        name = _clean(entry.name.decode("utf-8", "surrogateescape"))
        if entry.type == tar.SYMLINK:
            target = entry.link.decode("utf-8", "surrogateescape")
            archive.links[name] = _clean(posixpath.join(posixpath.dirname(name), target))
        elif entry.type == tar.LINK:
            archive.links[name] = _clean(entry.link.decode("utf-8", "surrogateescape"))
        elif entry.type == tar.FILE and not name.endswith(_LEGACY):
            _member(archive, reader, name, entry.size, sink)
    reader.drain()
    return archive


def _member(archive: Archive, reader: tar.Reader, name: str, size: int, sink: Sink) -> None:
    promised = _promised(name)
    if promised and sink.skip(promised):
        reader.skip()
        archive.members[name] = promised
        return
    # Only blobs of a layout must have the digest that their path says; elsewhere it is a hint,
    # and the configuration's diff ids are the proof.
    expected = promised if name.startswith("blobs/") else ""
    archive.members[name] = sink.receive(expected, size, iter(lambda: reader.read(CHUNK), b""))


def _promised(name: str) -> str:
    """The digest that a path claims for its content, "" where it claims none."""
    parts = name.split("/")
    if len(parts) == 3 and parts[0] == "blobs":
        digest = f"{parts[1]}:{parts[2]}"
    elif len(parts) == 1 and name.endswith((".tar", ".json")):
        digest = "sha256:" + name.rpartition(".")[0]
    else:
        return ""
    return digest if reference.is_digest(digest) else ""


def _clean(path: str) -> str:
    """A path as the key of the table: relative, without `.` and `..`."""
    return posixpath.normpath("/" + path).lstrip("/")


def contents(archive: Archive, sink: Sink, wanted: platform.Platform | None = None) -> list[Found]:
    """Return the images of an archive that was read. Raises ImageError where there are none.

    With `wanted` those for this platform alone.
    """
    if "oci-layout" in archive.members and "index.json" in archive.members:
        found = index_contents(sink.text(archive.members["index.json"]), sink, wanted)
        if found:
            return found
    if "manifest.json" in archive.members:
        return for_platform(docker_contents(archive, sink), sink, wanted)
    raise no_archive("neither manifest.json nor index.json")


def no_archive(lacks: str) -> ImageError:
    """The error for a tar that holds no image."""
    return ImageError(
        f"this is no archive of images: it has {lacks}",
        "rootless import makes an image of the tar of a root file system",
    )


def for_platform(found: list[Found], sink: Sink, wanted: platform.Platform | None) -> list[Found]:
    """Return the images for a platform, of which each says itself what it is for.

    All of them where none is wanted. Raises ImageError where there are only others.
    """
    if wanted is None:
        return found
    left, others = [], []
    for image in found:
        config = image.config or manifest_of(image.manifest, sink).config.digest
        config_of(config, sink)
        offered = platform.of(jsonio.loads(sink.text(config)))
        if offered.architecture == wanted.architecture and platform.fits(offered, wanted):
            left.append(image)
        else:
            others.append(str(offered))
    if others and not left:
        raise ImageError(
            f"there is no image for platform {wanted}", f"there is one for {', '.join(others)}"
        )
    return left


def index_contents(data: bytes, sink: Sink, wanted: platform.Platform | None = None) -> list[Found]:
    """Return the images that the index.json of a layout names and whose manifests are there.

    With `wanted` those for this platform alone.
    """
    found: dict[str, Found] = {}
    for entry in decode(data, Index, "index.json").manifests:
        entry.check()
        if not sink.has(entry.digest):
            raise ImageError(f"index.json names manifest {entry.digest}, which is not there")
        chosen = _manifest(entry, sink, layout.MAX_DEPTH, wanted or platform.host())
        image = found.setdefault(chosen, Found([], manifest=chosen))
        name = name_in(entry.annotations or {})
        if name:
            image.names.append(_checked(name))
    for image in found.values():
        image.names = list(dict.fromkeys(image.names))
    return for_platform(list(found.values()), sink, wanted)


def _manifest(descriptor: Descriptor, sink: Sink, depth: int, wanted: platform.Platform) -> str:
    """Follow indexes to the image manifest for a platform; return its digest."""
    subject = f"manifest {descriptor.digest}"
    data = sink.text(descriptor.digest)
    if kind_of(data, descriptor.media_type, subject) == "manifest":
        return descriptor.digest
    if depth <= 1:
        raise ImageError(f"{subject}: indexes are nested too deep")
    entries = [entry for entry in decode(data, Index, subject).manifests if sink.has(entry.digest)]
    chosen = choose(entries, wanted)
    if chosen is None:
        raise ImageError(f"{subject}: no image for platform {wanted}")
    return _manifest(chosen, sink, depth - 1, wanted)


def name_in(annotations: dict[str, str]) -> str:
    """The full name of an image by the annotations of its index entry, "" without one.

    containerd and docker keep the whole name in an annotation of their own, and only the tag in
    OCI's.
    """
    name = annotations.get("io.containerd.image.name") or annotations.get(layout.REF_NAME, "")
    return reference.full(name) if name else ""


def _checked(name: str) -> str:
    """Return a full name that an archive brings. Raises ImageError for what may not be one.

    An archive that is another's must not name its image like the id or the digest of one here.
    """
    try:
        return reference.name_to_give(name)
    except InvalidReference as error:
        raise ImageError(f"the archive names an image so: {error.message}", error.hint) from error


def docker_contents(archive: Archive, sink: Sink) -> list[Found]:
    """Return the images that the manifest.json of docker's format names. Raises ImageError."""
    data = sink.text(archive.members["manifest.json"])
    images = decode_list(data, DockerImage, "manifest.json")
    if not images:
        raise ImageError("manifest.json names no image")
    found: dict[tuple[str, ...], Found] = {}
    for image in images:
        config, *layers = map(archive.digest, (image.config, *image.layers))
        one = found.setdefault((config, *layers), Found([], config=config, layers=layers))
        one.names += map(_checked, image.repo_tags or [])
    for one in found.values():
        one.names = list(dict.fromkeys(one.names))
    return list(found.values())


def config_of(digest: str, sink: Sink) -> Config:
    """Return the configuration with this digest. Raises ImageError where it is none."""
    return config_in(sink.text(digest), f"image configuration {digest}")


def manifest_of(digest: str, sink: Sink) -> Manifest:
    """Return the checked manifest with this digest. Raises ImageError where it is none."""
    subject = f"manifest {digest}"
    data = sink.text(digest)
    if kind_of(data, "", subject) != "manifest":
        raise ImageError(f"{subject} is an index")
    manifest = decode(data, Manifest, subject)
    manifest.check()
    return manifest
