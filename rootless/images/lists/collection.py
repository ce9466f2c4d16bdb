"""Manifest lists: what makes, changes and removes them (`lists` reads them).

A change is prepared without a lock, fetching what it needs; then, under the layout's lock, the
list is read, changed and written as a new blob, and the index names that in the old one's place.
"""

from __future__ import annotations

import contextlib
import os
import time

from rootless.errors import Ambiguous, Conflict, NotFound, UsageError
from rootless.errors import named as field
from rootless.images.entries import LIST, list_of, named, renamed
from rootless.images.events import tell
from rootless.images.faults import store_errors
from rootless.images.lists import attestations
from rootless.images.lists import members as sources
from rootless.images.lists.list import ListImage, origins_of, with_origins
from rootless.images.lists.members import Changes
from rootless.images.transfer.places import open_source
from rootless.images.transfer.wish import CopyWish
from rootless.oci import manifests, models, reference, transports
from rootless.oci.blobs import Blob, Workspace, initialise, locked, sync_directory, write_index
from rootless.oci.errors import ImageError, InvalidReference
from rootless.oci.layout import MAX_JSON, OCI_INDEX, Layout, name_of
from rootless.oci.transports import Location
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from rootless.images.collection import Images
    from rootless.images.lists.files import ArtifactWish
    from rootless.images.lists.members import Member
    from rootless.images.transfer.access import Access
    from rootless.oci.transports import Source
    from rootless.store.paths import Paths
    from rootless.teller import Teller

    Document = dict[str, Any]
    Edit = Callable[[ListImage, list[Document], dict[str, str]], None]


