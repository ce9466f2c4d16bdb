"""What the user wants mounted by --mount, parsed and checked.

All end as `request.Volume`, as with the shorter options: see `binds` and `memory`.
"""

from __future__ import annotations

import os

from rootless.containers import request
from rootless.containers.words import memory
from rootless.containers.words.binds import FLAGS, PROPAGATIONS, apply, bind, finish, volume_named
from rootless.containers.words.fields import fields_of, switch
from rootless.errors import UsageError, named
from rootless.values import boolean, is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.volumes.mounts import Volume

_MOUNT = named("mount")


def several(text: str, base: str) -> list[Volume]:
    """Parse --mount, of which the type glob makes one mount for each file that there is."""
    fields = fields_of(text)
    if fields.get("type") != "glob":
        return [mount(text, base)]
    del fields["type"]
    source, target = fields.pop("source", ""), fields.pop("target", "")
    if not source:
        raise UsageError(f"{_MOUNT} {text}: source is required", "name it with source=PATTERN")
    from glob import glob

    found = sorted(glob(os.path.join(base, source)))
    if not found:
        raise UsageError(f"{_MOUNT} {text}: there is no {source}")
    return [
        _mount_bind(
            bind(path, f"{target}/{os.path.basename(path)}" if target else path, base),
            fields,
            text,
        )
        for path in map(os.path.abspath, found)
    ]


def mount(text: str, base: str) -> Volume:
    """Parse --mount type=...,KEY[=VALUE],... of docker and podman; see `volume` for `base`."""
    fields = fields_of(text)
    kind = fields.pop("type", "volume")
    target = fields.pop("target", "")
    if not target:
        raise UsageError(f"{_MOUNT} {text}: target is required", "name it with target=PATH")
    source = fields.pop("source", "")
    if kind in ("tmpfs", "ramfs"):
        if source:
            raise UsageError(f"{_MOUNT} {text}: source is not supported with {kind} mounts")
        made = memory.mount(fields, target, text)
        return made if kind == "tmpfs" else memory.as_ramfs(made, text)
    if kind == "artifact":
        return _artifact(source, target, fields, text)
    if kind == "image":
        return _image(source, target, fields, text)
    if kind == "bind":
        if not source:
            raise UsageError(f"{_MOUNT} {text}: source is required", "name it with source=PATH")
        return _mount_bind(bind(source, target, base), fields, text)
    if kind == "devpts":
        return _devpts(target, fields, text)
    if kind == "volume":
        return _mount_volume(volume_named(source, target), fields, text)
    raise UsageError(
        f"{_MOUNT} {text}: mounts of type {kind!r} are not supported",
        "the types are bind, volume, tmpfs, ramfs, devpts, image, artifact and glob",
    )


def _mount_bind(result: Volume, fields: dict[str, str], text: str) -> Volume:
    result["make"] = False  # docker's rule: --mount never makes the source, -v does
    words: list[str] = []
    takes: dict[str, Callable[[str], str]] = {
        "bind-propagation": _propagation,
        "bind-nonrecursive": switch("bind", "rbind"),
        "bind-recursive": _recursive,
        "bind-create-src": switch("create", ""),
        "consistency": lambda _: "",
        "relabel": _relabel,
    }
    for key, value in fields.items():
        words.append(takes[key](value) if key in takes else _common(key, value, text))
    return _taken(result, words, text)


def _mount_volume(result: Volume, fields: dict[str, str], text: str) -> Volume:
    words = []
    for key, value in fields.items():
        if key == "nocopy":
            words.append(switch("nocopy", "copy")(value))
        elif key == "subpath":
            words.append(f"subpath={value}")
        elif key == "volume-label":
            result["labels"] = _pairs(value)
        elif key == "volume-opt":
            result["driver"] = _pairs(value)
        elif key == "volume-driver":
            from rootless.volumes.options import check_driver

            check_driver(value, result["name"])
        elif key == "consistency":
            continue
        else:
            words.append(_common(key, value, text))
    return _taken(result, words, text)


def _pairs(value: str) -> dict[str, str]:
    return {key: rest for key, _, rest in (pair.partition("=") for pair in value.split("\0"))}


