"""`load`: the images of a docker archive, an OCI archive or an OCI directory into the store."""

from __future__ import annotations

import os
import stat
import sys

from rootless.errors import UsageError
from rootless.images import limits
from rootless.images.entries import entry_for
from rootless.images.intake import Intake
from rootless.oci import archive, manifests, models, reference
from rootless.oci import platform as platforms
from rootless.oci.digest import CHUNK
from rootless.oci.errors import ImageError
from rootless.oci.layers.compression import compression_of, decompress
from rootless.oci.layout import MAX_JSON, OCI_CONFIG, Layout
from rootless.oci.reading import describe_layer, has_media_type
from rootless.oci.signatures import policy
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rootless.images.finding import Finder
    from rootless.oci.archive import Found
    from rootless.oci.digest import Readable
    from rootless.teller import Teller


def load(images: Finder, source: str, teller: Teller = QUIET, *, platform: str = "") -> list[str]:
    """Load all images of the file or directory `source`, "-" for standard input.

    Or those for a `platform` alone.

    Return their names, `sha256:<id>` for one without. Raises ImageError, DigestError, LayerError
    for what is damaged, UsageError for what cannot be read; the store is as before then.
    """
    if source == "-" and sys.stdin.isatty():
        raise UsageError("cannot load from a terminal", "name a file with -i, or redirect stdin")
    wanted = platforms.parse(platform) if platform else None
    if os.path.isdir(source):
        return _load_directory(images, source, teller, wanted)
    fd = _open(source)
    try:
        with Intake(images.paths, teller) as intake:
            receiver = Receiver(intake, teller)
            stream = decompress(fd, name="the archive")
            found = archive.contents(
                archive.read(Into(stream), receiver, limits.archive()), receiver, wanted
            )
            kind = "oci-archive" if found[0].manifest else "docker-archive"
            policy.load().check_local(kind, source)
            return keep(intake, receiver, found)
    except ImageError as error:
        raise error.about("standard input" if source == "-" else source) from None
    finally:
        os.close(fd)


def _open(source: str) -> int:
    if source == "-":
        return os.dup(0)
    try:
        fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot open {source}: {error.strerror}") from error
    if stat.S_ISREG(os.fstat(fd).st_mode):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    return fd


class Into:
    """A stream with `read` as one with `readinto`, which the tar reader wants."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill the beginning of `buffer`; 0 at the end."""
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Receiver:
    """Takes the members of an archive in; what looks like a layer is unpacked as it arrives."""

    def __init__(self, intake: Intake, teller: Teller) -> None:
        self._intake = intake
        self._teller = teller
        self._count = 0

    def skip(self, digest: str) -> bool:
        """Whether the store has such a blob already."""
        return self._intake.layout.has(digest)

    def has(self, digest: str) -> bool:
        """Whether the blob was received or is in the store."""
        return self._intake.has(digest)

    def text(self, digest: str) -> bytes:
        """The content of a document, a byte more than is allowed at most."""
        return self._intake.text(digest)

    def receive(self, digest: str, size: int, pieces: Iterator[bytes]) -> str:
        """Keep a member; return its digest. Raises DigestError where it is not `digest`."""
        head = next(pieces, b"")
        self._count += 1
        key = digest or f"member {self._count}"
        layer = None
        blob = self._intake.blob(expected=digest, size=size)
        try:
            if size > MAX_JSON or looks_like_layer(head):
                self._teller.begin(key, f"layer {digest[7:19]}".rstrip(), size)
                layer = self._intake.unpack(blob)
            while head:
                blob.write(head)
                if layer is not None:
                    self._teller.advance(key, len(head))
                head = next(pieces, b"")
            blob.finish()
        except BaseException:
            blob.abandon()
            raise
        finally:
            if layer is not None:
                self._teller.end(key, "loaded")
        return self._intake.take(blob, layer)

    def plain(self, digest: str) -> str:
        """Return the digest of a layer in a form for which manifests have a media type.

        That is the layer itself, or what it unfolds to. Raises ImageError.
        """
        most = limits.layer().bytes
        with open(self._intake.path(digest), "rb", buffering=0) as file:
            if has_media_type(file.read(6)):
                return digest
            file.seek(0)
            name = f"layer {digest[7:19]}"
            stream, blob = decompress(file.fileno(), name=name), self._intake.blob()
            try:
                while data := stream.read(CHUNK):
                    if blob.size + len(data) > most:
                        raise ImageError(f"{name} is larger than {most} bytes")
                    blob.write(data)
                blob.finish()
            except BaseException:
                blob.abandon()
                raise
        return self._intake.take(blob)

    def describe(self, digest: str) -> dict[str, str | int]:
        """Return the descriptor of a layer, its media type by its first bytes."""
        path = self._intake.path(digest)
        with open(path, "rb") as file:
            return describe_layer(digest, file.read(6), os.path.getsize(path))


