"""Images with other owners: what `--userns keep-id` and `nomap` run on.

In such a container another id of the user namespace U is root (runtime.userns.shift), so that
root's files have to belong to another id than in the layers of the store. So an image has a
skeleton for each such map (layers.skeleton): made when it is first needed, named after the image's
last layer, and removed with the image.

    skeletons/<uid>-<gid>/<chain id>/     uid and gid are what keep-id shows the user as
    skeletons/nomap/<chain id>/
    skeletons/host/<chain id>/            the owners of the layers, which are in a shared store
    skeletons/<...>-whole/<chain id>/     with the content, for drivers that find it nowhere else
    skeletons/finds-data                  whether overlay finds it elsewhere, on which kernel

Nobody but the user may enter: a set-user-id program of the image that belongs to the container's
user is the user's own out here. A skeleton has its name only when it is complete, and bears the
mark of images.durability until it is written out.
"""

from __future__ import annotations

import errno
import os

from rootless.errors import LaunchError, StoreError, named
from rootless.images import durability
from rootless.oci.layers.datalayer import Place, data_of
from rootless.oci.remove import remove_tree
from rootless.runtime.tree import rootfs
from rootless.runtime.userns import identity, worker
from rootless.runtime.userns.shift import owners_of, unchanged
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from rootless.runtime.userns.shift import Owners
    from rootless.store.paths import Paths

RECORD = "skeleton.json"
"""What was merged, and how much it takes: see layers.skeleton."""

_DEAD = ".dead-"
_NEW = ".new-"
_AT_ONCE = 4
"""Processes that make a skeleton: the file system does not let more of them go on at once."""


class Skeletons:
    """Those of one map of ids."""

    def __init__(self, paths: Paths, owners: Owners, userns: str) -> None:
        """`userns` names the map: see options.Private."""
        self._paths = paths
        self._owners = owners
        self._name = _name(userns)

    def of(self, layers: list[str], notes: list[str]) -> list[str]:
        """Return what is to be mounted in the place of the unpacked `layers`, lowest first.

        It is made where it is missing; what the user is to be told goes to `notes`. Raises
        StoreError, HostError.
        """
        layers = _directories(layers)
        if not layers:
            return []
        whole = self._why_whole()
        base = f"{self._paths.skeletons}/{self._name}" + ("-whole" if whole else "")
        at = f"{base}/{os.path.basename(layers[-1])}"
        places = _places(self._paths, layers)
        if not _is_trusted(at, places):
            if whole:
                notes.append(f"the files of the image are copied, once, to change owners: {whole}")
            self._make(at, layers, places, whole=bool(whole))
        return [f"{at}/fs"]

    def _why_whole(self) -> str:
        """Why the content has to be copied, "" where it can stay where it is."""
        driver = rootfs.choose_driver(self._paths)
        if driver != "overlay":
            return f"the driver {driver} cannot show them as they are"
        return "" if _finds_data(self._paths) else "this takes an overlay of Linux 6.16 to avoid"

    def _make(self, at: str, layers: list[str], places: list[Place], *, whole: bool) -> None:
        base, name = os.path.split(at)
        try:
            os.makedirs(base, 0o700, exist_ok=True)
            os.chmod(self._paths.skeletons, 0o700)
            # Of two containers that start at once the second finds what the first has made. And
            # what is in the making without this lock is of somebody who was killed.
            lock = records.lock(base)
        except OSError as error:
            raise _refused(base, error) from error
        assert lock is not None  # noqa: S101 - it was waited for
        try:
            if _is_trusted(at, places):
                return
            _sweep(self._paths, base)
            new = f"{base}/{_NEW}{name}"
            os.mkdir(new, 0o700)
            durability.mark(new)
            how = (layers, new, places, self._owners, whole)
            # With the lock: if we are killed, nobody sweeps while they still write.
            worker.spawn(self._paths, _fill, *how, keep_fds=(lock,)).result()
            bury([at])  # damaged, or of layers that were elsewhere
            os.rename(new, at)
        except OSError as error:
            raise _refused(base, error) from error
        finally:
            os.close(lock)
        durability.write_out_later(self._paths, base)


def _directories(layers: Iterable[str]) -> list[str]:
    """The directories of layers by their trees.

    Set-id programs stand in a tree of their own for others: a skeleton has them itself.
    """
    return [os.path.dirname(layer) for layer in layers if os.path.basename(layer) == "fs"]


def _places(paths: Paths, layers: list[str]) -> list[Place]:
    return [Place(layer, paths.layers) for layer in layers]


def _is_trusted(at: str, places: list[Place]) -> bool:
    """Whether the skeleton `at` is there, complete, and finds the content of its layers."""
    if not (os.path.isdir(f"{at}/fs") and durability.has_survived(at)):
        return False
    behind = rootfs.data_layers([f"{at}/fs"])
    if not behind:
        return True  # it has all content itself
    return set(behind) == set(data_of(places)) and all(
        os.path.isdir(place.data + place.below) for place in places
    )


def _fill(layers: list[str], new: str, places: list[Place], owners: Owners, whole: bool) -> None:
    """In the user namespace: make a skeleton in the directory `new`."""
    from rootless.oci.layers import skeleton

    os.umask(0)
    ids = (_or_invalid(owners.uid), _or_invalid(owners.gid))
    try:
        shares = min(len(os.sched_getaffinity(0)), _AT_ONCE)
        skeleton.Maker(layers[::-1], places[::-1], ids, whole=whole).run(new, shares)
    except (OSError, ValueError) as error:
        raise _refused(os.path.basename(layers[-1])[:12], error) from error


