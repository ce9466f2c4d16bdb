"""`artifact add`: files of this machine as an artifact."""

from __future__ import annotations

import os

from rootless import times
from rootless.artifacts.intake import Intake
from rootless.errors import Conflict, NotFound, UsageError, named
from rootless.images.lists.members import annotations_of
from rootless.oci import artifacts, reference
from rootless.oci.digest import CHUNK
from rootless.oci.errors import ImageError
from rootless.oci.reading import open_file
from rootless.oci.transports import media_type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rootless.artifacts.artifact import Artifact
    from rootless.artifacts.finding import Finder
    from rootless.images.finding import Finder as ImageFinder
    from rootless.images.transfer.access import Access
    from rootless.teller import Teller

    Document = dict[str, Any]

_MAGIC = (
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\0asm", "application/wasm"),
)
"""First bytes -> type, in the words of Go's http.DetectContentType, which podman asks."""

_BINARY = frozenset(range(0x20)) - frozenset(b"\t\n\f\r\x1b")
_SNIFFED = 512


class Addition:
    """How files are to be added to an artifact."""

    def __init__(
        self,
        *,
        kind: str = "",
        file_type: str = "",
        annotations: Iterable[str] = (),
        subject: str = "",
        append: bool = False,
        replace: bool = False,
    ) -> None:
        """Raises UsageError for annotations that are none, and for what cannot be together."""
        self.kind = kind
        """The artifact's type."""
        self.file_type = file_type
        self.annotations = annotations_of([*annotations])
        """The files' own, given as KEY=VALUE."""
        self.subject = subject
        """An image that the artifact is about."""
        self.append = append
        """To an artifact that is there."""
        self.replace = replace
        """One that is there."""
        if append and (kind or replace or subject):
            wrong = named("kind" if kind else "replace" if replace else "subject")
            raise UsageError(f"{named('append')} and {wrong} contradict each other")


class Adding:
    """Files on their way into an artifact."""

    def __init__(
        self, artifacts: Finder, images: ImageFinder, addition: Addition, teller: Teller
    ) -> None:
        self._artifacts = artifacts
        self._images = images
        self._how = addition
        self._teller = teller

    def run(self, name: str, files: list[str], access: Access | None) -> str:
        """Make the artifact, or append to it; return its digest."""
        if self._how.append:
            return self._append(name, files)
        return self._make(name, files, self._subject(access) if self._how.subject else None)

    def _make(self, name: str, files: list[str], subject: Document | None) -> str:
        """Make a new artifact. Raises Conflict for a name that is taken."""
        kind, replace = self._how.kind, self._how.replace
        full = _full(name)
        self._check_titles(files)
        if not replace and any(one.name == full for one in self._artifacts.list()):
            raise _taken(full)  # before files are read that may be large
        created = times.now()

        def compose(before: Artifact | None) -> bytes:
            if before is not None and not replace:
                raise _taken(full)
            return artifacts.make(kind or artifacts.UNKNOWN_TYPE, layers, created, subject)

        with Intake(self._artifacts.paths) as intake:
            layers = [self._layer(intake, path) for path in files]
            intake.take_bytes(artifacts.EMPTY)
            return intake.commit(full, compose)

    def _append(self, name: str, files: list[str]) -> str:
        """Add files to an artifact; return its new digest. Raises NotFound, UsageError."""
        known = self._artifacts.get(name)
        self._check_titles(files, known)  # before files are read that may be large

        def compose(before: Artifact | None) -> bytes:
            if before is None:
                raise NotFound(f"the artifact {known.name} was removed meanwhile")
            self._check_titles(files, before)
            return before.with_layers(layers)

        with Intake(self._artifacts.paths) as intake:
            layers = [self._layer(intake, path) for path in files]
            return intake.commit(known.name, compose, known.sources)

    def _check_titles(self, files: list[str], known: Artifact | None = None) -> None:
        """Raise UsageError for two files of one name, one of which may be there already."""
        titles = set(map(artifacts.title_of, known.manifest.layers)) if known else set()
        wanted = self._how.annotations.get(artifacts.TITLE)
        for path in files:
            title = os.path.basename(path) if wanted is None else wanted
            if title in titles:
                raise UsageError(f"two files of the name {title!r} cannot be in one artifact")
            titles.add(title)

    def _layer(self, intake: Intake, path: str) -> Document:
        try:
            part = open_file(path, path)
        except ImageError as error:
            raise UsageError(error.message) from error
        blob = intake.blob()
        self._teller.begin(path, f"add {os.path.basename(path)}", part.size)
        kind = self._how.file_type
        try:
            while data := part.read(CHUNK):
                kind = kind or sniff(data[:_SNIFFED])
                blob.write(data)
                self._teller.advance(path, len(data))
            blob.finish()
        except BaseException:
            blob.abandon()
            raise
        finally:
            part.close()
        self._teller.end(path, "added")
        return {
            "mediaType": kind or sniff(b""),
            "digest": intake.take(blob),
            "size": blob.size,
            "annotations": {artifacts.TITLE: os.path.basename(path), **self._how.annotations},
        }

    def _subject(self, access: Access | None) -> Document:
        """Return the descriptor of an image: of the store, else of a registry."""
        from rootless.images.transfer.access import Access
        from rootless.images.transfer.sources import registry_source
        from rootless.oci.transports import Location

        ref = self._how.subject
        place = ref.removeprefix("docker://")
        is_here = place == ref and self._images.exists(ref)
        if is_here:
            image = self._images.get(ref)
            digest, data = image.original()
            known = image.digests_of(reference.full(ref)) if reference.is_valid(ref) else []
            if known and known[0] != digest:
                # It was pushed in another form, compressed say: that is the one that others see.
                place = f"{reference.parse(reference.full(ref)).name}@{known[0]}"
                is_here = False
        if not is_here:
            found = registry_source(Location("docker", place), access or Access()).manifest()
            digest, data = found.digest, found.data
        kind = media_type_of(data, "", f"manifest {digest}")
        return {"mediaType": kind, "digest": digest, "size": len(data)}


def sniff(head: bytes) -> str:
    """Return the type of a file by its first bytes."""
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if _BINARY.isdisjoint(head):
        return "text/plain; charset=utf-8"
    return "application/octet-stream"


def _taken(name: str) -> Conflict:
    return Conflict(
        f"there is an artifact {name} already", f"{named('append')} or {named('replace')}"
    )


def _full(name: str) -> str:
    """The full name of a new artifact: of a short one under localhost/."""
    reference.name_to_give(name)  # raises InvalidReference
    return reference.full(name.removeprefix("docker://"))
