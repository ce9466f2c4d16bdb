"""What there is to be had: repositories, tags and manifests, read from an index.json.

A catalogue is of one state of the index; another is made when the index has changed. What is said
of a manifest (its type, what it refers to) is read from its blob once and kept, for a blob never
changes.
"""

from __future__ import annotations

from functools import lru_cache

from rootless.oci import jsonio
from rootless.oci.digest import Digest
from rootless.oci.errors import ImageError
from rootless.oci.layout import MAX_DEPTH, MAX_JSON, OCI_INDEX, OCI_MANIFEST, Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    Document = dict[str, Any]

MAX_KEPT = 16 << 10
"""Bytes of a manifest whose contents are kept in memory; larger ones are read each time."""


class Manifest:
    """What a registry has to know of a manifest or an index."""

    def __init__(self, data: bytes) -> None:
        """Raises ImageError where `data` is none."""
        try:
            document = jsonio.loads(data)
        except (ValueError, RecursionError) as error:
            raise ImageError(f"a manifest is no JSON: {error}") from error
        if not isinstance(document, dict):
            raise ImageError("a manifest is no JSON object")
        self.size = len(data)
        self.is_index = "manifests" in document
        own = document.get("mediaType")
        usual = OCI_INDEX if self.is_index else OCI_MANIFEST
        self.media_type = own if isinstance(own, str) else usual
        self.children = _digests(document.get("manifests"))
        self.subject = "".join(_digests([document.get("subject")]))
        self.config = "".join(_digests([document.get("config")]))
        self.layers = _digests(document.get("layers"))
        self.absent = [
            digest
            for digest, part in zip(self.layers, document.get("layers") or [], strict=True)
            if "foreign" in str(part.get("mediaType")) or "nondist" in str(part.get("mediaType"))
        ]
        """Layers that are allowed to lie elsewhere (image-spec, layer.md)."""
        self.artifact_type = _artifact_type(document)
        annotations = document.get("annotations")
        self.annotations = annotations if isinstance(annotations, dict) else {}

    @property
    def parts(self) -> list[str]:
        """The digests of all that it needs."""
        return [*([self.config] if self.config else []), *self.layers, *self.children]

    def descriptor(self, digest: str) -> Document:
        """What a list of referrers says of it (distribution-spec, "Listing Referrers")."""
        said: Document = {"mediaType": self.media_type, "digest": digest, "size": self.size}
        if self.artifact_type:
            said["artifactType"] = self.artifact_type
        if self.annotations:
            said["annotations"] = self.annotations
        return said


def _artifact_type(document: Document) -> str:
    own = document.get("artifactType")
    if isinstance(own, str) and own:
        return own
    config = document.get("config")
    kind = config.get("mediaType") if isinstance(config, dict) else ""
    return kind if isinstance(kind, str) else ""


def _digests(descriptors: object) -> list[str]:
    """The digests of a list of descriptors. Raises ImageError for anything else."""
    if descriptors in (None, [None]):
        return []
    if not isinstance(descriptors, list):
        raise ImageError("a manifest has a list of descriptors that is none")
    try:
        return [Digest.parse(one["digest"]) for one in descriptors]
    except (TypeError, KeyError, AttributeError) as error:
        raise ImageError("a manifest has a descriptor that is none") from error


def read(layout: Layout, digest: str) -> Manifest:
    """Return what the manifest `digest` says. Raises ImageError where it cannot be had."""
    path = layout.blob_path(digest)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_JSON + 1)
    except OSError as error:
        raise ImageError(f"cannot read {digest}: {error.strerror}") from error
    if len(data) > MAX_JSON:
        raise ImageError(f"{digest} is larger than a manifest may be")
    # Asked by its content, not by its name: what is damaged on disk is not kept.
    return _kept(data) if len(data) <= MAX_KEPT else Manifest(data)


_kept = lru_cache(maxsize=2048)(Manifest)


class Repository:
    """A repository: its tags, and all manifests that can be had from it by digest."""

    def __init__(self) -> None:
        self.tags: dict[str, Document] = {}
        self.entries: list[Document] = []


class Catalogue:
    """The repositories of one state of an index; `add` is called before anything is asked."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.repositories: dict[str, Repository] = {}
        self.guests: set[str] = set()
        """Repositories that hold only what guests have pushed."""

    def add(self, name: str, tag: str, entry: Document) -> None:
        """An entry belongs to a repository, under a tag or ("") without; the first one has it."""
        repository = self.repositories.setdefault(name, Repository())
        if not tag:
            repository.entries.append(entry)
        elif tag not in repository.tags:
            repository.tags[tag] = entry
            repository.entries.append(entry)

    def add_all(self, found: Iterable[tuple[str, str, Document, bool]]) -> None:
        """Add entries: repository, tag, entry, and whether it is a guest's.

        A repository in which anything is the owner's is his alone: what guests pushed there before
        is not shown, or a tag that he does not have would be taken for his.
        """
        theirs = []
        for name, tag, entry, guest in found:
            if guest:
                theirs.append((name, tag, entry))
            else:
                self.add(name, tag, entry)
        own = set(self.repositories)
        for name, tag, entry in theirs:
            if name not in own:
                self.add(name, tag, entry)
                self.guests.add(name)

    def tags(self, name: str) -> list[str]:
        """The tags of a repository, in the order of the specification: by their bytes."""
        return sorted(self.repositories[name].tags)

    def by_tag(self, name: str, tag: str) -> str:
        """The digest of the manifest that a tag means; "" for none."""
        repository = self.repositories.get(name)
        entry = repository.tags.get(tag) if repository else None
        return served(self._layout, entry) if entry else ""

    def has(self, name: str, digest: str) -> bool:
        """Whether a repository has a manifest: an entry's own, or one behind its index."""
        return digest in self._digests_of(name)

    def _digests_of(self, name: str) -> Iterable[str]:
        repository = self.repositories.get(name)
        for entry in repository.entries if repository else ():
            yield from sources(entry)
        yield from self._children(name)

    def is_part(self, name: str, digest: str) -> bool:
        """Whether a repository has a manifest behind an index."""
        return digest in self._children(name)

    def _children(self, name: str) -> Iterator[str]:
        repository = self.repositories.get(name)
        for entry in repository.entries if repository else ():
            yield from self._below(str(entry["digest"]), MAX_DEPTH)

    def _below(self, digest: str, depth: int) -> Iterator[str]:
        if not depth or not self._layout.has(digest):
            return
        for child in read(self._layout, digest).children:
            yield child
            yield from self._below(child, depth - 1)

    def referrers(self, name: str, subject: str) -> list[Document]:
        """The descriptors of all manifests of a repository that refer to `subject`."""
        found = {}
        for digest in sorted(set(self._digests_of(name))):
            if self._layout.has(digest):
                manifest = read(self._layout, digest)
                if manifest.subject == subject:
                    found[digest] = manifest.descriptor(digest)
        return list(found.values())


def sources(entry: Document) -> list[str]:
    """The digests by which an entry is known: those it was pulled by, then its own."""
    from rootless.images.entries import sources_of

    return [*sources_of(entry), str(entry["digest"])]


def served(layout: Layout, entry: Document) -> str:
    """The digest that a tag means: the first that is here of those by which it is known.

    Of an image that came from an index only the manifest for this machine was fetched.
    """
    return next((digest for digest in sources(entry) if layout.has(digest)), "")
