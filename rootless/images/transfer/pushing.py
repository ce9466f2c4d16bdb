"""`push`: an image of the store to a registry, its layers compressed and uploaded side by side.

What was pulled is pushed as it came: the registry's own manifest is still in the store, so the
image has the same digest everywhere. Layers that are not compressed (those of `load`) are
compressed on the way, and then the manifest is another. In which form and where a registry has a
layer already is remembered (`known`), and then nothing is compressed, and nothing sent.

The way of a push that sends nothing imports no urllib3, which would take longer.
"""

from __future__ import annotations

import threading
from functools import partial

from rootless.errors import NotFound, UsageError, named
from rootless.images.finding import meanings
from rootless.images.transfer.known import Form, Known
from rootless.images.transfer.parallel import in_parallel
from rootless.images.transfer.wish import compression_of
from rootless.oci import jsonio, layout, manifests, reference
from rootless.oci.errors import ImageError, InvalidReference, RegistryError
from rootless.oci.layout import told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rootless.images.finding import Finder
    from rootless.images.image import Image
    from rootless.images.transfer.access import Access
    from rootless.images.transfer.outgoing import Packing
    from rootless.images.transfer.wish import Wish
    from rootless.oci.blobs import Workspace
    from rootless.oci.distribution.registry import Repository
    from rootless.oci.distribution.upload import Content
    from rootless.oci.reference import Reference
    from rootless.teller import Teller

    Document = dict[str, Any]

MOUNTS = 2
"""Repositories that are asked for a blob; each that lacks it leaves an upload begun in ours."""


class Pushed:
    """What the place that it was pushed to has now."""

    def __init__(self, name: str, digest: str, size: int = 0) -> None:
        self.name = name
        self.digest = digest
        """Of the manifest."""
        self.size = size
        """Bytes of the manifest, as docker prints it; 0 for files and for whole lists."""


def push(
    images: Finder,
    ref: str,
    target: str,
    access: Access,
    wish: Wish,
    teller: Teller,
) -> Pushed:
    """Push `ref`; see Images.push."""
    image = images.get(ref)
    if image.host:
        raise UsageError("the image host is this machine and cannot be pushed")
    name = _target(images, ref, target)
    repository = access.destination(name)

    def once() -> Pushed:
        if image.attested is not None:
            return _whole(images, ref, name, access, wish, teller)
        one = Push(images, image, repository, wish, teller)
        try:
            return one.run()
        finally:
            one.close()

    pushed = access.retry.run(once)
    known_as = f"{name.name}@{pushed.digest}"
    if known_as not in image.pushed[:1] and _is_here(image, name):
        from rootless.images.naming import note_push

        note_push(images, image.stored_digest, known_as)
    return pushed


def _whole(
    images: Finder, ref: str, name: Reference, access: Access, wish: Wish, teller: Teller
) -> Pushed:
    """Push an image with what is said of it, which has to name it by its digest there."""
    from rootless.images.transfer.access import Access as Nowhere
    from rootless.images.transfer.copying import copy
    from rootless.images.transfer.wish import whole

    both = (Nowhere(), access)
    everything = whole(wish, everything=True)
    digest = copy(images, f"containers-storage:{ref}", f"docker://{name}", everything, both, teller)
    return Pushed(str(name), digest)


def tags_here(images: Finder, ref: str) -> list[str]:
    """Return the names of all tags that are here of a repository; see Images.tags_here."""
    parsed = reference.parse(ref)
    if parsed.tag or parsed.digest:
        raise UsageError(f"{ref} names one image, and all tags are asked for", "leave its tag out")
    names = [(reference.parse(one), one) for one in images.names() if reference.is_valid(one)]
    for meant in meanings(ref):
        repository = reference.parse(meant).name
        if found := [full for name, full in names if name.name == repository and name.tag]:
            return found
    raise NotFound(f"no image of the repository {ref} is here", "rootless images lists what is")


def _target(images: Finder, ref: str, target: str) -> Reference:
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


def _is_here(image: Image, target: Reference) -> bool:
    """Whether the image has a name in the repository that it was pushed to."""
    names = [reference.parse(one) for one in image.names if reference.is_valid(one)]
    return not image.readonly and target.name in [name.name for name in names]


