"""Images in files: layouts, archives and directories as a `Source` (see `oci.transports`).

Whatever is in them may be a lie: documents are bounded and checked against their digest here,
blobs by whoever takes them. An archive is read once for where its members lie; then its blobs are
parts of one file that may be read side by side.
"""

from __future__ import annotations

import abc
import os
import stat

from rootless.oci import archive, manifests, models, reference, scratch
from rootless.oci.digest import CHUNK, Digest, Hasher
from rootless.oci.errors import DigestError, ImageError
from rootless.oci.layers import tar
from rootless.oci.layers.compression import compression_of, decompress
from rootless.oci.layout import MAX_JSON, OCI_CONFIG, OCI_LAYER, REF_NAME
from rootless.oci.transports import Fetched, check_size, media_type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless.oci.digest import Readable
    from rootless.oci.layout import Layout
    from rootless.oci.models import Descriptor
    from rootless.oci.signatures.signature import Signature
    from rootless.oci.transports import Location

    Document = dict[str, Any]


class Part:
    """A part of a file as a stream; with `owned` its descriptor is closed with it."""

    def __init__(self, fd: int, offset: int, size: int, *, owned: bool) -> None:
        self.size = size
        self._fd = fd
        self._offset = offset
        self._end = offset + size
        self._owned = owned
        self._aborted = False

    def seek(self, start: int) -> Part:
        """Go to a byte of the part."""
        self._offset = min(self._offset + start, self._end)
        return self

    def read(self, size: int = CHUNK, /) -> bytes:
        """At most `size` bytes, empty at the end."""
        if self._aborted:
            raise ImageError("the copy was given up")
        try:
            data = os.pread(self._fd, min(size, self._end - self._offset), self._offset)
        except OSError as error:
            raise ImageError(f"cannot read a blob: {error.strerror}") from error
        self._offset += len(data)
        return data

    def close(self) -> None:
        """Close what is its own."""
        if self._owned and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def abort(self) -> None:
        """Let the next `read` fail."""
        self._aborted = True


def open_file(path: str, what: str) -> Part:
    """Return the content of a regular file. Raises ImageError, which speaks of `what`."""
    try:
        # O_NONBLOCK: a named pipe in the place of a blob would keep us waiting for ever.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ImageError(f"{what} is missing") from None
    except OSError as error:
        raise ImageError(f"cannot read {what}: {error.strerror}") from error
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise ImageError(f"cannot read {what}: it is no file")
    return Part(fd, 0, status.st_size, owned=True)


def document(part: Part, what: str) -> bytes:
    """Return a whole document and close it. Raises ImageError for more than 4 MiB."""
    try:
        if part.size > MAX_JSON:
            raise ImageError(f"cannot read {what}: it is larger than 4 MiB")
        return b"".join(iter(part.read, b""))
    finally:
        part.close()