class Manifests:
    """The manifest lists of one store."""

    def __init__(self, paths: Paths, images: Images) -> None:
        self._images = images
        self._paths = paths
        self._layout = Layout(paths.images)

    def get(self, ref: str) -> ListImage:
        """Return a list by its name, id or digest. Raises NotFound, also for an image."""
        found = self._images.look(ref) if self._images.exists(ref) else None
        if not isinstance(found, ListImage):
            what = "no such manifest list" if found is None else "an image, not a manifest list"
            raise NotFound(f"{what}: {ref}", "rootless manifest create makes one")
        return found

    def exists(self, ref: str) -> bool:
        """Whether there is such a list."""
        try:
            self.get(ref)
        except NotFound:
            return False
        return True

    def create(
        self,
        name: str,
        members: Iterable[str] = (),
        *,
        access: Access,
        everything: bool = False,
        amend: bool = False,
    ) -> str:
        """Make a list of `members`, or with `amend` add them to it; return its id.

        Raises Conflict for a name that is taken, and what `add` raises: then nothing is made.
        """
        full = _full(name)
        if not amend or not self.exists(name):
            self._check_free(name)
        with self._workspace() as work:
            found = self._find(members, Changes(), access, work, everything=everything)
            if amend and self.exists(name):
                return self._edit(name, work, found=found)
            made = os.urandom(32).hex()
            entry = {"annotations": {LIST: f"{made} {int(time.time())}"}}
            with self._changing() as index:
                self._check_free(name)
                entry = self._written(work, entry, _document(OCI_INDEX, []), found)
                index["manifests"] = named(index["manifests"], [full], entry)
            return made

    def _check_free(self, name: str) -> None:
        """See that a name is nobody's, or it would not be the list that it means later."""
        taken = self._images.name_of(name)
        if taken:
            what = "manifest list" if self.exists(name) else "image"
            raise Conflict(
                f"there is the {what} {taken} already", f"{field('amend')} adds to a list"
            )

    def add(
        self,
        ref: str,
        members: Iterable[str],
        changes: Changes,
        *,
        access: Access,
        everything: bool = False,
    ) -> str:
        """Add members to a list, or describe them anew; return its id.

        `everything`: of what is an index all of it, not only the image for the platform of
        `changes`. Raises NotFound, RegistryError, ImageError.
        """
        if everything and changes.platform:
            raise UsageError(f"{field('everything')} and a platform contradict each other")
        self.get(ref)
        with self._workspace() as work:
            found = self._find(members, changes, access, work, everything=everything)
            return self._edit(ref, work, found=found)

    def add_files(
        self, ref: str, files: Iterable[str], wish: ArtifactWish, changes: Changes
    ) -> str:
        """Add an artifact of files to a list; return the list's id.

        Raises NotFound, UsageError for a file that cannot be read.
        """
        from rootless.images.lists.files import member

        image = self.get(ref)
        subject = self._subject(image, wish.subject) if wish.subject else None
        with self._workspace() as work:
            made = member([*files], wish, subject, work)
            changes.apply(made.descriptor)
            return self._edit(ref, work, found=[made])

    def _subject(self, image: ListImage, wanted: str) -> Document:
        """Return what an artifact is about: a member of the list, or an image that is here."""
        try:
            entry = self._member(image, image.members, wanted)
        except NotFound:
            digest, data = self._images.get(wanted).original()
            kind = transports.media_type_of(data, "", f"manifest {digest}")
            return {"mediaType": kind, "digest": digest, "size": len(data)}
        return {key: entry[key] for key in ("mediaType", "digest", "size")}

    def annotate(self, ref: str, member: str, changes: Changes) -> str:
        """Change what a list says of a member, by digest or name; return the list's id."""

        def edit(image: ListImage, entries: list[Document], _: dict[str, str]) -> None:
            changes.apply(self._member(image, entries, member))

        self.get(ref)
        with self._workspace() as work:
            return self._edit(ref, work, edit)

    def remove(self, ref: str, member: str) -> tuple[str, str]:
        """Take a member out of a list; return the list's id and the member's digest."""
        gone = []

        def edit(image: ListImage, entries: list[Document], origins: dict[str, str]) -> None:
            found = str(self._member(image, entries, member)["digest"])
            entries[:] = [one for one in entries if one["digest"] != found]
            origins.pop(found, None)
            gone.append(found)

        self.get(ref)
        with self._workspace() as work:
            return self._edit(ref, work, edit), gone[0]

    def inspect(self, ref: str, *, access: Access) -> Document:
        """Return a list of the store, else the manifest or index that a registry has.

        An image of the store that has attestations is an index as well.
        """
        with contextlib.suppress(NotFound):
            return self.get(ref).manifest
        if (index := self._attested(ref)) is not None:
            return index
        source = self._source(ref, access)
        with contextlib.closing(source):
            found = source.manifest()
        models.kind_of(found.data, found.media_type, f"manifest {found.digest}")
        return models.document_in(found.data, f"manifest {found.digest}")

    def describe(self, ref: str, *, access: Access) -> Document | list[Document]:
        """Return all manifests behind a list of the store, or a name in a registry, in full.

        In docker's shape; see `describing`.
        """
        from rootless.images.lists.describing import describe

        with contextlib.suppress(NotFound):
            place = Location("containers-storage", self.get(ref).id)
            return describe(open_source(self._images, place, access), ref)
        if self._attested(ref) is not None:
            source = open_source(self._images, Location("containers-storage", ref), access)
            source.whole = True  # type: ignore[attr-defined]
            return describe(source, ref)
        return describe(self._source(ref, access), ref)

    def _attested(self, ref: str) -> Document | None:
        """Return the index of an image of the store with attestations, None for what is none."""
        found = self._images.look(ref) if self._images.exists(ref) else None
        return None if found is None or found.host else found.attested

    def _source(self, ref: str, access: Access) -> Source:
        """Open a place elsewhere, by default a registry."""
        place = transports.parse(ref)
        if place.transport == "containers-storage":
            place = Location("docker", place.path)
        return open_source(self._images, place, access)

    def rm(self, refs: Iterable[str]) -> list[str]:
        """Remove lists, and what only they needed; return the lines of `rmi`."""
        lines = []
        for ref in refs:
            self.get(ref)
            lines += self._images.remove([ref])
        return lines

    def push(
        self,
        ref: str,
        target: str = "",
        wish: CopyWish | None = None,
        *,
        access: Access,
        teller: Teller = QUIET,
    ) -> str:
        """Push a list, by default with its members; return its digest there.

        `target` is a name in a registry, by default that which was asked for, or another place of
        `oci.transports`. Raises what `Images.copy` raises.
        """
        from rootless.images.lists.pushing import push, target_of

        how = wish or CopyWish(everything=True)
        image = self.get(ref)
        name = target_of(self._images, ref, target)
        digest = push(self._images, image, name, how, access, teller)
        tell(self._images, "push", [image.id])
        return digest

    # -- changing ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _workspace(self) -> Iterator[Workspace]:
        """A place for blobs on their way into the store."""
        path = self._paths.images
        self._paths.prepare()
        with store_errors(self._paths):
            initialise(path)
            with Workspace(path, path) as work:
                yield work

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Document]:
        """Hold the layout's lock, yield the index, and write it at the end."""
        path = self._paths.images
        with locked(path):
            index = self._layout.index()
            yield index
            write_index(path, index)

    def _find(
        self,
        names: Iterable[str],
        changes: Changes,
        access: Access,
        work: Workspace,
        *,
        everything: bool,
    ) -> list[Member]:
        found = []
        for name in names:
            found += sources.find(self._images, name, changes, access, work, everything=everything)
        for one in found:
            changes.apply(one.descriptor)
        return found

    def _edit(
        self,
        ref: str,
        work: Workspace,
        edit: Edit | None = None,
        *,
        found: Iterable[Member] = (),
    ) -> str:
        """Change a list, add members to it, and write it; return its id."""
        with self._changing() as index:
            image = self.get(ref)
            if image.readonly:
                raise Conflict(f"manifest list {ref} is in a shared store")
            entries = [dict(one) for one in image.members]
            origins = image.origins
            if edit is not None:
                edit(image, entries, origins)
            same = [one for one in index["manifests"] if list_of(one) == image.id]
            document = {**image.manifest, "manifests": entries}
            entry = self._written(work, with_origins(same[0], origins), document, [*found])
            index["manifests"] = [
                renamed(entry, name_of(one)) if one in same else one for one in index["manifests"]
            ]
        self._forget(image.stored_digest)
        return image.id

    def _member(self, image: ListImage, entries: list[Document], wanted: str) -> Document:
        """Find a member by its digest or name. Raises NotFound."""
        digests = {wanted.partition("@")[2] or wanted}
        if not reference.is_digest(next(iter(digests))):
            names = _names(wanted)
            digests = {key for key, name in image.origins.items() if name in names}
            if len(digests) > 1:
                raise Ambiguous(f"{wanted} fits {len(digests)} images of the list", "by its digest")
            if not digests and self._images.exists(wanted):
                local = self._images.get(wanted)
                digests = {local.manifest_digest, *local.digests}
        for entry in entries:
            if entry["digest"] in digests:
                return entry
        raise NotFound(
            f"{wanted} is not in the manifest list {(image.names or [image.id])[0]}",
            "rootless manifest inspect shows what is",
        )

    def _written(
        self, work: Workspace, entry: Document, document: Document, found: list[Member]
    ) -> Document:
        """Write a list with further members; return its entry. The caller has the lock.

        A manifest that was here when it was looked for may be gone, so all are written again.
        """
        again = {one.descriptor["digest"] for one in found}
        entries = [one for one in document["manifests"] if one["digest"] not in again]
        entries += [one.descriptor for one in found]
        entries.sort(key=attestations.is_attestation)
        origins = {key: name for key, name in origins_of(entry).items() if key not in again}
        for one in found:
            self._keep(work, one)
            if one.origin:
                origins[one.descriptor["digest"]] = one.origin
        data = manifests.encode({**document, "manifests": entries})
        if len(data) > MAX_JSON:
            raise ImageError(f"a manifest list of {len(entries)} images is larger than 4 MiB")
        digest = self._publish(work, data)
        sync_directory(f"{self._paths.images}/blobs/sha256")
        kind = str(document.get("mediaType") or OCI_INDEX)
        entry = with_origins(entry, origins)
        return {**entry, "mediaType": kind, "digest": digest, "size": len(data)}

    def _keep(self, work: Workspace, member: Member) -> None:
        """Give a member's manifest and blobs their names. Raises ImageError where some are gone."""
        for blob in member.blobs:
            if not self._layout.has(blob.digest):
                blob.publish(self._layout)
        digest = self._publish(work, member.data)
        if not member.origin and not self._layout.is_whole({"digest": digest}):
            raise ImageError(f"the image {digest} was removed meanwhile", "try again")

    def _publish(self, work: Workspace, data: bytes) -> str:
        blob = Blob(work.new())
        blob.write(data)
        if self._layout.has(blob.finish().digest):
            os.unlink(blob.path)
        else:
            blob.publish(self._layout)
        return blob.digest

    def _forget(self, digest: str) -> None:
        """Remove the blob of a list as it was, unless something needs it."""
        with locked(self._paths.images):
            if all(entry["digest"] != digest for entry in self._layout.index()["manifests"]):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._layout.blob_path(digest))


def _document(kind: str, entries: list[Document]) -> Document:
    return {"schemaVersion": 2, "mediaType": kind, "manifests": entries}


def _full(name: str) -> str:
    """The full name of a new list: of a short one, as podman has it, under localhost/."""
    reference.name_to_give(name)  # raises InvalidReference
    return reference.full(name)


def _names(ref: str) -> list[str]:
    """The full names that a member may have been added by."""
    try:
        return [str(reference.parse(ref).tagged())]
    except InvalidReference:
        return []
