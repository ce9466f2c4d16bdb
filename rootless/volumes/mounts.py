"""What can be mounted into a container: one value of plain data for each, whatever its kind.

A request has them (containers.request), and so has a container's record.
"""

from __future__ import annotations

import os

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, NotRequired, TypedDict

    class Volume(TypedDict):
        """Something to be mounted: see `bind`, `volume` and `tmpfs`."""

        type: Literal["bind", "volume", "tmpfs", "ramfs", "devpts", "artifact", "image"]
        name: str
        """Of a volume; in a request empty for an anonymous one, which gets 64 digits."""
        source: str
        """What to bind, an absolute path of the host; of volumes only in a record.

        Of an artifact its name; in a record there are binds of its files in its place. Of an image
        the name.
        """
        destination: str
        rw: bool
        propagation: str
        """rprivate, rslave, ... for a bind, else empty."""
        mode: str
        """The options in docker's words, for `inspect`."""
        anonymous: bool
        """To be removed with the container by `--rm` and `rm -v`."""
        make: bool
        """Whether a missing source is made, or an error."""
        copy_up: bool
        """Whether an empty volume is filled with what the image has at the destination."""
        chown: bool
        """Whether the source is given to the container's user."""
        overlay: bool
        """Whether changes go to a throw-away layer above the source."""
        options: list[str]
        """The mount's options as the runtime specification writes them.

        Of an artifact title=, digest= and name=; of an image subpath=.
        """
        subpath: NotRequired[str]
        """What of a volume is mounted, a path in it; else all of it."""
        labels: NotRequired[dict[str, str]]
        """Of a volume, where it is made with this first use."""
        driver: NotRequired[dict[str, str]]
        """The options of its driver, in the same case."""
        image: NotRequired[Shown]
        """Which image that is, in a record."""

    class Shown(TypedDict):
        """An image whose files are mounted."""

        id: str
        layers: list[str]
        """Its unpacked layers, lowest first."""


def bind(source: str, destination: str, *, rw: bool = True, make: bool = False) -> Volume:
    """Show a path of the host, with all that is mounted below it; both are absolute.

    `make` is whether a missing source becomes a directory.
    """
    mount = _mount("bind", source, destination)
    mount["propagation"] = "rprivate"
    mount["make"] = make
    return _mode(mount, ["rbind", *(["rw"] if rw else read_only("rbind")), "rprivate"], rw=rw)


def volume(name: str, destination: str, *, rw: bool = True) -> Volume:
    """Mount the volume of this name, made when it is first used; an anonymous one without."""
    mount = _mount("volume", "", destination)
    mount["name"], mount["anonymous"] = name, not name
    mount["make"] = mount["copy_up"] = True
    return _mode(mount, ["rbind", *(["rw"] if rw else read_only("rbind")), "rprivate"], rw=rw)


def tmpfs(destination: str, *options: str, kind: Literal["tmpfs", "ramfs"] = "tmpfs") -> Volume:
    """Mount memory; `options` are those of tmpfs(5), such as size=64m.

    The `kind` ramfs is never swapped out, and knows no size.
    """
    mount = _mount(kind, "", destination)
    mount["mode"] = ",".join(options)
    return _mode(mount, ["nosuid", "nodev", *options], rw="ro" not in options)


def devpts(destination: str, *options: str) -> Volume:
    """Mount terminals of the container's own: uid=, gid=, mode= and max=."""
    made = tmpfs(destination, *options)
    made["type"] = "devpts"
    made["options"] = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", *options]
    return made


def artifact(source: str, destination: str, *options: str) -> Volume:
    """Show the files of an artifact that is here; `options` are title=, digest= and name=."""
    mount = _mount("artifact", source, destination)
    mount["rw"], mount["mode"], mount["options"] = False, "ro", list(options)
    return mount


def image(source: str, destination: str, subpath: str = "", *, rw: bool = False) -> Volume:
    """Show the files of an image that is here, or those below a path in it.

    With `rw` changes are kept until the container stops.
    """
    mount = _mount("image", source, destination)
    mount["rw"], mount["options"] = rw, [f"subpath={subpath}"] if subpath else []
    return mount


def _mount(
    kind: Literal["bind", "volume", "tmpfs", "ramfs", "devpts", "artifact", "image"],
    source: str,
    destination: str,
) -> Volume:
    return {
        "type": kind,
        "name": "",
        "source": source,
        "destination": inside(destination),
        "rw": True,
        "propagation": "",
        "mode": "",
        "anonymous": False,
        "make": False,
        "copy_up": False,
        "chown": False,
        "overlay": False,
        "options": [],
    }


def _mode(mount: Volume, options: list[str], *, rw: bool) -> Volume:
    mount["rw"], mount["options"] = rw, options
    if not rw and not mount["mode"]:
        mount["mode"] = "ro"
    return mount


def inside(path: str) -> str:
    """Return the clean form of a path in a container that something may be mounted at.

    Raises UsageError for one that is not absolute, or the root.
    """
    if not path:
        raise UsageError(f"invalid mount target {path!r}: the path is empty", "such as /data")
    if not path.startswith("/") or "\0" in path:
        raise UsageError(f"invalid mount path {path!r}: it must be an absolute path")
    clean = "/" + os.path.normpath(path).lstrip("/")
    if clean == "/":
        raise UsageError(f"invalid mount target {path!r}: destination can't be '/'")
    return clean


def read_only(kind: str) -> list[str]:
    """The options that make a mount read-only, with all that is mounted below it (docker 25)."""
    return ["ro", "rro"] if kind == "rbind" else ["ro"]
