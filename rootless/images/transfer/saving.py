"""`save`: images of the store as a docker archive, an OCI archive or an OCI directory."""

from __future__ import annotations

import contextlib
import io
import os
import sys

from rootless.errors import UsageError
from rootless.errors import named as field
from rootless.images.entries import named, renamed
from rootless.oci import jsonio, manifests
from rootless.oci.blobs import Workspace, initialise, locked, sync_directory, write_index
from rootless.oci.bundle import Bundle
from rootless.oci.digest import CHUNK, Digest
from rootless.oci.layers.compression import decompress
from rootless.oci.layout import OCI_LAYER, OCI_MANIFEST, Layout, parts_of
from rootless.oci.models import Descriptor
from rootless.oci.reading import open_file
from rootless.oci.writing import begin_layout, index_of, replacing, write
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless.images.finding import Finder
    from rootless.images.image import Image
    from rootless.oci.digest import Readable
    from rootless.oci.reading import Part
    from rootless.teller import Teller

    Document = dict[str, Any]

FORMATS = ("docker-archive", "oci-archive", "oci-dir", "docker-dir")
COMPRESSED, UNCOMPRESSED = "compressed", "uncompressed"
"""What layers are to be that are not so; the third is "", as they are."""

CONTAINERD_NAME = "io.containerd.image.name"


class Content:
    """What a blob is written from: one of the store, or what one unfolds to."""

    kind = "layer"
    """What it is, for people."""

    def __init__(self, layout: Layout, digest: str, *, unfolded: int = -1) -> None:
        """`unfolded` is how many bytes it has without its compression, where those are meant."""
        self._layout, self._digest, self._unfolded = layout, digest, unfolded

    @property
    def size(self) -> int:
        """Its bytes."""
        if self._unfolded >= 0:
            return self._unfolded
        return os.path.getsize(self._layout.blob_path(self._digest))

    @contextlib.contextmanager
    def open(self) -> Iterator[Readable]:
        """Read it from the beginning."""
        with contextlib.closing(_blob(self._layout, self._digest, self.kind)) as part:
            name = f"layer {self._digest[7:19]}"
            yield decompress(part, name=name) if self._unfolded >= 0 else part


class Config(Content):
    """A configuration of the store."""

    kind = "config"


class Manifest(Content):
    """A manifest of the store."""

    kind = "manifest"


class Made(Content):
    """A document that was made for this: a manifest."""

    kind = "manifest"

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self._data)

    @contextlib.contextmanager
    def open(self) -> Iterator[Readable]:
        """Read it from the beginning."""
        yield io.BytesIO(self._data)