class Push:
    """One push under way. To be closed."""

    def __init__(
        self, images: Finder, image: Image, repository: Repository, wish: Wish, teller: Teller
    ) -> None:
        self._paths = images.paths
        self._image = image
        self._layout = image.layout
        self._repository = repository
        self._wish = wish
        self._teller = teller
        self._known = Known(images.paths.images)
        self._place = repository.place.name
        self._sent: dict[str, Document] = {}
        """Digest of a layer here -> its descriptor there."""
        self._lock = threading.Lock()
        self._workspace: Workspace | None = None
        self._packing: list[Packing] = []

    def close(self) -> None:
        """Remove what was compressed for it."""
        if self._workspace is not None:
            self._workspace.__exit__()

    def run(self) -> Pushed:
        """Upload all that is missing there, then the manifest."""
        original, kind, config, layers = self._original()
        wanted = self._wish.media_type or kind
        self._check(wanted, layers)
        unique = {str(layer["digest"]): layer for layer in layers}
        jobs: list[Callable[[], None]] = [partial(self._layer, one) for one in unique.values()]
        jobs.append(partial(self._as_it_is, config))
        in_parallel(jobs, self._cancel)
        sent = [self._sent[str(layer["digest"])] for layer in layers]
        if wanted != kind or sent != layers:
            original = self._manifest(wanted, sent)
        name = self._repository.place
        digest = self._repository.put_manifest(name.tag or name.digest, original, wanted)
        return Pushed(str(self._repository.name), digest, len(original))

    def _cancel(self) -> None:
        for packing in list(self._packing):
            packing.cancel()

    # -- manifests

    def _original(self) -> tuple[bytes, str, Document, list[Document]]:
        """Return the manifest as the registry had it, or as it is here.

        With its media type, its configuration and its layers; these with OCI's media types.
        Raises ImageError.
        """
        config, *layers = self._image.parts
        for part in (config, *layers):
            if not isinstance(part.get("size"), int):
                raise ImageError(f"manifest {self._image.manifest_digest} is damaged")
        _, data = self._image.original()
        kind = jsonio.loads(data).get("mediaType") or layout.OCI_MANIFEST
        return data, str(kind), config, layers

    def _check(self, media_type: str, layers: list[Document]) -> None:
        """Refuse before anything is sent what docker's format has no word for."""
        for layer in layers:
            kind = self._wish.of(layer) or compression_of(layer)
            if media_type == layout.DOCKER_MANIFEST and kind == "zstd":
                what = "would be" if self._wish.of(layer) else "is"
                message = f"layer {layer['digest'][:19]} {what} compressed with zstd"
                raise ImageError(message, f"{named('format')} oci, or {named('compression')} gzip")

    def _manifest(self, media_type: str, layers: list[Document]) -> bytes:
        """Return a new manifest."""
        config = dict(self._image.manifest["config"])
        if media_type != layout.OCI_MANIFEST:
            return manifests.to_docker(config, layers)
        extras = {
            key: value
            for key, value in self._image.manifest.items()
            if key in ("annotations", "subject", "artifactType")
        }
        return manifests.make_manifest(config, layers, **extras)

    # -- layers

    def _layer(self, layer: Document) -> None:
        """See that the registry has a layer in the form that is wanted."""
        digest = str(layer["digest"])
        wanted = self._wish.of(layer)
        if not wanted:
            self._as_it_is(layer)
            self._sent[digest] = layer
            return
        self._teller.begin(digest, f"layer {digest[7:19]}", int(layer["size"]))
        level, location = self._wish.level, ""
        for form in self._known.forms(digest):
            if form.compression == wanted and level in (0, form.level):
                word, location = self._found(form)
                if word:
                    break
        else:
            form = self._compress(layer, wanted, location)
            word = "pushed"
        self._known.note(digest, form, self._place)
        self._teller.end(digest, word)
        media_type = f"{layout.OCI_LAYER}+{wanted}"
        changed = {"mediaType": media_type, "digest": form.digest, "size": form.size}
        self._sent[digest] = {**layer, **changed}

    def _compress(self, layer: Document, kind: str, location: str) -> Form:
        """Compress a layer and upload it meanwhile."""
        from rootless.images.transfer.outgoing import Packing

        digest, level = str(layer["digest"]), self._wish.level
        path = self._layout.blob_path(digest)
        advance = partial(self._teller.advance, digest)
        packing = Packing(path, digest, self._new_path(), kind, level, advance)
        self._packing.append(packing)
        try:
            self._upload(packing, location)
        except BaseException:
            packing.cancel()
            raise
        return Form(kind, level, packing.digest, packing.size)

    def _new_path(self) -> str:
        from rootless.oci.blobs import Workspace, initialise

        with self._lock:
            if self._workspace is None:
                self._paths.prepare()
                initialise(self._paths.images)
                self._workspace = Workspace(self._paths.images, self._paths.images)
            return self._workspace.new()

    # -- blobs

    def _as_it_is(self, blob: Document) -> None:
        """See that the registry has a blob of the store."""
        digest, size = str(blob["digest"]), int(blob["size"])
        self._teller.begin(digest, told(str(blob.get("mediaType")), digest), size)
        known = [form for form in self._known.forms(digest) if form.digest == digest]
        form = known[0] if known else Form("", 0, digest, size)
        word, location = self._found(form)
        if not word:
            from rootless.images.transfer.outgoing import Kept

            path = self._layout.blob_path(digest)
            self._upload(Kept(path, digest, size, partial(self._teller.advance, digest)), location)
            word = "pushed"
        self._known.note(digest, Form("", 0, digest, size), self._place)
        self._teller.end(digest, word)

    def _found(self, form: Form) -> tuple[str, str]:
        """Return how the registry comes by a blob without an upload, "" for not.

        And the place of an upload that it has begun instead, "" for none.
        """
        location = ""
        # Where it is known to be elsewhere and not here, a mount saves to ask first.
        likely = not form.places or self._place in form.places
        if likely and self._repository.has(form.digest, form.size):
            return "exists", ""
        for origin in self._origins(form)[:MOUNTS]:
            try:
                location = self._repository.begin_upload(form.digest, origin)
            except RegistryError:
                continue  # such as for a repository that we may not read any more
            if not location:
                return "mounted", ""
        if not likely and self._repository.has(form.digest, form.size):
            return "exists", ""
        return "", location

    def _origins(self, form: Form) -> list[str]:
        """The other repositories of the registry that had a blob when we last heard of it."""
        places = (place.partition("/") for place in form.places if place != self._place)
        return [path for domain, _, path in places if domain == self._repository.place.domain]

    def _upload(self, content: Content, location: str) -> None:
        from rootless.oci.distribution.upload import Upload

        Upload(self._repository, content).run(location or self._repository.begin_upload())