def looks_like_layer(head: bytes) -> bool:
    """Whether content that begins so is probably a layer: worth unpacking before it is known."""
    return compression_of(head[:6]) != "none" or head[257:262] == b"ustar" or head[:1] == b"\0"


def keep(intake: Intake, receiver: Receiver, found: Iterable[Found]) -> list[str]:
    """Give the images found in an archive their place in the store; return their names."""
    images, names, blobs = [], [], []
    for image in found:
        sources: list[str] = []
        if image.manifest:
            manifest, digest = _adopt(intake, receiver, image.manifest, sources)
        else:
            manifest, digest = _compose(intake, receiver, image)
        config = archive.config_of(manifest.config.digest, receiver)
        layers = [{"digest": layer.digest} for layer in manifest.layers]
        intake.keep_layers(layers, config.rootfs.diff_ids)
        blobs += [manifest.config.digest, *(x.digest for x in manifest.layers), digest, *sources]
        images.append((image.names, entry_for(digest, len(receiver.text(digest)), sources)))
        names += image.names or [f"sha256:{manifest.config.digest.partition(':')[2]}"]
    intake.commit(images, blobs)
    return list(dict.fromkeys(names))


def _adopt(
    intake: Intake, receiver: Receiver, digest: str, sources: list[str]
) -> tuple[models.Manifest, str]:
    """Take a manifest as it is, or told in OCI's words where it is docker's."""
    manifest = archive.manifest_of(digest, receiver)
    if manifest.is_docker:
        sources.append(digest)
        digest = intake.take_bytes(models.to_oci(manifest))
    return manifest, digest


def _compose(intake: Intake, receiver: Receiver, image: Found) -> tuple[models.Manifest, str]:
    """Make a manifest for an image of a docker archive, which brings none."""
    config = {
        "mediaType": OCI_CONFIG,
        "digest": image.config,
        "size": len(receiver.text(image.config)),
    }
    plain = {layer: receiver.plain(layer) for layer in dict.fromkeys(image.layers)}
    layers = [receiver.describe(plain[layer]) for layer in image.layers]
    data = manifests.make_manifest(config, layers)
    manifest = models.decode(data, models.Manifest, "the new manifest")
    return manifest, intake.take_bytes(data)


def _load_directory(
    images: Finder, source: str, teller: Teller, wanted: platforms.Platform | None
) -> list[str]:
    """Load from an OCI layout directory: what is needed is known before anything is read."""
    policy.load().check_local("oci", source)
    origin = Layout(source)
    with Intake(images.paths, teller) as intake:
        receiver = DirectoryReceiver(intake, teller, origin)
        try:
            with open(f"{source}/index.json", "rb") as file:
                index = file.read(MAX_JSON + 1)
        except OSError as error:
            hint = "it is no OCI image layout"
            if os.path.exists(f"{source}/manifest.json"):
                hint = f"rootless pull dir:{source} takes a directory of docker's form"
            raise ImageError(
                f"cannot load {source}: its index.json: {error.strerror}", hint
            ) from error
        found = archive.index_contents(index, receiver, wanted)
        if not found:
            raise ImageError(f"cannot load {source}: its index.json names no image")
        for image in found:
            receiver.fetch(image.manifest)
        return keep(intake, receiver, found)


class DirectoryReceiver(Receiver):
    """Fetches blobs out of another layout when they are asked for."""

    def __init__(self, intake: Intake, teller: Teller, origin: Layout) -> None:
        super().__init__(intake, teller)
        self._origin = origin

    def has(self, digest: str) -> bool:
        """Whether the blob is in either layout."""
        return super().has(digest) or (reference.is_digest(digest) and self._origin.has(digest))

    def text(self, digest: str) -> bytes:
        """The content of a document, brought over first."""
        self._bring(digest, limit=MAX_JSON)
        return super().text(digest)

    def fetch(self, manifest: str) -> None:
        """Bring an image over: its configuration and its layers."""
        parsed = archive.manifest_of(manifest, self)
        self._bring(parsed.config.digest, limit=MAX_JSON)
        for layer in parsed.layers:
            self._bring(layer.digest, size=layer.size)

    def _bring(self, digest: str, *, size: int = -1, limit: int = -1) -> None:
        if self._intake.has(digest):
            return
        try:
            file = open(self._origin.blob_path(digest), "rb", buffering=0)
        except OSError as error:
            raise ImageError(f"blob {digest} of the directory: {error.strerror}") from error
        with file:
            length = os.fstat(file.fileno()).st_size
            if length > limit >= 0:
                raise ImageError(f"document {digest} is larger than {limit} bytes")
            if size not in (-1, length):
                raise ImageError(f"blob {digest} has {length} bytes, not {size}")
            self.receive(digest, length, iter(lambda: file.read(CHUNK), b""))