class Chosen:
    """An image to be saved, and those of its names that were asked for."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.names: list[str] = []

    def manifest(self) -> Document:
        """The descriptor of its manifest, or of the index with what is said of it."""
        image = self.image
        if image.attested is not None:
            return image.whole
        digest = image.manifest_digest
        size = os.path.getsize(image.layout.blob_path(digest))
        kind = image.manifest.get("mediaType") or OCI_MANIFEST  # docker's, in a manifest list
        return {"mediaType": kind, "digest": digest, "size": size}

    def blobs(self) -> dict[str, Content]:
        """All that makes it up by digest: layers, configuration, manifest."""
        image = self.image
        config, *layers = [str(part["digest"]) for part in image.parts]
        found: dict[str, Content] = {one: Content(image.layout, one) for one in layers}
        found[config] = Config(image.layout, config)
        found[image.manifest_digest] = Manifest(image.layout, image.manifest_digest)
        if image.attested is not None:
            for one, document in image.layout.behind(image.whole):
                for part in parts_of(document or {}):
                    found.setdefault(part["digest"], Content(image.layout, part["digest"]))
                found[one["digest"]] = Manifest(image.layout, one["digest"])
        return found


class Unfolded(Chosen):
    """The same with layers that are not compressed, which makes it another manifest."""

    def __init__(self, image: Image) -> None:
        super().__init__(image)
        self._blobs: dict[str, Content] = {}
        layers = []
        config, *parts = image.parts
        sizes = image.layer_sizes()
        diff_ids = image.config["rootfs"]["diff_ids"]
        for part, diff_id, size in zip(parts, diff_ids, sizes, strict=True):
            layers.append({"mediaType": OCI_LAYER, "digest": diff_id, "size": part["size"]})
            content = Content(image.layout, diff_id)
            if part["digest"] != diff_id:
                layers[-1]["size"] = _unfolded_size(image.layout, part, size)
                content = Content(image.layout, part["digest"], unfolded=layers[-1]["size"])
            self._blobs[diff_id] = content
        self._blobs[config["digest"]] = Config(image.layout, config["digest"])
        notes = image.manifest.get("annotations")
        more = {"annotations": notes} if notes else {}
        data = manifests.make_manifest(config, layers, **more)
        digest = str(Digest.of(data))
        self._manifest = {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(data)}
        self._blobs[digest] = Made(data)
        if digest == image.manifest_digest:  # what is said of it holds
            self._manifest, self._blobs = super().manifest(), super().blobs()

    def manifest(self) -> Document:
        """See Chosen."""
        return self._manifest

    def blobs(self) -> dict[str, Content]:
        """See Chosen."""
        return self._blobs


def save(
    images: Finder,
    refs: list[str],
    output: str,
    format_: str,
    teller: Teller,
    *,
    layers: str = "",
) -> None:
    """Write the images `refs`; see Images.save."""
    if format_ not in FORMATS:
        raise UsageError(f"unknown format {format_!r}", "one of " + ", ".join(FORMATS))
    compress, uncompressed = layers == COMPRESSED, layers == UNCOMPRESSED
    if compress and format_ != "docker-dir":
        raise UsageError(
            f"{field('compress')} goes with docker-dir only", f"{field('format')} docker-dir"
        )
    if uncompressed and format_ == "docker-dir":
        raise UsageError(
            f"{field('uncompressed')} does not go with docker-dir", f"{field('format')} oci-dir"
        )
    unfolded = uncompressed and format_ != "docker-archive"  # where layers never are compressed
    chosen = _choose(images, refs, Unfolded if unfolded else Chosen)

    if format_.endswith("-dir") and output == "-":
        raise UsageError(
            f"{field('format')} {format_} makes a directory, which standard output cannot be",
            f"name one with {field('output')}",
        )
    if format_ == "docker-dir":
        if len(chosen) > 1:
            raise UsageError(
                f"{field('format')} {format_} holds one image, not {len(chosen)}",
                f"{field('format')} oci-dir holds many",
            )
        _docker_directory(images, refs[0], output, teller, compress=compress)
        return
    if format_ == "oci-dir":
        _save_directory(chosen, output, teller)
        return
    with opened(output) as fd:
        bundle = Bundle(fd)
        if format_ == "oci-archive":
            _oci(bundle, chosen, teller)
        else:
            _docker(bundle, chosen, teller)
        bundle.close()


def _docker_directory(
    images: Finder, ref: str, output: str, teller: Teller, *, compress: bool
) -> None:
    from rootless.images.transfer.access import Access
    from rootless.images.transfer.copying import copy
    from rootless.images.transfer.wish import CopyWish

    wish = CopyWish(format_="v2s2", compression="gzip" if compress else "")
    origin, none = f"containers-storage:{ref}", Access()
    copy(images, origin, f"dir:{output}", wish, (none, none), teller=teller)


def _choose(images: Finder, refs: list[str], kind: type[Chosen]) -> list[Chosen]:
    """Find the images; one asked for by several names comes once. Raises NotFound."""
    chosen: dict[str, Chosen] = {}
    if not refs:
        raise UsageError("which image?", "name one, or several")
    for ref in refs:
        image = images.get(ref)
        if image.host:
            raise UsageError("the image host is this machine and cannot be saved")
        if image.manifest_digest not in chosen:
            chosen[image.manifest_digest] = kind(image)
        one = chosen[image.manifest_digest]
        name = images.name_of(ref)
        if name and name not in one.names:
            one.names.append(name)
    return list(chosen.values())


@contextlib.contextmanager
def opened(output: str) -> Iterator[int]:
    """A descriptor to write an archive to: under a temporary name where it is a regular file."""
    if output == "-":
        if os.isatty(1):
            raise UsageError("cannot write an archive to a terminal", "use -o FILE, or redirect")
        sys.stdout.flush()
        yield 1
        return
    with replacing(output) as fd:
        yield fd


# -- docker archive ----------------------------------------------------------------------------


def _docker(bundle: Bundle, chosen: list[Chosen], teller: Teller) -> None:
    """Write <diff id>.tar for each layer, <id>.json for each configuration, manifest.json."""
    table = []
    for one in chosen:
        image = one.image
        diff_ids = image.config["rootfs"]["diff_ids"]
        sizes = image.layer_sizes()
        layers = []
        for part, diff_id, size in zip(image.manifest["layers"], diff_ids, sizes, strict=True):
            member = diff_id.partition(":")[2] + ".tar"
            layers.append(member)
            if not bundle.has(member):
                _docker_layer(bundle, image.layout, part, (member, diff_id, size), teller)
        config = image.manifest["config"]["digest"]
        member = config.partition(":")[2] + ".json"
        if not bundle.has(member):
            _member(bundle, Content(image.layout, config), member, config, QUIET)
        table.append({"Config": member, "RepoTags": one.names or None, "Layers": layers})
    bundle.data("manifest.json", jsonio.dump_bytes(table))


def _docker_layer(
    bundle: Bundle,
    layout: Layout,
    part: Document,
    target: tuple[str, str, int],
    teller: Teller,
) -> None:
    """Write a layer uncompressed. Its size comes first in a tar, so it must be known."""
    member, diff_id, size = target
    name = f"layer {part['digest'][7:19]}"
    if part["digest"] == diff_id:
        _member(bundle, Content(layout, diff_id), member, diff_id, teller)
        return
    size = _unfolded_size(layout, part, size)
    with contextlib.closing(_blob(layout, part["digest"])) as blob:
        teller.begin(diff_id, name, size)
        for count in bundle.copy(member, decompress(blob, name=name), size, diff_id):
            teller.advance(diff_id, count)
        teller.end(diff_id, "saved")


def _unfolded_size(layout: Layout, part: Document, known: int) -> int:
    """Return the bytes of a layer without its compression; they are counted where `known` < 0."""
    if known >= 0:
        return known
    size = 0
    with contextlib.closing(_blob(layout, part["digest"])) as blob:
        stream = decompress(blob, name=f"layer {part['digest'][7:19]}")
        while data := stream.read(CHUNK):
            size += len(data)
    return size


# -- OCI ---------------------------------------------------------------------------------------


def _oci(bundle: Bundle, chosen: list[Chosen], teller: Teller) -> None:
    """Write the layout as an archive."""
    begin_layout(bundle)
    bundle.data("index.json", index_of([entry for one in chosen for entry in _entries(one)]))
    for digest, content in _all_blobs(chosen).items():
        member = f"blobs/{digest.replace(':', '/')}"
        _member(bundle, content, member, digest, teller)


def _entries(one: Chosen) -> list[Document]:
    bare = one.manifest()
    entries = []
    for name in one.names:
        entry = renamed(bare, name)
        entry["annotations"][CONTAINERD_NAME] = name  # where docker and containerd look
        entries.append(entry)
    return entries or [bare]


def _all_blobs(chosen: list[Chosen]) -> dict[str, Content]:
    """Every blob of the images: layers, configurations, manifests."""
    found: dict[str, Content] = {}
    for one in chosen:
        found = {**one.blobs(), **found}
    return found


def _save_directory(chosen: list[Chosen], output: str, teller: Teller) -> None:
    """Write into a new OCI layout, or add to one that is there."""
    if os.path.exists(output) and not os.path.exists(f"{output}/oci-layout"):
        _check_empty(output)
    target = Layout(output)
    try:
        initialise(output)
        with Workspace(output, output) as work:
            for digest, content in _all_blobs(chosen).items():
                if not target.has(digest):
                    _copy(content, target, work.new(), digest, teller)
        sync_directory(f"{output}/blobs/sha256")
        with locked(output):
            index = target.index()
            for one in chosen:
                for entry in _entries(one):
                    name = one.names[:0] if "annotations" not in entry else [_name(entry)]
                    index["manifests"] = named(index["manifests"], name, entry)
            write_index(output, index)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error


def _check_empty(output: str) -> None:
    if not os.path.isdir(output) or os.listdir(output):
        raise UsageError(f"cannot save to {output}: it is neither empty nor an OCI directory")


def _name(entry: Document) -> str:
    return str(entry["annotations"][CONTAINERD_NAME])


def _copy(content: Content, target: Layout, path: str, digest: str, teller: Teller) -> None:
    with content.open() as stream:

        def pieces(_: int) -> Iterator[bytes]:
            while data := stream.read(CHUNK):
                yield data
                teller.advance(digest, len(data))

        teller.begin(digest, f"{content.kind} {digest[7:19]}", content.size)
        write(path, Descriptor("", digest, content.size), pieces).publish(target)
        teller.end(digest, "saved")


def _member(bundle: Bundle, content: Content, member: str, digest: str, teller: Teller) -> None:
    """Write a blob."""
    with content.open() as stream:
        teller.begin(digest, f"{content.kind} {digest[7:19]}", content.size)
        for count in bundle.copy(member, stream, content.size, digest):
            teller.advance(digest, count)
        teller.end(digest, "saved")


def _blob(layout: Layout, digest: str, kind: str = "layer") -> Part:
    return open_file(layout.blob_path(digest), f"{kind} {digest}")
