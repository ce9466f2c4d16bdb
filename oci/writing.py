"""Images into files: layouts, archives and directories as a `Target` (see `oci.transports`).

Nothing has its name before it is whole: blobs are checked while they are written, and what names
an image (index.json, manifest.json, the archive itself) is replaced at the end, in one step.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading

from rootless.oci import jsonio, models, reference, scratch
from rootless.oci.blobs import (
    LAYOUT,
    MARKER,
    Blob,
    Workspace,
    initialise,
    locked,
    replace,
    sync_directory,
    write_index,
)
from rootless.oci.bundle import Bundle
from rootless.oci.digest import CHUNK, Digest, Verifier
from rootless.oci.errors import DigestError, ImageError
from rootless.oci.layers.compression import decompress
from rootless.oci.layout import OCI_INDEX, REF_NAME, Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rootless.oci.models import Descriptor
    from rootless.oci.transports import Content, Fetched, Location

    Document = dict[str, Any]

VERSION = b"Directory Transport Version: 1.1\n"
"""The file `version` of dir:, by which skopeo knows that it may write there."""


class LayoutTarget:
    """An OCI layout, made if it is not there yet; other images in it stay as they are."""

    docker, many, together, compress = False, True, True, ""
    keeps: tuple[str, ...] = ()

    def __init__(self, place: Location) -> None:
        """Raises ImageError where it can be none."""
        self.name = str(place)
        self._place = place
        self._layout = Layout(place.path)
        with contextlib.ExitStack() as stack, writing(place.path):
            if not os.path.exists(f"{place.path}/{LAYOUT}"):
                _check_empty(place.path, "nor an OCI layout")
            initialise(place.path)
            self._work = stack.enter_context(Workspace(place.path, place.path))
            self._stack = stack.pop_all()

    def put(self, blob: Descriptor, content: Content) -> str:
        """Write a blob, unless it is there."""
        path = self._layout.blob_path(blob.digest)
        with contextlib.suppress(OSError):
            if os.stat(path).st_size == blob.size:
                return "exists"
        with writing(self._place.path):
            write(self._work.new(), blob, content).publish(self._layout)
        return "copied"

    def put_manifest(self, manifest: Fetched) -> None:
        """Write it as a blob."""
        self.put(*_as_blob(manifest))

    def finish(self, top: Fetched) -> None:
        """Name it in the index; who had the name before loses it."""
        self.put_manifest(top)
        ref = self._place.ref
        entry = _entry(top, ref)
        with writing(self._place.path):
            sync_directory(f"{self._place.path}/blobs/sha256")
            with locked(self._place.path):
                index = self._layout.index()
                index["manifests"] = [
                    one for one in index["manifests"] if not _replaced(one, entry, ref)
                ]
                index["manifests"].append(entry)
                write_index(self._place.path, index)

    def close(self) -> None:
        """Sweep what was not finished."""
        # A thread that was given up may still write: then the next one here sweeps.
        with contextlib.suppress(OSError):
            self._stack.close()


def _replaced(old: Document, new: Document, ref: str) -> bool:
    """Whether an entry of the index makes way: it has the name, or is the same without a name."""
    annotations = old.get("annotations")
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name == ref if name else bool(old["digest"] == new["digest"])


class DirectoryTarget:
    """A directory of skopeo's dir: form. An older image in it goes when the new one is whole."""

    docker = many = together = True
    compress = ""
    keeps: tuple[str, ...] = ("OpenPGP", "sigstore")

    def __init__(self, place: Location) -> None:
        """Raises ImageError for a directory with other things in it."""
        self.name = str(place)
        self._path = place.path
        self._files = {"version", "manifest.json"}
        self._numbers = Numbers()
        with writing(self._path):
            if not os.path.exists(f"{self._path}/version"):
                _check_empty(self._path, "nor of the form dir:")
            os.makedirs(self._path, exist_ok=True)
            replace(f"{self._path}/version", VERSION)

    def put(self, blob: Descriptor, content: Content) -> str:
        """Write a blob under the digits of its digest."""
        return self._put(Digest.parse(blob.digest).hex, blob, content)

    def put_manifest(self, manifest: Fetched) -> None:
        """Write it beside the blobs."""
        digits = Digest.parse(manifest.digest).hex
        self._sign(f"{digits}.", manifest)
        self._put(f"{digits}.manifest.json", *_as_blob(manifest))

    def _sign(self, start: str, manifest: Fetched) -> None:
        for number, signature in enumerate(manifest.signatures, 1):
            name = f"{start}signature-{number}"
            self._files.add(name)
            with writing(self._path):
                replace(f"{self._path}/{name}", signature.encode())

    def _put(self, name: str, blob: Descriptor, content: Content) -> str:
        self._files.add(name)
        with writing(self._path):
            made = write(f"{self._path}/.new-{os.getpid()}-{self._numbers.next()}", blob, content)
            made.publish_as(f"{self._path}/{name}")
        return "copied"

    def finish(self, top: Fetched) -> None:
        """Write manifest.json, and remove what belonged to another image."""
        self._sign("", top)
        with writing(self._path):
            replace(f"{self._path}/manifest.json", top.data)
            for name in set(os.listdir(self._path)) - self._files:
                digits = name.removesuffix(".manifest.json").partition(".signature-")[0]
                if reference.is_digest(f"sha256:{digits}") or name.startswith("signature-"):
                    os.unlink(f"{self._path}/{name}")

    def close(self) -> None:
        """Remove what was not finished."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self._path):
                if name.startswith(f".new-{os.getpid()}-"):
                    os.unlink(f"{self._path}/{name}")


class OciArchiveTarget:
    """A tar file with an OCI layout, written from its beginning to its end."""

    docker, many, together, compress = False, True, False, ""
    keeps: tuple[str, ...] = ()

    def __init__(self, place: Location) -> None:
        """Raises ImageError where the file cannot be written."""
        self.name = str(place)
        self._ref = place.ref
        with contextlib.ExitStack() as stack:
            self._bundle = Bundle(stack.enter_context(replacing(place.path)))
            begin_layout(self._bundle)
            self._stack = stack.pop_all()

    def put(self, blob: Descriptor, content: Content) -> str:
        """Write a blob, unless it is in the archive."""
        digest = Digest.parse(blob.digest)
        if self._bundle.has(digest.path):
            return "exists"
        for _ in self._bundle.copy(digest.path, Pieces(content(0)), blob.size, digest):
            pass
        return "copied"

    def put_manifest(self, manifest: Fetched) -> None:
        """Write it as a blob."""
        self.put(*_as_blob(manifest))

    def finish(self, top: Fetched) -> None:
        """Write the index and the end of the archive, and give it its name."""
        self.put_manifest(top)
        self._bundle.data("index.json", index_of([_entry(top, self._ref)]))
        self._bundle.close()
        self._stack.close()

    def close(self) -> None:
        """Forget an archive that was not finished."""
        _give_up(self._stack)


class DockerArchiveTarget:
    """A new archive as `docker save` writes it: uncompressed layers, and no manifest.

    A tar wants to know sizes first, so layers are unfolded into files before.
    """

    docker, many, together, compress = True, False, True, ""
    keeps: tuple[str, ...] = ()

    def __init__(self, place: Location, limit: int) -> None:
        """At most `limit` bytes of each layer are unfolded. Raises ImageError."""
        self.name = str(place)
        self._limit = limit
        self._tag = reference.normalise(place.ref) if place.ref else ""
        self._blobs: dict[str, Blob] = {}
        self._numbers = Numbers()
        if os.path.exists(place.path) and os.path.getsize(place.path):
            raise ImageError(
                f"{place.path} is there already, and archives of docker's form are not added to",
                "name another file, or remove it",
            )
        with contextlib.ExitStack() as stack:
            self._bundle = Bundle(stack.enter_context(replacing(place.path)))
            self._work = scratch.directory()
            stack.callback(scratch.remove, self._work)
            self._stack = stack.pop_all()

    def put(self, blob: Descriptor, content: Content) -> str:
        """Unfold a blob into a file of its own."""
        if blob.digest in self._blobs:
            return "exists"
        checked = Verifier(Pieces(content(0)), Digest.parse(blob.digest), blob.size)
        stream = decompress(checked, name=f"layer {blob.digest[:19]}")
        made = Blob(f"{self._work}/{self._numbers.next()}")
        with writing(self._work), _abandoning(made):
            while data := stream.read(CHUNK):
                if made.size + len(data) > self._limit:
                    raise ImageError(f"blob {blob.digest} unfolds to over {self._limit} bytes")
                made.write(data)
            while checked.read(CHUNK):
                pass
            self._blobs[blob.digest] = made.finish()
        return "copied"

    def put_manifest(self, manifest: Fetched) -> None:
        """There are no indexes in such an archive."""
        raise ImageError(f"{self.name} can hold one image of one platform only")

    def finish(self, top: Fetched) -> None:
        """Write the archive."""
        manifest = models.decode(top.data, models.Manifest, f"manifest {top.digest}")
        config = self._blobs[manifest.config.digest]
        with open(config.path, "rb") as file:
            about = models.config_in(file.read(), "the image configuration")
        made = [self._blobs[layer.digest] for layer in manifest.layers]
        if [blob.digest for blob in made] != about.rootfs.diff_ids:
            raise DigestError(f"manifest {top.digest}: other layers than its configuration says")
        names = [self._member(blob, ".tar") for blob in made]
        row = {"Config": self._member(config, ".json"), "RepoTags": None, "Layers": names}
        if self._tag:
            row["RepoTags"] = [self._tag]
        self._bundle.data("manifest.json", jsonio.dump_bytes([row]))
        self._bundle.close()
        self._stack.close()

    def _member(self, blob: Blob, suffix: str) -> str:
        name = blob.digest.partition(":")[2] + suffix
        if not self._bundle.has(name):
            with open(blob.path, "rb", buffering=0) as file:
                for _ in self._bundle.copy(name, file, blob.size, blob.digest):
                    pass
        return name

    def close(self) -> None:
        """Forget an archive that was not finished."""
        _give_up(self._stack)


class Pieces:
    """An iterator of bytes as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, empty at the end."""
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)


class Numbers:
    """Numbers that no two threads get."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        """The next one."""
        with self._lock:
            self._last += 1
            return self._last


def write(path: str, blob: Descriptor, content: Content) -> Blob:
    """Write a blob to a new file. Raises DigestError where it is not what is promised."""
    made = Blob(path, expected=blob.digest, size=blob.size)
    with _abandoning(made):
        for piece in content(0):
            made.write(piece)
        return made.finish()


@contextlib.contextmanager
def _abandoning(blob: Blob) -> Iterator[None]:
    try:
        yield
    except BaseException:
        blob.abandon()
        raise


def _as_blob(manifest: Fetched) -> tuple[Descriptor, Callable[[int], Iterator[bytes]]]:
    descriptor = models.Descriptor(manifest.media_type, manifest.digest, len(manifest.data))
    return descriptor, lambda start: iter([manifest.data[start:]])


def _entry(top: Fetched, ref: str) -> Document:
    """The entry of an image in a layout's index, under the name `ref` if there is one."""
    entry: Document = {
        "mediaType": top.media_type,
        "digest": str(top.digest),
        "size": len(top.data),
    }
    return {**entry, "annotations": {REF_NAME: ref}} if ref else entry


