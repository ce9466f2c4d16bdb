"""The directories behind a container's mounts, as they must be when it starts."""

from __future__ import annotations

import os
import stat

from rootless.errors import StoreError
from rootless.runtime.tree import rootfs
from rootless.runtime.userns import removal
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.containers.record import Record
    from rootless.runtime.spec import Layers, Spec
    from rootless.store.paths import Paths


def prepare(paths: Paths, record: Record, directory: str) -> None:
    """Make what is missing of the sources, and empty layers for the `:O` mounts.

    `-v` makes a missing directory and volumes come into being with their first use, all as the
    user; a file or socket that exists is left alone. What an earlier run has written above a
    `:O` mount is thrown away. Raises StoreError.
    """
    for volume in record["volumes"]:
        if volume["type"] == "volume":
            from rootless.volumes.collection import Volumes

            Volumes(paths).ensure(volume["name"], anonymous=volume["anonymous"])
        elif volume["make"] and not os.path.exists(volume["source"]):
            _make(volume["source"])
    layers = record["spec"]["rootless"]["overlay_binds"]
    if not layers:
        return
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
        raise StoreError(
            f"cannot make {path}: {error.strerror}", "make it yourself, or name another source"
        ) from error