class LocalSource(abc.ABC):
    """What sources in files have in common: they differ in where blobs lie, and what is on top."""

    def __init__(self, place: Location) -> None:
        self.name = str(place)
        self.place = place

    @abc.abstractmethod
    def part(self, digest: str) -> Part:
        """Where the content of a blob lies. Raises ImageError."""

    @abc.abstractmethod
    def top(self) -> Fetched:
        """Return what the place means. Raises ImageError."""

    def instance(self, digest: str) -> Part:
        """Where a manifest lies that an index names."""
        return self.part(digest)

    def manifest(self, digest: str = "") -> Fetched:
        """Return the manifest or index on top, or one with a digest, which is checked."""
        if not digest:
            return self.top()
        return self.checked(digest, document(self.instance(digest), f"manifest {digest}"), "")

    def checked(self, digest: str, data: bytes, declared: str) -> Fetched:
        """Return a manifest that must have this digest. Raises DigestError, ImageError."""
        hasher = Hasher(Digest.parse(digest).algorithm)
        hasher.update(data)
        if hasher.digest != digest:
            raise DigestError(
                f"manifest {digest} of {self.name} has the digest {hasher.digest}",
                "it is damaged or was tampered with",
            )
        return Fetched(data, media_type_of(data, declared, f"manifest {digest}"), digest)

    def blob(self, digest: str, size: int, start: int = 0) -> Part:
        """Begin to read a blob. Raises ImageError where it is missing or has another size."""
        part = self.part(digest)
        try:
            check_size(digest, part.size, size)
        except ImageError:
            part.close()
            raise
        return part.seek(start)

    def signatures(self, digest: str) -> list[Signature]:
        """Return none: most forms have no place for them."""
        return []

    def admit(self, manifest: bytes) -> None:
        """Check the place against the policy; no signature in files is verified."""
        from rootless.oci.signatures import policy

        policy.load().check_local(self.place.transport, self.place.path)

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Nothing is held."""

    def choose(self, index: bytes) -> Fetched:
        """Return what the tag of the place means in an index.json. Raises ImageError."""
        entries = models.decode(index, models.Index, "index.json").manifests
        found = _tagged(entries, self.place.ref) if self.place.ref else entries
        unique = {entry.digest: entry for entry in found}
        if len(unique) != 1:
            names = sorted(
                {(entry.annotations or {}).get(REF_NAME, "") for entry in entries} - {""}
            )
            raise ImageError(
                f"{self.name} names {len(unique) or 'no'} image{'s' if unique else ''}",
                f"there are {', '.join(names[:10])}" if names else "",
            )
        entry = next(iter(unique.values()))
        entry.check()
        data = document(self.part(entry.digest), f"manifest {entry.digest}")
        self.full_name = archive.name_in(entry.annotations or {})
        return self.checked(entry.digest, data, entry.media_type)

    full_name = ""
    """The full name of the image, where the place says one; known with the manifest."""


class LayoutSource(LocalSource):
    """An image in an OCI layout."""

    def __init__(self, place: Location, layout: Layout) -> None:
        super().__init__(place)
        self._layout = layout

    def top(self) -> Fetched:
        """Return what index.json has under the tag."""
        what = f"{self.place.path}/index.json"
        return self.choose(document(open_file(what, what), what))

    def part(self, digest: str) -> Part:
        """The file of the blob."""
        return open_file(self._layout.blob_path(digest), f"blob {digest} of {self.place.path}")


class DirectorySource(LocalSource):
    """An image as skopeo's dir: keeps it: files with the digits of their digests for names."""

    def top(self) -> Fetched:
        """Return manifest.json."""
        what = f"{self.place.path}/manifest.json"
        data = document(open_file(what, what), what)
        return Fetched(data, media_type_of(data, "", what), Digest.of(data))

    def part(self, digest: str) -> Part:
        """The file of the blob."""
        return self._file(digest, "")

    def instance(self, digest: str) -> Part:
        """The file of the manifest."""
        return self._file(digest, ".manifest.json")

    def signatures(self, digest: str) -> list[Signature]:
        """Return those in files: signature-1 for what is on top, DIGITS.signature-1 for others."""
        from rootless.oci.signatures.signature import decode

        start = "" if digest == self.top().digest else f"{Digest.parse(digest).hex}."
        from rootless.oci.signatures.lookaside import numbered, read_bounded

        files = numbered(read_bounded, f"{self.place.path}/{start}")
        return [decode(data, f"a signature of {self.name}") for data in files]

    def _file(self, digest: str, suffix: str) -> Part:
        name = Digest.parse(digest).hex + suffix
        return open_file(f"{self.place.path}/{name}", f"blob {digest} of {self.place.path}")


class Catalogue:
    """Where the members of an archive lie: a `Sink` that keeps nothing."""

    def __init__(self, fd: int, reader: tar.Reader) -> None:
        self.fd = fd
        self._reader = reader
        self._parts: dict[str, tuple[int, int]] = {}

    def skip(self, digest: str) -> bool:
        """Nothing is here already."""
        return False

    def receive(self, digest: str, size: int, pieces: Iterator[bytes]) -> str:
        """Note where a member lies; hash it only where the archive does not say its digest."""
        offset = self._reader.offset
        if not digest:
            hasher = Hasher()
            for piece in pieces:
                hasher.update(piece)
            digest = hasher.digest
        self._parts.setdefault(digest, (offset, size))
        return digest

    def has(self, digest: str) -> bool:
        """Whether there was such a member."""
        return digest in self._parts

    def text(self, digest: str) -> bytes:
        """The content of a document, a byte more than is allowed at most."""
        offset, size = self._parts[digest]
        return os.pread(self.fd, min(size, MAX_JSON + 1), offset)

    def part(self, digest: str) -> Part:
        """The content of a member. Raises ImageError where there is none."""
        if digest not in self._parts:
            raise ImageError(f"the archive has no blob {digest[:80]}")
        return Part(self.fd, *self._parts[digest], owned=False)


class ArchiveSource(LocalSource):
    """An image in an archive, of either kind. Raises ImageError for what is none."""

    def __init__(self, place: Location, limits: tar.Limits) -> None:
        super().__init__(place)
        self._fd = _seekable(place.path, limits)
        try:
            reader = tar.Reader(self._fd, limits)
            self.catalogue = Catalogue(self._fd, reader)
            self.archive = archive.read_from(reader, self.catalogue)
        except BaseException:
            self.close()
            raise

    def part(self, digest: str) -> Part:
        """The member with the blob."""
        return self.catalogue.part(digest)

    def close(self) -> None:
        """Close the archive."""
        os.close(self._fd)


class OciArchiveSource(ArchiveSource):
    """An image in an OCI layout that is a tar file."""

    def top(self) -> Fetched:
        """Return what index.json has under the tag."""
        digest = self.archive.members.get("index.json")
        if digest is None:
            raise archive.no_archive("no index.json")
        return self.choose(self.catalogue.text(digest))


