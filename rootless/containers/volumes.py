"""The directories behind a container's mounts, as they must be when it starts."""

from __future__ import annotations

import os
import stat

from rootless.containers.record import objects, read
from rootless.errors import Conflict, StoreError, UsageError
from rootless.runtime.tree import rootfs
from rootless.runtime.userns import removal
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.containers.record import Record
    from rootless.runtime.spec import Layers, Mount, Private, Spec
    from rootless.store.paths import Paths
    from rootless.volumes.mounts import Volume


def prepare(paths: Paths, record: Record, directory: str) -> Record:
    """Make what is missing of the sources, and empty layers for the `:O` mounts.

    `-v` makes a missing directory and volumes come into being with their first use, all as the
    user; a file or socket that exists is left alone. What an earlier run has written above a
    `:O` mount is thrown away. Return the record with what volumes are by now (`_with_options`).
    Raises StoreError, UsageError, Conflict.
    """
    named = False
    for volume in record["volumes"]:
        if volume["type"] == "volume":
            from rootless.volumes.collection import Volumes

            Volumes(paths).ensure(
                volume["name"],
                anonymous=volume["anonymous"],
                labels=volume.get("labels"),
                options=volume.get("driver"),
            )
            named = True
        elif volume["make"] and not os.path.exists(volume["source"]):
            _make(volume["source"])
    if named:
        record = {**record, "spec": _with_options(paths, record, record["spec"])}
    layers = record["spec"]["rootless"]["overlay_binds"]
    if not layers:
        return record
    try:
        removal.discard(paths, f"{directory}/overlay", f"{directory}/.gone-overlay")
        for layer in layers:
            _make(layer["upper"])
            _make(layer["work"])
            # What is mounted has the mode of the upper directory: it must be the source's.
            os.chmod(layer["upper"], stat.S_IMODE(os.stat(layer["source"]).st_mode))
    except OSError as error:
        raise StoreError(
            f"cannot prepare {directory}/overlay: {error.strerror}", "is the source still there?"
        ) from error
    return record


def _with_options(paths: Paths, record: Record, spec: Spec) -> Spec:
    """Return the configuration with what volumes have options for, and with parts of volumes.

    A directory of the host, or memory, takes the place of the store's. Raises UsageError where
    that cannot be, Conflict where another container has the memory, StoreError.
    """
    from rootless.volumes.collection import Volumes

    volumes, changed = Volumes(paths), {}
    subpaths = {item["destination"]: item.get("subpath", "") for item in record["volumes"]}
    subpaths = {where: subpath for where, subpath in subpaths.items() if subpath}
    for item in record["volumes"]:
        if item["type"] == "volume" and (options := volumes.options(item["name"])):
            changed[item["destination"]] = (item, options)
    if not changed and not subpaths:
        return spec
    private: Private = {**spec["rootless"]}
    if subpaths:
        private["subpaths"] = subpaths
    mounts = {each["destination"]: each for each in spec["mounts"]}
    for where, (item, options) in changed.items():
        mounts[where] = {**mounts[where], **_as_optioned(paths, record, private, item, options)}
    return {**spec, "mounts": list(mounts.values()), "rootless": private}


def _as_optioned(
    paths: Paths, record: Record, private: Private, item: Volume, options: dict[str, str]
) -> Mount:
    from rootless.volumes.options import directory, is_memory, mounted

    where = item["destination"]
    if item["overlay"] or (is_memory(options) and item.get("subpath")):
        raise UsageError(
            f"volume {item['name']} has options, and cannot be mounted so at {where}",
            "leave out O and the subpath",
        )
    kind, source, words = mounted(item, options)
    copies = [wish for wish in private["copy_up"] if wish["destination"] != where]
    if is_memory(options):
        _refuse_second(paths, record, item["name"])
        words += ["tmpcopyup"] * item["copy_up"]
    elif item["copy_up"]:
        into = directory(options)
        copies.append({"source": item["source"], "destination": where, "into": into})
    private["copy_up"] = copies
    given = [] if is_memory(options) else [source]
    others = [one for one in private["volumes_U"] if one != item["source"]]
    private["volumes_U"] = others + given * (item["source"] in private["volumes_U"])
    return {"destination": where, "type": kind, "source": source, "options": words}


def _refuse_second(paths: Paths, record: Record, name: str) -> None:
    """Memory is a mount of one container's own: another would not see what is in it."""
    containers = objects(paths)
    for id in containers.ids():  # noqa: A001 - the field's own word
        if id == record["id"] or not records.is_claimed(f"{containers.path(id)}/alive"):
            continue
        try:
            other = read(containers.path(id))
        except (FileNotFoundError, StoreError):
            continue
        if any(one["name"] == name for one in other["volumes"]):
            raise Conflict(
                f"volume {name} is memory of container {other['name']}, which runs",
                "only a volume on the disk is shared: make one without the type tmpfs",
            )


def with_images(
    paths: Paths, record: Record, directory: str, owned: Callable[[list[str]], list[str]]
) -> Spec:
    """Return the configuration with the images that are mounted, prepared to be.

    `owned` gives layers the owners that the container sees, as those of its root. What an earlier
    run has written goes, as above a `:O` mount. Raises StoreError, HostError.
    """
    driver, shown = rootfs.choose_driver(paths), []
    items = [item for item in record["volumes"] if item["type"] == "image"]
    for number, item in enumerate(items):
        layers = item["image"]["layers"]
        if missing := [layer for layer in layers if not os.path.isdir(layer)]:
            raise StoreError(
                f"image {item['source']}: {len(missing)} of its layers are gone, which are mounted "
                f"at {item['destination']}",
                "rootless system check can have them unpacked again",
            )
        place = f"{directory}/images/{number}"
        one: Layers = {
            "destination": item["destination"],
            "source": item["source"],
            "subpath": "".join(item["options"]).partition("=")[2],
            "rw": item["rw"],
            "lowers": rootfs.stacked(owned(layers)[::-1]),
            "place": place,
        }
        try:
            _lay_out(paths, one, driver)
        except OSError as error:
            raise StoreError(
                f"cannot prepare {place}: {error.strerror}", records.remedy(error)
            ) from error
        shown.append(one)
    spec = record["spec"]
    return {**spec, "rootless": {**spec["rootless"], "layers": shown}}


def _lay_out(paths: Paths, shown: Layers, driver: str) -> None:
    """Make the directories that an image is mounted with; a driver that copies does it here."""
    place, lowers = shown["place"], shown["lowers"]
    rootfs.check_finds_data(driver, lowers)
    if shown["rw"]:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        removal.discard(paths, place, f"{place}.gone")
    for name in ("merged", "upper", "work", "empty"):
        os.makedirs(f"{place}/{name}", 0o755, exist_ok=True)
    if driver == "copy" and lowers:
        from rootless.runtime.tree.copying import merge_once

        merge_once(paths, lowers, f"{place}/merged", durable=False)
        shown["lowers"] = []


def _make(path: str) -> None:
    try:
        os.makedirs(path, 0o755, exist_ok=True)
    except OSError as error:
        from rootless.runtime.userns.whose import explained

        hint = explained(path, write=True) or "make it yourself, or name another source"
        raise StoreError(f"cannot make {path}: {error.strerror}", hint) from error
