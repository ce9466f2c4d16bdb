"""`copy`: an image, or an index with all its images, from any place to any other.

    Source ── manifest ──> what changes? ── blobs, side by side ──> Target ── name

What is not to be changed goes as it is, byte for byte, so its digest stays. What is signed is not
changed at all, and its signatures go along. Blobs stream through:
only those that are compressed otherwise, and layers for docker's archives, lie in a file meanwhile.
"""

from __future__ import annotations

import contextlib
from functools import partial

from rootless.errors import UsageError, named
from rootless.images.lists import attestations
from rootless.images.lists.attestations import is_attestation
from rootless.images.transfer.parallel import Streams, in_parallel
from rootless.images.transfer.places import (
    StoreSource,
    check_platform,
    image_manifest,
    open_source,
    open_target,
)
from rootless.images.transfer.pulling import take
from rootless.images.transfer.store_target import StoreTarget
from rootless.oci import jsonio, layout, manifests, models, platform, reference, scratch, transports
from rootless.oci.blobs import Blob
from rootless.oci.digest import Digest, Verifier
from rootless.oci.distribution.remote import RegistryTarget
from rootless.oci.errors import ImageError, SignatureError
from rootless.oci.layers.compression import compress
from rootless.oci.layout import told
from rootless.oci.reading import open_file
from rootless.oci.transports import Fetched, check_size, media_type_of
from rootless.oci.writing import Numbers
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless.images.finding import Finder
    from rootless.images.transfer.access import Access
    from rootless.images.transfer.wish import CopyWish
    from rootless.oci.platform import Platform
    from rootless.oci.signatures.signature import Signature
    from rootless.oci.transports import Location, Source, Target
    from rootless.teller import Teller

    Document = dict[str, Any]

_PIECE = 1 << 18
"""Bytes that are moved at once."""

_WITHOUT = f"{named('remove_signatures')} leaves them out"
"""What helps where signatures cannot go along."""


def copy(
    images: Finder,
    origin: str,
    destination: str,
    wish: CopyWish,
    accesses: tuple[Access, Access],
    teller: Teller = QUIET,
) -> str:
    """Copy `origin` to `destination`; see Images.copy. Return the digest of what is there now.

    The target's `retry` is for all of it: the source has none of its own.
    """
    here, there = transports.parse(origin), transports.parse(destination)

    def once() -> str:
        try:
            with contextlib.closing(open_source(images, here, accesses[0], teller)) as source:
                if isinstance(source, StoreSource):
                    source.whole = wish.everything
                return _copy(images, source, there, accesses[1], wish, teller)
        except ImageError as error:
            raise error.about(here.path) from None

    return accesses[1].retry.run(once)


def _copy(
    images: Finder, source: Source, place: Location, access: Access, wish: CopyWish, teller: Teller
) -> str:
    asked = platform.parse(wish.platform) if wish.platform else None
    top = source.manifest()  # what is not there is told before a place is made for it
    if place.transport == "containers-storage":
        kind = models.kind_of(top.data, top.media_type, f"manifest {top.digest}")
        if not (wish.media_type or wish.compression or (wish.everything and kind == "index")):
            take(images, source, asked, [reference.name_to_give(place.path)], teller)
            return image_manifest(source, asked).digest
    with (
        contextlib.closing(open_target(images.paths, place, access, source, teller)) as target,
        Copy(source, target, wish, teller) as one,
    ):
        return one.run(asked)