def _taken(result: Volume, words: list[str], text: str) -> Volume:
    result["make"] = result["make"] or "create" in words
    words = [word for word in words if word not in ("", "create")]
    for word in words:
        # "rro-off" is docker's bind-recursive=writable: what lies below stays as it is.
        if word != "rro-off" and not apply(result, word):
            raise UsageError(f"{_MOUNT} {text}: {word} does not fit a {result['type']}")
    plain = [word for word in words if word != "rro-off"]
    result = finish(result, plain, f"{_MOUNT} {text}")
    if "rro-off" in words and "rro" in result["options"]:
        result["options"].remove("rro")
    return result


def _common(key: str, value: str, text: str) -> str:
    """An option of both binds and volumes, as a word of -v."""
    if key == "readonly":
        return switch("ro", "rw")(value)
    if key in ("U", "Z", "z") or key in FLAGS or (key in PROPAGATIONS and value == "true"):
        return key if boolean(value, f"{_MOUNT} {key}") else ""
    if key == "idmap" and value == "false":
        return ""
    if key == "idmap":
        where = f"{_MOUNT} {text}"
        raise UsageError(f"{where}: idmapped mounts are not possible without root", "try U=true")
    raise UsageError(f"{_MOUNT} {text}: unexpected key {key!r}")


def _propagation(value: str) -> str:
    if value not in PROPAGATIONS:
        known = ", ".join(sorted(PROPAGATIONS))
        raise UsageError(f"{_MOUNT}: invalid propagation {value!r}", known)
    return value


def _recursive(value: str) -> str:
    known = {"enabled": "rbind", "disabled": "bind", "writable": "rro-off", "readonly": "rbind"}
    if value not in known:
        raise UsageError(
            f"{_MOUNT}: invalid bind-recursive {value!r}", "enabled, disabled, writable, readonly"
        )
    return known[value]


def _relabel(value: str) -> str:
    if value not in ("shared", "private"):
        raise UsageError(f"{_MOUNT}: invalid relabel {value!r}", "shared or private")
    return ""


def _devpts(target: str, fields: dict[str, str], text: str) -> Volume:
    """Terminals of the container's own, at a further place."""
    for key, value in fields.items():
        octal = not set(value) - set("01234567")
        if (
            key not in ("uid", "gid", "mode", "max")
            or not is_number(value)
            or not (octal or key != "mode")
        ):
            raise UsageError(f"{_MOUNT} {text}: unexpected {key}={value}", "uid, gid, mode, max")
    words = [f"{key}={value}" for key, value in fields.items()]
    return request.devpts(target, *words)


def _artifact(source: str, target: str, fields: dict[str, str], text: str) -> Volume:
    if not source:
        raise UsageError(f"{_MOUNT} {text}: source is required", "name it with source=ARTIFACT")
    for key, value in fields.items():
        if key == "readonly" and boolean(value, f"{_MOUNT} readonly"):
            continue
        if key not in ("title", "digest", "name") or not value:
            raise UsageError(f"{_MOUNT} {text}: unexpected key {key!r}", "title, digest, name")
    if "/" in fields.get("name", ""):
        raise UsageError(f"{_MOUNT} {text}: the name is that of a file")
    if "title" in fields and "digest" in fields:
        raise UsageError(f"{_MOUNT} {text}: title and digest contradict each other")
    words = [f"{key}={value}" for key, value in fields.items() if key != "readonly"]
    return request.artifact(source, target, *words)


def _image(source: str, target: str, fields: dict[str, str], text: str) -> Volume:
    """docker's words image-subpath and readonly, podman's subpath and rw."""
    if not source:
        raise UsageError(f"{_MOUNT} {text}: source is required", "name it with source=IMAGE")
    rw = not boolean(fields.pop("readonly", "true"), f"{_MOUNT} readonly")
    fields.pop("consistency", "")
    subpath = fields.pop("subpath", "")
    for key in fields:
        raise UsageError(f"{_MOUNT} {text}: unexpected key {key!r}", "readonly, rw, subpath")
    if ".." in subpath.split("/"):
        raise UsageError(f"{_MOUNT} {text}: the subpath leads out of the image", "leave out ..")
    return request.image(source, target, subpath, rw=rw)