def _or_invalid(find: Callable[[int], int]) -> Callable[[int], int]:
    """Let an id that the container does not show be one that chown(2) does not take."""

    def found(number: int) -> int:
        try:
            return find(number)
        except LaunchError as error:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL)) from error

    return found


_OWNERS = (
    "the image may have owners that the container does not show: map more of them, or try without "
    f"{named('userns')}"
)


def _refused(what: str, error: OSError | ValueError) -> StoreError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    hint = records.remedy(error) if isinstance(error, OSError) else ""
    if isinstance(error, OSError) and error.errno == errno.EINVAL:
        hint = _OWNERS
    return StoreError(
        f"cannot give the files of layer {what} other owners: {reason}",
        hint or "rootless system check looks for what is wrong with the store",
    )


def _finds_data(paths: Paths) -> bool:
    """Whether overlay finds content in a data-only layer: tried once for each kernel."""
    note = f"{paths.skeletons}/finds-data"
    answer = rootfs.remembered(note, ("yes", "no"))
    if answer:
        return answer == "yes"
    from rootless.images.shared import overlay_finds_data

    finds = bool(worker.call(paths, overlay_finds_data, paths.containers))
    try:
        os.makedirs(paths.skeletons, 0o700, exist_ok=True)
        rootfs.remember(note, "yes" if finds else "no")
    except OSError:
        pass  # it is tried again
    return finds


_LONGEST = 200
"""Characters in the name of a directory, with what others put behind it."""


def _name(userns: str) -> str:
    name = userns.removeprefix("keep-id:uid=").replace(",gid=", "-").replace(":", "-")
    if len(name) < _LONGEST:
        return name
    import hashlib  # maps of many ranges

    return "map-" + hashlib.sha256(name.encode()).hexdigest()


def known(paths: Paths, userns: str, layers: list[str]) -> list[str]:
    """Return what is mounted in the place of `layers`, lowest first, or themselves."""
    chain = os.path.basename(_directories(layers)[-1])
    for base in (f"{paths.skeletons}/{_name(userns)}{end}" for end in ("", "-whole")):
        if os.path.isdir(f"{base}/{chain}/fs"):
            return [f"{base}/{chain}/fs"]
    return layers


def places(paths: Paths) -> list[str]:
    """Return the directories of all skeletons, of every map."""
    found = []
    for base in bases(paths):
        names = os.listdir(base)
        found += [f"{base}/{name}" for name in names if not name.startswith(".")]
    return found


def bases(paths: Paths) -> list[str]:
    """Return the directories of the maps that there are skeletons for."""
    try:
        with os.scandir(paths.skeletons) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def of_chains(paths: Paths, chains: Iterable[str]) -> list[str]:
    """Return the directories of the skeletons whose last layers these are, of every map."""
    wanted = set(chains)
    return [one for one in places(paths) if os.path.basename(one) in wanted]


def upon(paths: Paths, chain: str) -> list[str]:
    """Return the directories of the skeletons that have a layer in them, of every map."""
    return [one for one in places(paths) if chain in map(os.path.basename, _layers(one))]


def bury(skeletons: Iterable[str]) -> list[str]:
    """Rename skeletons away, so that they are not used any more; return where they are now."""
    dead = []
    for one in skeletons:
        base, name = os.path.split(one)
        grave = f"{base}/{_DEAD}{name}-{os.urandom(4).hex()}"
        try:
            os.rename(one, grave)
        except FileNotFoundError:
            continue
        dead.append(grave)
    return dead


def sweep(paths: Paths) -> None:
    """Delete what a start that was killed has left, where nobody is at work."""
    for base in bases(paths):
        lock = records.lock(base, wait=False)
        if lock is None:
            continue
        try:
            _sweep(paths, base)
        finally:
            os.close(lock)


def _sweep(paths: Paths, base: str) -> None:
    """Delete what is half made or buried. The caller holds the lock."""
    for name in os.listdir(base):
        if name.startswith((_DEAD, _NEW)):
            worker.call(paths, remove_tree, f"{base}/{name}")


def damage(paths: Paths, place: str) -> str:
    """The first path at which a skeleton is not what its layer makes, "" for none.

    Raises StoreError where it cannot be made again.
    """
    base, chain = os.path.split(place)
    name, end, _ = os.path.basename(base).partition("-whole")
    from rootless.oci.layers.compare import difference

    layers = _layers(place)
    whole = layers and all(os.path.isdir(f"{layer}/fs") for layer in layers)
    if not whole or not durability.has_survived(place):
        return chain
    ids = name.partition("-")[::2]
    userns = name if name == "nomap" else "keep-id:uid={},gid={}".format(*ids)
    who = identity.detect()
    owners = unchanged(who) if name == "host" else owners_of(userns, who)
    new = f"{base}/{_NEW}{os.urandom(4).hex()}"
    lock = records.lock(base)
    assert lock is not None and owners is not None  # noqa: S101 - waited for, and named
    try:
        os.mkdir(new, 0o700)
        how = (layers, new, _places(paths, layers), owners, bool(end))
        worker.spawn(paths, _fill, *how, keep_fds=(lock,)).result()
        return str(worker.call(paths, difference, new, place))
    finally:
        _sweep(paths, base)
        os.close(lock)


def _record(place: str) -> dict[str, Any]:
    try:
        return dict(records.read_record(f"{place}/{RECORD}"))
    except (OSError, StoreError):
        return {}


def _layers(place: str) -> list[str]:
    """The directories of a skeleton's layers, lowest first."""
    found = _record(place).get("layers", [])
    return [str(one) for one in found] if isinstance(found, list) else []


def size(place: str) -> int:
    """Return about how many bytes a skeleton takes, noted when it was made."""
    found = _record(place).get("bytes", 0)
    return found if isinstance(found, int) else 0