class Copy:
    """One copy under way. A context manager, for the files that it needs meanwhile."""

    def __init__(self, source: Source, target: Target, wish: CopyWish, teller: Teller) -> None:
        self._source = source
        self._target = target
        self._wish = wish
        self._teller = teller
        self._work = ""
        self._numbers = Numbers()
        self._made: dict[str, Blob] = {}
        """Digest -> layers that were compressed for this."""
        self._texts: dict[str, bytes] = {}
        """Digest -> what was written for this."""
        self._done: dict[str, Fetched] = {}
        """Digest in an index -> what was made of it; an index may name one many times."""
        self._streams = Streams()

    def __enter__(self) -> Copy:
        return self

    def __exit__(self, *_: object) -> None:
        if self._work:
            scratch.remove(self._work)

    def run(self, asked: Platform | None) -> str:
        """Copy everything, then give it its name; return the digest."""
        top = self._source.manifest()
        kind = models.kind_of(top.data, top.media_type, f"manifest {top.digest}")
        if kind == "index" and self._wish.everything:
            if not self._target.many:
                raise UsageError(f"{self._target.name} can hold one image of one platform only")
            done = self._index(top, layout.MAX_DEPTH)
        else:
            chosen = image_manifest(self._source, asked)
            if chosen.digest == top.digest and asked is not None:
                manifest = models.decode(top.data, models.Manifest, f"manifest {top.digest}")
                about = jsonio.loads(read_document(self._source, manifest.config))
                check_platform(self._source, platform.of(about), asked)
            done = self._image(chosen)
        self._target.finish(done)
        return done.digest

    # -- manifests

    def _index(self, top: Fetched, depth: int) -> Fetched:
        """Copy all that an index names; return it as it is to be there."""
        subject = f"manifest {top.digest}"
        if not depth:
            raise ImageError(f"{subject}: indexes are nested too deep")
        self._source.admit(top.data)
        kind, signatures = self._index_type(top), self._signatures(top.digest)
        if signatures and kind != top.media_type:
            raise self._signed()
        entries = models.decode(top.data, models.Index, subject).manifests
        document = jsonio.loads(top.data)
        changed = False
        # What is said of images comes last: it names them as they are there.
        pairs = [*zip(entries, document["manifests"], strict=True)]
        for entry, raw in sorted(pairs, key=lambda pair: is_attestation(pair[1])):
            entry.check()
            if is_attestation(raw):
                done = self._attestation(entry, raw)
            else:
                done = self._done.get(entry.digest) or self._instance(entry, depth)
            if done.digest != entry.digest:
                changed = True
                raw.update(mediaType=done.media_type, digest=str(done.digest), size=len(done.data))
        if not changed and kind == top.media_type:
            return Fetched(top.data, kind, top.digest, signatures)
        if signatures:
            raise self._signed()
        return _fetched(manifests.encode({**document, "mediaType": kind}), kind)

    def _instance(self, entry: models.Descriptor, depth: int) -> Fetched:
        """Copy what an entry of an index is about, once; return its manifest as it is there."""
        inner = self._source.manifest(entry.digest)
        check_size(entry.digest, len(inner.data), entry.size)
        if models.kind_of(inner.data, entry.media_type, f"manifest {entry.digest}") == "index":
            done = self._index(inner, depth - 1)
        else:
            done = self._image(inner)
        self._target.put_manifest(done)
        self._done[entry.digest] = done
        return done

    def _attestation(self, entry: models.Descriptor, raw: Document) -> Fetched:
        """Copy what is said of an image; where that has become another, so do the statements."""
        about = attestations.subject_of(raw)
        fetched = self._source.manifest(entry.digest)
        check_size(entry.digest, len(fetched.data), entry.size)
        self._source.admit(fetched.data)
        manifest = models.decode(fetched.data, models.Manifest, f"manifest {fetched.digest}")
        manifest.check_copyable()
        now = self._done.get(about)
        if now is None or str(now.digest) == about:
            self._blobs([manifest.config, *manifest.layers])
            done = Fetched(fetched.data, entry.media_type, fetched.digest)
        else:
            layers = [self._moved(one, about, str(now.digest)) for one in manifest.layers]
            config, data = attestations.manifest(layers)
            self._texts[f"sha256:{layout.sha256(config)}"] = config
            raw["annotations"] = {**raw["annotations"], attestations.REFERENCE: str(now.digest)}
            made = models.decode(data, models.Manifest, "the attestations")
            self._blobs([made.config, *made.layers])
            done = _fetched(data, layout.OCI_MANIFEST)
        self._target.put_manifest(done)
        return done

    def _moved(self, part: models.Descriptor, before: str, after: str) -> Document:
        """Return the descriptor of a statement that is about `after`, which `before` has become."""
        told: Document = {"mediaType": part.media_type, "digest": part.digest, "size": part.size}
        if part.annotations:
            told["annotations"] = part.annotations
        if part.media_type != attestations.LAYER:
            return told
        data = read_document(self._source, part, attestations.LARGEST)
        try:
            data = attestations.moved(data, before, after)
        except ValueError as error:
            raise ImageError(f"the attestation {part.digest} is damaged: {error}") from None
        digest = f"sha256:{layout.sha256(data)}"
        self._texts[digest] = data
        return {**told, "digest": digest, "size": len(data)}

    def _index_type(self, top: Fetched) -> str:
        wanted = self._wish.media_type or ("" if self._target.docker else layout.OCI_MANIFEST)
        pairs = dict(zip(layout.MANIFESTS, layout.INDEXES, strict=True))
        return pairs.get(wanted) or media_type_of(top.data, top.media_type, "the index")

    def _image(self, fetched: Fetched) -> Fetched:
        """Copy what a manifest names; return the manifest as it is to be there."""
        subject = f"manifest {fetched.digest}"
        self._source.admit(fetched.data)
        signatures = self._signatures(fetched.digest)
        manifest = models.decode(fetched.data, models.Manifest, subject)
        manifest.check_copyable()
        kind = media_type_of(fetched.data, fetched.media_type, subject)
        wanted = self._wish.media_type
        if not wanted and manifest.is_docker and not self._target.docker:
            wanted = layout.OCI_MANIFEST
        layers = {layer.digest: layer for layer in manifest.layers}
        others = [one for one in layers.values() if self._compression_for(one)]
        if signatures and not self._wish.compression:
            others = []  # what nobody has asked for is left undone
        if (not wanted or wanted == kind) and not others:
            self._blobs([manifest.config, *layers.values()])
            return Fetched(fetched.data, kind, fetched.digest, signatures)
        if signatures:
            raise self._signed()
        manifest.check()
        document = jsonio.loads(fetched.data)
        if others and not self._work:
            self._work = scratch.directory()
        told = {layer.digest: _told(layer) for layer in layers.values()}
        self._in_parallel([partial(self._compress, one, told) for one in others])
        new = [told[layer.digest] for layer in manifest.layers]
        data = self._rewritten(document, new, wanted or kind)
        self._blobs([manifest.config, *models.decode(data, models.Manifest, subject).layers])
        return _fetched(data, wanted or kind)

    def _rewritten(self, document: Document, layers: list[Document], kind: str) -> bytes:
        """Return a manifest of other layers, or in the other format."""
        if kind == layout.DOCKER_MANIFEST:
            return manifests.to_docker(document["config"], layers)
        kept = ("annotations", "subject", "artifactType")
        extras = {key: value for key, value in document.items() if key in kept}
        return manifests.make_manifest(document["config"], layers, **extras)

    def _compression_for(self, layer: models.Descriptor) -> str:
        """How a layer is to be compressed that is not so, "" where it stays as it is."""
        now = manifests.LAYER_TYPES.get(layer.media_type)
        if now is None:
            return ""  # the content of an artifact
        wanted = self._wish.compression or ("" if now else self._target.compress)
        return "" if now == f"+{wanted}" else wanted

    # -- signatures

    def _signatures(self, digest: str) -> list[Signature]:
        """Return those of a manifest that go along. Raises SignatureError where they cannot."""
        # The store keeps none, as after a pull: policies are asked on the way into it.
        if self._wish.remove_signatures or isinstance(self._target, StoreTarget):
            return []
        found = self._source.signatures(digest)
        kinds = {one.kind for one in found}
        if kinds and (lost := kinds.difference(self._target.keeps)):
            hint = _WITHOUT
            if lost == {"sigstore"} and isinstance(self._target, RegistryTarget):
                hint = f"use-sigstore-attachments: true in registries.d lets them in, {hint}"
            what = f"{' and '.join(sorted(lost))} signatures"
            raise SignatureError(
                f"{self._source.name} has {what}, which {self._target.name} cannot keep", hint
            )
        return found

    def _signed(self) -> SignatureError:
        """The error for a manifest that is signed and would have to become another."""
        return SignatureError(
            f"{self._source.name} is signed, and the signatures would not hold for another form",
            _WITHOUT,
        )

    # -- blobs

    def _compress(self, layer: models.Descriptor, told: dict[str, Document]) -> None:
        """Compress a layer into a file; what is said of it in the manifest goes to `told`."""
        wanted, digest = self._compression_for(layer), layer.digest
        self._teller.begin(f"{digest} {wanted}", f"layer {digest[7:19]}", layer.size)
        blob = Blob(f"{self._work}/{self._numbers.next()}")
        try:
            with self._streams.reading(self._source.blob(digest, layer.size)) as stream:
                checked = Verifier(stream, Digest.parse(digest), layer.size)
                name, level = f"layer {digest[:19]}", self._wish.level
                for count, piece in compress(checked, wanted, name=name, level=level):
                    blob.write(piece)
                    self._teller.advance(f"{digest} {wanted}", count)
                while checked.read(_PIECE):  # what may follow the compressed stream counts as well
                    pass
            blob.finish()
        except BaseException:
            blob.abandon()
            raise
        self._teller.end(f"{digest} {wanted}", "compressed")
        self._made[blob.digest] = blob
        kind = f"{layout.OCI_LAYER}+{wanted}"
        told[digest] = {
            **told[digest],
            "mediaType": kind,
            "digest": str(blob.digest),
            "size": blob.size,
        }

    def _blobs(self, blobs: list[models.Descriptor]) -> None:
        unique = {blob.digest: blob for blob in blobs}
        self._in_parallel([partial(self._blob, blob) for blob in unique.values()])

    def _in_parallel(self, jobs: list[Any]) -> None:
        if self._target.together:
            in_parallel(jobs, self._streams.abort)
            return
        for job in jobs:
            job()

    def _blob(self, blob: models.Descriptor) -> None:
        digest = blob.digest
        self._teller.begin(digest, told(blob.media_type, digest), blob.size)
        self._teller.end(digest, self._target.put(blob, partial(self._content, blob)))

    def _content(self, blob: models.Descriptor, start: int) -> Iterator[bytes]:
        if (text := self._texts.get(blob.digest)) is not None:
            yield text[start:]
            return
        made = self._made.get(blob.digest)
        if made is None:
            stream = self._source.blob(blob.digest, blob.size, start)
        else:
            stream = open_file(made.path, f"blob {blob.digest}").seek(start)
        with self._streams.reading(stream):
            while data := stream.read(_PIECE):
                yield data
                self._teller.advance(blob.digest, len(data))


def read_document(source: Source, blob: models.Descriptor, most: int = layout.MAX_JSON) -> bytes:
    """Return a small blob, checked. Raises ImageError for a large one, DigestError."""
    if blob.size > most:
        raise ImageError(f"blob {blob.digest} is larger than {most >> 20} MiB")
    with contextlib.closing(source.blob(blob.digest, blob.size)) as stream:
        checked = Verifier(stream, Digest.parse(blob.digest), blob.size)
        return b"".join(iter(checked.read, b""))


def _told(layer: models.Descriptor) -> Document:
    """What a manifest says of a layer, in OCI's words."""
    told: Document = {
        "mediaType": layout.OCI_LAYER + manifests.LAYER_TYPES[layer.media_type],
        "digest": layer.digest,
        "size": layer.size,
    }
    if layer.annotations:
        told["annotations"] = layer.annotations
    return told


def _fetched(data: bytes, kind: str) -> Fetched:
    return Fetched(data, kind, Digest.of(data))