def begin_layout(bundle: Bundle) -> None:
    """Write what every archive of a layout begins with."""
    bundle.data(LAYOUT, MARKER)
    bundle.directory("blobs/")
    bundle.directory("blobs/sha256/")


def index_of(entries: list[Document]) -> bytes:
    """Return an index.json."""
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return jsonio.dump_bytes(document)


def _check_empty(path: str, otherwise: str) -> None:
    """Raise ImageError where there is anything at `path` but an empty directory."""
    if os.path.lexists(path) and (not os.path.isdir(path) or os.listdir(path)):
        raise ImageError(f"cannot write to {path}: it is neither empty {otherwise}")


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Tell the system's errors in terms of the place that is written."""
    try:
        yield
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error.strerror}") from error


class _GivenUp(Exception):
    """An archive that is not to get its name."""


def _give_up(stack: contextlib.ExitStack) -> None:
    """Leave a stack as after an error; harmless where it was left already."""
    stack.__exit__(_GivenUp, _GivenUp(), None)


@contextlib.contextmanager
def replacing(path: str) -> Iterator[int]:
    """A descriptor for what `path` will hold: a regular file gets its name when all went well.

    Raises ImageError.
    """
    with writing(path):
        temporary = path
        if not os.path.exists(path) or stat.S_ISREG(os.stat(path).st_mode):
            temporary = f"{path}.{os.getpid()}"
        nameless = -1 if temporary == path else _nameless(path)
        fd = nameless
        if fd < 0:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            try:
                yield fd
                if nameless >= 0:
                    # With a descriptor for the directory it is linkat(2), which follows the link.
                    os.link(f"/proc/self/fd/{fd}", temporary, src_dir_fd=fd)
            finally:
                os.close(fd)
            if temporary != path:
                os.rename(temporary, path)
        finally:
            if temporary != path:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)


def _nameless(path: str) -> int:
    """Return a file that goes with whoever is killed, where `path` is to be; -1 for none."""
    try:
        flags = os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC
        return os.open(os.path.dirname(path) or ".", flags, 0o666)
    except OSError:
        return -1  # a file system without them, or no place to write, which the other way tells
