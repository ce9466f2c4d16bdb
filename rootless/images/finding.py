"""Finding images: what there is in the user's store and in shared ones, and what a name means.

The store is one OCI image layout. An entry of its index.json is a name (in the annotation
org.opencontainers.image.ref.name) for a manifest; an image that lost its last name stays as an
entry without one. Other programs may have written entries too, so a name need not be a full one.
"""

from __future__ import annotations

import os
import time

from rootless.errors import Ambiguous, Conflict, NotFound
from rootless.images.entries import entries_of, identity, list_of
from rootless.images.image import HostImage, Image, layout_of
from rootless.oci import reference
from rootless.oci.errors import ImageError, InvalidReference
from rootless.oci.layout import Layout, name_of
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from rootless.store.paths import Paths
    from rootless.teller import Teller

    Document = dict[str, Any]
    # Spelt here because the method `list` hides the type inside the class.
    Found = list[Image]
    Names = list[str]
    Entries = list[Document]
    Stores = list[Paths]

HOST = "host"
"""The built-in image reference that needs no pull."""

PULL_POLICIES = ("always", "missing", "never", "newer")

_SHORTEST = 4
"""Digits of which an image's id is suspected behind a name: shorter ones are names such as `a`."""


_GRAIN = 0.05
"""Seconds within which times of files may not differ: some jiffies, and more."""


class Finder:
    """The images of one store, to be found and listed. Takes no lock and changes nothing."""

    def __init__(self, paths: Paths, *, by_last_part: Callable[[], bool] | None = None) -> None:
        """`by_last_part` is whether x:1 may mean HOST/team/x:1, asked where nothing else fits."""
        self._paths = paths
        self._by_last_part = by_last_part
        self._known: Entries = []
        self._mark: tuple[int, ...] | None = None
        """What tells the index.json that `_known` was read from."""

    def list(self, teller: Teller = QUIET) -> Found:
        """Return all images that can be read, newest first; `teller` is told why others cannot."""
        images: dict[str, Image] = {}
        for image in self._all(teller):
            names = image.names
            try:
                known = images.setdefault(image.id, image)
                _ = image.created, image.size
            except ImageError as error:
                images = {key: kept for key, kept in images.items() if kept is not image}
                label = names[0] if names else image.stored_digest
                problem = f"cannot read image {label}: {error.message}"
                teller.problem(ImageError(problem, "load or pull it again, or rmi it"))
                continue
            if known is not image:
                known.merge(image)
        return sorted(images.values(), key=_age)

    def names(self) -> Names:
        """Return the full names of all images: each index.json alone is read, for completion."""
        entries = [entry for _, each in self._stores() for entry in each]
        return sorted({name for name, _ in _named(entries)})

    def get(self, ref: str) -> Image:
        """Return the image that `ref` means: a name, a name with a digest, an id or its beginning.

        Of a manifest list that for this machine; others in one are found by their whole ids.
        Raises NotFound, Ambiguous for an id that fits several, ImageError for a damaged image.
        """
        image = self.look(ref).member()
        if image.origin:
            raise NotFound(
                f"the image for this machine in the manifest list {ref} is not here",
                f"rootless pull {image.origin}",
            )
        return image

    def look(self, ref: str) -> Image:
        """As `get`, but a manifest list is returned as what it is."""
        image = self._find(ref)
        if image is None:
            raise NotFound(f"no such image: {ref}", "rootless images lists what there is")
        return image

    def whole(self, ref: str) -> Image:
        """As `get`, with the names that other manifests give the same image, as `list` has it.

        What a manifest list means has the names of the list alone.
        """
        image = self.get(ref)
        others = [*self._all()] if image.id else []
        if any(one.is_list and set(one.names) & set(image.names) for one in others):
            return image
        for other in others:
            try:
                if other.id == image.id and not set(other.names) & set(image.names):
                    image.merge(other)
            except ImageError:
                pass  # `list` tells of it
        return image

    def exists(self, ref: str) -> bool:
        """Whether `get` would find an image."""
        return self._find(ref) is not None

    def get_entry(self, ref: str) -> Document:
        """Return the index entry of the user's own store; the image behind it may be damaged.

        Raises NotFound, Ambiguous, and Conflict for an image of a shared store or of a list alone.
        """
        descriptor = self.find_entry(self.entries(), ref)
        if descriptor is not None:
            return descriptor
        found = self._find(ref)
        if found is not None and found.readonly:
            raise Conflict(
                f"image {ref} is in a shared store, which is read-only", "its owner can remove it"
            )
        if found is not None and not found.host:
            hint = "rootless manifest remove takes it out of it"
            raise Conflict(f"image {ref} is in a manifest list and has no entry of its own", hint)
        raise NotFound(f"no such image: {ref}", "rootless images lists what there is")

    def name_of(self, ref: str) -> str:
        """Return the full name that `ref` stands for here, "" where it is an id or a digest."""
        found = (self.find_name(entries, ref) for _, entries in self._stores())
        return next(filter(None, found), "")

    def find_entry(
        self, entries: Entries, ref: str, shared: Paths | None = None
    ) -> Document | None:
        """Return the entry that `ref` means, by name, digest or id; None for none.

        What looks like an id or has a digest is never found by a name: anybody names an image so.
        Raises Ambiguous where digits are the name of one image and the id of another.
        """
        if reference.has_digest(ref):
            from rootless.images.pinned import find

            return find(entries, ref, shared)
        found = None if reference.is_id(ref) else _by_name(entries, ref)
        if found is None:
            found = self._by_id(entries, ref, shared)
        elif reference.is_hex(ref) and len(ref) >= _SHORTEST:
            self._refuse_doubt(ref, self._image([], found, shared))
        if found is None:
            for name in _configured(ref):
                found = found or _by_name(entries, name)
        if found is None and (name := self._longer(entries, ref)):
            found = _by_name(entries, name)
        return found

    def find_name(self, entries: Entries, ref: str) -> str:
        """Return the full name that `ref` means, "" where it is a digest or an id."""
        names = dict(_named(_like(entries, ref)))
        known = [name for name in (*meanings(ref), reference.full(ref)) if name in names]
        if reference.is_id(ref) or reference.has_digest(ref):
            meant = self.find_entry(entries, ref)
            known = [one for one in known if meant and identity(names[one]) == identity(meant)]
        if not known and self._by_id(entries, ref, None) is None:
            names = dict(_named(entries))
            known = [name for name in _configured(ref) if name in names]
            known = known or [name for name in [self._longer(entries, ref)] if name]
        return known[0] if known else ""

    def _longer(self, entries: Entries, ref: str) -> str:
        """Return the name that ends as a short one does, where that may be: else "".

        Raises Ambiguous where several images have such a name.
        """
        may = self._by_last_part is not None and self._by_last_part()
        if not (may and reference.is_valid(ref) and reference.is_short(ref)):
            return ""
        end = f"/{reference.parse(ref).tagged().familiar}"
        found = {identity(entry): name for name, entry in _named(entries) if name.endswith(end)}
        if len(found) > 1:
            raise Ambiguous(f"{ref} is the end of {len(found)} names", "write more of one")
        return next(iter(found.values()), "")

    @property
    def paths(self) -> Paths:
        """The directories of the store."""
        return self._paths

    def _find(self, ref: str) -> Image | None:
        if ref == HOST:
            return HostImage(self._paths)
        for shared, entries in self._stores():
            descriptor = self.find_entry(entries, ref, shared)
            if descriptor is not None:
                same = entries_of(entries, descriptor)
                names = [*dict.fromkeys(name for name, _ in _named(same))]
                return self._image(names, descriptor, shared)
        return self._in_lists(ref.removeprefix("sha256:"))

    def _in_lists(self, image_id: str) -> Image | None:
        """Find an image that only manifest lists name, by its whole id: containers have it."""
        if len(image_id) != 64 or not reference.is_hex(image_id):
            return None
        for shared, entries in self._stores():
            for names, descriptor in grouped(entries):
                try:
                    for image in self._image(names, descriptor, shared).images:
                        if image.id == image_id:
                            return image
                except ImageError:
                    continue  # a damaged list
        return None

    def entries(self) -> Entries:
        """Return the entries of the user's own store, which nobody changes. Raises ImageError.

        An index of hundreds is read once, as long as it is the same file.
        """
        try:
            status = os.stat(f"{self._paths.images}/index.json")
        except OSError:
            return list(Layout(self._paths.images).index()["manifests"])
        mark = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if mark != self._mark:
            self._known = list(Layout(self._paths.images).index()["manifests"])
            # What was written just now may be written again within the grain of its times.
            self._mark = mark if status.st_ctime < time.time() - _GRAIN else None
        return self._known

    def _image(self, names: Names, descriptor: Document, shared: Paths | None) -> Image:
        if not list_of(descriptor):
            return Image(self._paths, descriptor, names, shared)
        from rootless.images.lists.list import ListImage

        return ListImage(self._paths, descriptor, names, shared)

    def _stores(self, teller: Teller = QUIET) -> Iterable[tuple[Paths | None, Entries]]:
        """The index entries of the user's store (None), then of each shared one."""
        yield None, self.entries()
        for shared in self._shared():
            try:
                yield shared, list(layout_of(self._paths, shared).index()["manifests"])
            except ImageError as error:
                teller.note(str(error))  # there are the others

    def _shared(self) -> Stores:
        from rootless.images.shared import stores

        return stores(self._paths)

    def _all(self, teller: Teller = QUIET) -> Iterable[Image]:
        """One image for each manifest of each store; a name is that of the first store with it."""
        taken: set[str] = set()
        for shared, entries in self._stores(teller):
            groups = grouped(entries)
            for names, descriptor in groups:
                mine = [name for name in names if name not in taken]
                if mine or not names:
                    yield self._image(mine, descriptor, shared)
            taken.update(name for names, _ in groups for name in names)

    def _refuse_doubt(self, ref: str, named: Image) -> None:
        """See that no other image has an id that begins as this name. Raises Ambiguous."""
        for shared, entries in self._stores():
            entry = self._by_id(entries, ref, shared)
            if entry and identity(entry) != identity(named.entry):
                other = self._image([], entry, shared)
                if other.id != named.id:
                    hint = f"write {ref}:latest, or more digits of the id {other.id}"
                    raise Ambiguous(f"{ref} is the name of one image and the id of another", hint)

    def _by_id(self, entries: Entries, ref: str, shared: Paths | None) -> Document | None:
        """Find an image by its id or the beginning of it, which need not be long."""
        start = ref.removeprefix("sha256:")
        if not reference.is_hex(start):
            return None
        found: dict[str, Document] = {}
        for names, descriptor in grouped(entries):
            try:
                image_id = self._image(names, descriptor, shared).id
            except ImageError:
                continue  # a damaged image is found by its name only
            if image_id.startswith(start):
                found.setdefault(image_id, descriptor)
        if not found:  # the digest of a manifest, which a damaged image has as well
            found = {e["digest"]: e for e in entries if e["digest"] == f"sha256:{start}"}
        if len(found) > 1:
            raise Ambiguous(f"image id {ref} fits {len(found)} images", "write more of its digits")
        return next(iter(found.values()), None)