class DockerArchiveSource(ArchiveSource):
    """An image in what `docker save` wrote. It brings no manifest: one is made for it."""

    def __init__(self, place: Location, limits: tar.Limits) -> None:
        self._limits = limits
        self._unfolded: dict[str, int] = {}
        """Digest -> descriptor: layers without a compression that no manifest can tell."""
        super().__init__(place, limits)

    def part(self, digest: str) -> Part:
        """The member with the blob, or what one unfolds to."""
        if digest in self._unfolded:
            fd = self._unfolded[digest]
            return Part(fd, 0, os.fstat(fd).st_size, owned=False)
        return super().part(digest)

    def close(self) -> None:
        """Close the archive, and what was unfolded beside it."""
        while self._unfolded:
            os.close(self._unfolded.popitem()[1])
        super().close()

    def top(self) -> Fetched:
        """Return a manifest in docker's format, or OCI's where docker's cannot tell the layers."""
        if "manifest.json" not in self.archive.members:
            raise archive.no_archive("no manifest.json")
        image = self._chosen()
        config = archive.config_of(image.config, self.catalogue)
        if len(config.rootfs.diff_ids) != len(image.layers):
            raise ImageError(f"{self.name}: its configuration is of other layers")
        size = self.part(image.config).size
        about: Document = {"mediaType": OCI_CONFIG, "digest": image.config, "size": size}
        layers = [self._describe(layer) for layer in image.layers]
        if any(layer["mediaType"].endswith("+zstd") for layer in layers):
            data = manifests.make_manifest(about, layers)
        else:
            data = manifests.to_docker(about, layers)
        return Fetched(data, media_type_of(data, "", "the new manifest"), Digest.of(data))

    def _chosen(self) -> archive.Found:
        found = archive.docker_contents(self.archive, self.catalogue)
        ref = self.place.ref
        if ref:
            wanted = reference.normalise(ref)
            found = [image for image in found if wanted in image.names]
            self.full_name = wanted
        elif found:
            self.full_name = next(iter(found[0].names), "")
        if len(found) != 1:
            raise ImageError(
                f"{self.name} names {len(found) or 'no'} image{'s' if found else ''}",
                "write docker-archive:FILE:NAME for one of them",
            )
        return found[0]

    def _describe(self, digest: str) -> Document:
        head = self.part(digest).read(6)
        if not has_media_type(head):
            digest, head = self._unfold(digest), b""
        return describe_layer(digest, head, self.part(digest).size)

    def _unfold(self, digest: str) -> str:
        """Keep what a layer unfolds to; return the digest of that."""
        name = f"layer {digest[7:19]}"
        fd = _unfolded(decompress(self.part(digest), name=name), self._limits, name)
        hasher, part = Hasher(), Part(fd, 0, os.fstat(fd).st_size, owned=False)
        while data := part.read():
            hasher.update(data)
        if self._unfolded.setdefault(hasher.digest, fd) != fd:
            os.close(fd)  # another layer is the same
        return hasher.digest


def has_media_type(head: bytes) -> bool:
    """Whether a layer that begins so is in a form that a manifest can tell.

    Others, xz and bzip2, are found in archives alone.
    """
    return compression_of(head) in models.COMPRESSION_SUFFIX


def describe_layer(digest: str, head: bytes, size: int) -> Document:
    """Return the descriptor of a layer, its media type by its first bytes. Raises ImageError."""
    compression = compression_of(head)
    suffix = models.COMPRESSION_SUFFIX.get(compression)
    if suffix is None:
        raise ImageError(f"layer {digest}: {compression} is no compression of layers")
    return {"mediaType": OCI_LAYER + suffix, "digest": digest, "size": size}


def _tagged(entries: list[Descriptor], ref: str) -> list[Descriptor]:
    """Return the entries that a tag means: as it is written, else by the full name."""
    written = [entry for entry in entries if (entry.annotations or {}).get(REF_NAME) == ref]
    return written or [entry for entry in entries if _name(entry) == reference.full(ref)]


def _name(entry: Descriptor) -> str:
    return archive.name_in(entry.annotations or {})


def _seekable(path: str, limits: tar.Limits) -> int:
    """Open an archive; what is compressed or comes through a pipe is unfolded beside it first.

    Raises ImageError.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ImageError(f"cannot open {path}: {error.strerror}") from error
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{path} is a directory", "oci: or dir: read directories")
        if stat.S_ISREG(status.st_mode) and compression_of(os.pread(fd, 6, 0)) == "none":
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            return os.dup(fd)
        return _unfolded(decompress(fd, name=path), limits, "the archive")
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(fd)


def _unfolded(stream: Readable, limits: tar.Limits, name: str) -> int:
    """Return a descriptor of a file without a name that has all of `stream`."""
    fd, size = scratch.file(), 0
    try:
        while data := stream.read(CHUNK):
            size += len(data)
            if size > limits.bytes:
                raise ImageError(f"{name} is larger than {limits.bytes} bytes")
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd
