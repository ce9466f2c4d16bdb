"""`rmi`: names and, with their last name, images; and what nothing needs any more with them.

The order keeps the store whole at every moment: first the index stops to name the image, then
unpacked layers are renamed away and blobs unlinked, all under the layout's lock; the renamed trees
are deleted after it, inside the user namespace. On a full disk, where even the layout's reserve is
used up, the layers go first: an image without them is still whole, they would be unpacked again.
"""

from __future__ import annotations

import contextlib
import errno
import os

from rootless.errors import Conflict, NotFound, StoreError, named
from rootless.images.entries import identity, list_of, sources_of, unnamed
from rootless.images.faults import store_errors
from rootless.images.finding import grouped
from rootless.images.image import Image, id_of
from rootless.images.summary import split, tagged
from rootless.images.transfer.known import Known
from rootless.images.trees import shown, skeletons
from rootless.oci import reference
from rootless.oci.blobs import WORK, is_there, locked, reserve, unlink_orphans, write_index
from rootless.oci.errors import ImageError
from rootless.oci.layout import Layout, name_of, parts_of
from rootless.store import pins, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from rootless.images.finding import Finder
    from rootless.store.paths import Paths

    Document = dict[str, Any]

_SEVERAL = f"remove them by name, or all of them with {named('force')}"


def remove(images: Finder, refs: list[str], force: bool, *, prune: bool = True) -> list[str]:
    """Remove each of `refs`; see Images.remove."""
    lines: list[str] = []
    for ref in refs:
        images.get_entry(ref)  # a name that is not there needs no store and no lock
        with store_errors(images.paths):
            lines += Removal(images, ref, force, prune=prune).run()
    return lines


def remove_nameless(images: Finder, digest: str) -> list[str]:
    """Remove what has this manifest and no name; see Images.remove_nameless."""
    with store_errors(images.paths):
        return Nameless(images, digest, force=False).run()


class Removal:
    """The removal of one reference."""

    def __init__(self, images: Finder, ref: str, force: bool, *, prune: bool = True) -> None:
        self._images = images
        self._paths = images.paths
        self._layout = Layout(images.paths.images)
        self._ref = ref
        self._force = force
        self._prune = prune
        self._dead: list[str] = []
        """Trees that were renamed away and are to be deleted."""

    def run(self) -> list[str]:
        """Do it; return docker's lines."""
        with locked(self._paths.images):
            index = self._layout.index()
            entries: list[Document] = index["manifests"]
            names, rest = self._plan(entries)
            lines = [f"Untagged: {_familiar(name)}" for name in names]
            gone = _lost(entries, rest)
            index["manifests"] = rest
            left = {self._id(entry) for entry in rest} if gone else set()
            ids = [self._id(entry) for entry in gone]
            lines += [f"Deleted: sha256:{image_id}" for image_id in ids if image_id not in left]
            self._carry_out(index, gone, rest)
        for image_id in {*ids} - left:
            shown.forget(self._paths, "image", image_id)
        _delete(self._paths, self._dead)
        return list(dict.fromkeys(lines))

    def _plan(self, entries: list[Document]) -> tuple[list[str], list[Document]]:
        """Return the names that go, and the entries that stay. Raises NotFound or Conflict."""
        entry = self._images.find_entry(entries, self._ref)
        if entry is None:
            raise NotFound(f"no such image: {self._ref}")
        same = [other for other in entries if self._id(other) == self._id(entry)]
        names = [reference.full(name_of(other)) for other in same if name_of(other)]
        named = self._images.find_name(entries, self._ref)
        lost = {named, *_digests_with(named, names)} if named else {*names}
        if named and (lost < {*names} or not self._prune):
            gone = [name for name in dict.fromkeys(names) if name in lost]
            rest = unnamed(entries, gone)
            return gone, _without_bare(rest, entry) if len(names) > 1 else rest
        if not named and len(tagged(names)) > 1 and not self._force:
            raise Conflict(
                f"cannot remove image {self._ref}: it has several names ({', '.join(names)})",
                _SEVERAL,
            )
        rest = [other for other in entries if other not in same]
        self._check_unused(entry, rest)
        return names, rest

    def _id(self, entry: Document) -> str:
        return id_of(self._paths, entry)

    def _ids(self, entry: Document) -> set[str]:
        """The ids of an image, or of those in a list; none for what is damaged."""
        with contextlib.suppress(ImageError):
            return _image(self._paths, entry).ids
        return set()

    def _check_unused(self, entry: Document, rest: list[Document]) -> None:
        lost = {self._id(entry)}
        if list_of(entry):
            lost = self._ids(entry).difference(*map(self._ids, rest))
        for container in containers(self._paths):
            if image_ids(container) & lost and not self._force:
                name = container.get("name") or str(container.get("id"))[:12]
                raise Conflict(
                    f"cannot remove image {self._ref}: container {name} uses it",
                    f"rootless rm {name} first, or force it: the container keeps its layers",
                )

    def _carry_out(self, index: Document, gone: list[Document], rest: list[Document]) -> None:
        try:
            write_index(self._paths.images, index)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not gone:
                raise
            self._bury_layers(gone, rest)
            _delete(self._paths, self._dead)
            self._dead = []
            write_index(self._paths.images, index)
        self._bury_layers(gone, rest)
        self._unlink_blobs(gone, rest)
        reserve(self._paths.images)

    def _bury_layers(self, gone: list[Document], rest: list[Document]) -> None:
        """Rename the layers away that only the removed images needed."""
        needed = {chain for entry in rest for chain in _chains(self._paths, entry)}
        chains = {chain for entry in gone for chain in _chains(self._paths, entry)}
        self._dead += _bury(self._paths, chains - needed)
        tops = {top for entry in gone for top in _tops(self._paths, entry)}
        kept = {top for entry in rest for top in _tops(self._paths, entry)}
        self._dead += _bury_skeletons(self._paths, tops - kept)

    def _diff_ids(self, entry: Document) -> list[str]:
        with contextlib.suppress(ImageError):
            found = Image(self._paths, entry, []).config["rootfs"].get("diff_ids")
            return [str(one) for one in found] if isinstance(found, list) else []
        return []

    def _unlink_blobs(self, gone: list[Document], rest: list[Document]) -> None:
        """Remove the blobs that only the removed images needed."""
        try:
            needed = {digest for entry in rest for digest in _blobs(self._layout, entry)}
        except ImageError:
            return  # what a damaged image needs is not known, so nothing is thrown away
        unlink_orphans(self._paths.images, needed)
        known = Known(self._paths.images)
        if not known.is_empty:
            known.keep_only(needed | {one for entry in rest for one in self._diff_ids(entry)})
        for entry in gone:
            try:
                doomed = _blobs(self._layout, entry)
            except ImageError:
                doomed = [str(entry["digest"])]
            for digest in set(doomed) - needed:
                with contextlib.suppress(FileNotFoundError, ImageError):
                    os.unlink(self._layout.blob_path(digest))


class Nameless(Removal):
    """The removal of what has no name, by the digest of its manifest."""

    def _plan(self, entries: list[Document]) -> tuple[list[str], list[Document]]:
        """See Removal._plan."""
        found = [one for one in entries if one["digest"] == self._ref and not name_of(one)]
        if not found:
            raise NotFound(f"no such image: {self._ref}")
        rest = [one for one in entries if one not in found]
        if self._id(found[0]) not in map(self._id, rest):
            self._check_unused(found[0], rest)
        return [], rest


def drop_layers(paths: Paths) -> None:
    """Delete the unpacked layers that no image of the store needs, and no container.

    Those of images in shared stores: where they are needed again, they are unpacked again. So it is
    with skeletons. With them go the blobs that commands have left which were killed long ago.
    """
    if not is_there(paths.images):
        return  # a store that is not used yet
    with store_errors(paths), locked(paths.images):
        entries = Layout(paths.images).index()["manifests"]
        needed = {chain for entry in entries for chain in _chains(paths, entry)}
        here = {name for name in os.listdir(paths.layers) if not name.startswith(".")}
        dead = _bury(paths, here - needed)
        tops = {top for entry in entries for top in _tops(paths, entry)}
        known = {os.path.basename(one) for one in skeletons.places(paths)}
        dead += _bury_skeletons(paths, known - tops)
        with contextlib.suppress(ImageError):  # what a damaged image needs is not known
            layout = Layout(paths.images)
            unlink_orphans(
                paths.images, {one for entry in entries for one in _blobs(layout, entry)}
            )
    _delete(paths, dead)
    with store_errors(paths):
        skeletons.sweep(paths)


def drop_unpinned(paths: Paths, chains: set[str]) -> None:
    """Delete those of the unpacked layers that no image of the store has, and no container.

    For those who have taken the links away that kept them (`store.pins`).
    """
    if not chains or not is_there(paths.images):
        return
    with store_errors(paths), locked(paths.images):
        entries = Layout(paths.images).index()["manifests"]
        needed = {chain for entry in entries for chain in _chains(paths, entry)}
        dead = _bury(paths, chains - needed)
        dead += _bury_skeletons(paths, chains - needed)
    _delete(paths, dead)


def _blobs(layout: Layout, entry: Document) -> list[str]:
    """All blobs behind an index entry. Raises ImageError where they cannot be known."""
    found = sources_of(entry)
    for one, document in layout.behind(entry):
        digest = str(one["digest"])
        if document is not None:
            found += [digest, *(str(part["digest"]) for part in parts_of(document))]
        elif one is entry or layout.has(digest):
            raise ImageError(f"blob {digest} is missing or damaged")
    return found


def _bury(paths: Paths, chains: set[str]) -> list[str]:
    """Rename away those of the layers that no container names; return where they are now."""
    buried = {}
    for chain in chains - _in_use(paths) - pins.held(paths):
        if pins.is_pinned(paths, chain):
            continue
        dead = f"{paths.layers}/{WORK}dead-{chain}-{os.urandom(4).hex()}"
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{paths.layers}/{chain}", dead)
            buried[chain] = dead
    # A container may have been made meanwhile, or a build begun: both look in the other order.
    for chain in (_in_use(paths) | pins.held(paths)) & buried.keys():
        with contextlib.suppress(OSError):  # somebody unpacked it again
            os.rename(buried[chain], f"{paths.layers}/{chain}")
            del buried[chain]
    return list(buried.values())


def _bury_skeletons(paths: Paths, tops: set[str]) -> list[str]:
    """Rename away the skeletons of these last layers that no container runs on."""
    if not os.path.isdir(paths.skeletons):
        return []
    return skeletons.bury(skeletons.of_chains(paths, tops - _tops_in_use(paths)))


def _tops_in_use(paths: Paths) -> set[str]:
    """The chain ids of the last layers of containers."""
    found = (layers for container in containers(paths) for layers in stacks(container))
    return {layers[-1].split("/")[-2] for layers in found if layers}


def _tops(paths: Paths, entry: Document) -> set[str]:
    """The chain ids of the last layers of an image, or of those in a list."""
    with contextlib.suppress(ImageError):
        image = _image(paths, entry)
        return {one.chains[-1] for one in (image.images or [image]) if one.chains}
    return set()


def _in_use(paths: Paths) -> set[str]:
    """The chain ids of the layers that containers name."""
    return {
        path.split("/")[-2]
        for container in containers(paths)
        for layers in stacks(container)
        for path in layers
    }


def _chains(paths: Paths, entry: Document) -> set[str]:
    with contextlib.suppress(ImageError):
        return _image(paths, entry).all_chains
    return set()


def _image(paths: Paths, entry: Document) -> Image:
    if not list_of(entry):
        return Image(paths, entry, [])
    from rootless.images.lists.list import ListImage

    return ListImage(paths, entry, [])


def containers(paths: Paths) -> Iterable[Document]:
    """The records of all containers that can be read, those of builds among them."""
    places = []
    for directory in {paths.containers, f"{paths.builds}/containers"}:
        with contextlib.suppress(FileNotFoundError):
            places += [f"{directory}/{container}" for container in os.listdir(directory)]
    for place in places:
        with contextlib.suppress(OSError, StoreError):
            record = records.read_record(f"{place}/config.json")
            found = stacks(record)
            if all(isinstance(one, list) and all(map(_is_place, one)) for one in found):
                yield record


def image_ids(record: Mapping[str, Any]) -> set[str]:
    """The ids of the images that a container's record names: that of its root, and mounted ones."""
    own = record.get("image_id")
    return {
        *([own] if isinstance(own, str) else []),
        *(one.get("id", "") for one in _shown(record)),
    }


def stacks(record: Mapping[str, Any]) -> list[Any]:
    """The lists of layers that a container's record names: of its root, and of mounted images."""
    return [record.get("layers", []), *(one.get("layers", []) for one in _shown(record))]


def _shown(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    volumes = record.get("volumes")
    found = volumes if isinstance(volumes, list) else []
    return [item["image"] for item in found if isinstance(item, dict) and "image" in item]


def _is_place(layer: object) -> bool:
    """Whether a container's record can mean a layer of the store by that."""
    return isinstance(layer, str) and layer.count("/") > 1


def _lost(before: list[Document], after: list[Document]) -> list[Document]:
    """The first entry of each manifest that has none any more."""
    left = set(map(identity, after))
    return [group for _, group in grouped(e for e in before if identity(e) not in left)]


def _digests_with(name: str, names: list[str]) -> list[str]:
    """Return the names by digest that go with the last tag of their repository, as docker's do."""
    if reference.has_digest(name):
        return []
    same = [other for other in names if split(other)[0] == split(name)[0] and other != name]
    return same if all(map(reference.has_digest, same)) else []


def _without_bare(entries: list[Document], entry: Document) -> list[Document]:
    """Drop the nameless entry that `unnamed` left for a manifest whose image has other names."""
    return [e for e in entries if identity(e) != identity(entry) or name_of(e)]


def _familiar(name: str) -> str:
    return reference.parse(name).familiar if reference.is_valid(name) else name


def _delete(paths: Paths, trees: list[str]) -> None:
    """Delete trees, whoever owns their files; what fails is left to the next sweep."""
    if not trees:
        return
    from rootless.images.foreman import Foreman

    with Foreman(paths) as foreman:
        for job in [foreman.remove(tree) for tree in trees]:
            job.result()