def meanings(ref: str) -> list[str]:
    """Return the full names that a reference may stand for, the first preferred; [] for none."""
    try:
        parsed = reference.parse(ref).tagged()
    except InvalidReference:
        return []
    names = [str(parsed)]
    if not ref.removeprefix("docker://").startswith(parsed.domain + "/"):
        try:
            names.append(reference.normalise("localhost/" + ref))
        except InvalidReference:
            pass  # with an upper-case first component
    return names


def _configured(ref: str) -> list[str]:
    """Return the full names that registries.conf lets a short one stand for, [] for no short one.

    Only for what is not here otherwise: reading the file takes as long as a whole start.
    Raises SettingsError.
    """
    if not (reference.is_valid(ref) and reference.is_short(ref)):
        return []
    from rootless.oci.distribution.registries import Registries

    return [str(name) for name in Registries.load().candidates(ref)]


def _by_name(entries: list[Document], ref: str) -> Document | None:
    wanted = meanings(ref)
    if not wanted:
        wanted = [ref]
    by_name = dict(_named(_like(entries, ref)))
    for name in wanted:
        if name in by_name:
            return by_name[name]
    written = {name_of(entry): entry for entry in entries if name_of(entry)}
    return written.get(ref)


def _like(entries: Iterable[Document], ref: str) -> list[Document]:
    """Return the entries that may have the name: to parse those of all takes long for hundreds."""
    last = ref.rpartition("/")[2].partition("@")[0].partition(":")[0]
    return [entry for entry in entries if last in name_of(entry)]


def _named(entries: Iterable[Document]) -> list[tuple[str, Document]]:
    return [(reference.full(name_of(entry)), entry) for entry in entries if name_of(entry)]


def grouped(entries: Iterable[Document]) -> list[tuple[list[str], Document]]:
    """Gather the entries of one manifest: all its names, and the first of its descriptors."""
    groups: dict[str, tuple[list[str], Document]] = {}
    for entry in entries:
        names, _ = groups.setdefault(identity(entry), ([], entry))
        if name_of(entry):
            names.append(reference.full(name_of(entry)))
    # Another program may have written x and x:latest, which are one.
    return [([*dict.fromkeys(names)], entry) for names, entry in groups.values()]


def _age(image: Image) -> tuple[float, list[str]]:
    return -image.created, image.names


def runs(image: Image, platform: str) -> bool:
    """Whether the image is for the platform that was asked for, if one was."""
    if not platform:
        return True
    from rootless.oci import platform as platforms

    wanted = platforms.parse(platform)
    offered = platforms.of(image.config)
    return offered.architecture == wanted.architecture and platforms.fits(offered, wanted)
