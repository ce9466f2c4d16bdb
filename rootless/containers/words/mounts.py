"""What the user wants mounted: -v, --mount, --tmpfs and --device, parsed and checked.

All end as `request.Volume` (devices: as `runtime.spec.Mount`). docker's and podman's spellings are
both understood; where the two differ in meaning, docker's holds. Nothing here touches the
disk; `conflicts` looks, and `volumes.prepare` makes what is missing.
"""

from __future__ import annotations

import os

from rootless.containers import request
from rootless.errors import UsageError, named
from rootless.values import boolean, is_number, size
from rootless.volumes.names import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rootless.containers.request import Volume, VolumesFrom
    from rootless.runtime.spec import Mount

_VOLUME, _MOUNT, _TMPFS, _DEVICE = map(named, ("volume", "mount", "tmpfs", "device"))

PROPAGATIONS = frozenset(
    ["shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable"]
)
_FLAGS = frozenset(["dev", "nodev", "exec", "noexec", "suid", "nosuid"])
_IGNORED = frozenset(("z", "Z", "consistent", "cached", "delegated", "default"))
"""SELinux labels, which an ordinary user cannot set, and Docker Desktop's consistency words."""

_EXCLUSIVE = (
    ("ro", "rw"),
    ("z", "Z"),
    ("copy", "nocopy"),
    ("bind", "rbind"),
    ("dev", "nodev"),
    ("exec", "noexec"),
    ("suid", "nosuid"),
    PROPAGATIONS,
)
"""Of each group one word at most makes sense."""

_TMPFS_WORDS = _FLAGS | frozenset(
    [
        "rw",
        "ro",
        "atime",
        "noatime",
        "relatime",
        "strictatime",
        "nodiratime",
        "sync",
        "async",
        "tmpcopyup",
        "notmpcopyup",
    ]
)
_TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")
_PATHS = "to mount a directory of the host, give a path that begins with / or ."


def volume(text: str, base: str) -> Volume:
    """Parse -v [SOURCE:]DESTINATION[:OPTIONS]; a relative source is below `base`."""
    parts = text.split(":")
    if len(parts) > 3 or not parts[0] or "" in parts[1:2]:
        raise UsageError(f"invalid volume specification: {text!r}", "[SOURCE:]TARGET[:OPTIONS]")
    if len(parts) == 1:
        return _finish(_named("", text), [], text)
    source, target = parts[:2]
    words = parts[2].split(",") if len(parts) == 3 else []
    is_path = source.startswith(("/", "."))
    result = _bind(source, target, base) if is_path else _named(source, target)
    result["mode"] = ",".join(words)
    for word in words:
        if not _apply(result, word):
            raise UsageError(f"invalid mode: {word or text!r}", f"in {_VOLUME} {text}")
    return _finish(result, words, f"{_VOLUME} {text}")


def _bind(source: str, target: str, base: str) -> Volume:
    if not source or "\0" in source:
        raise UsageError(f"invalid mount source {source!r}")
    source = os.path.abspath(os.path.join(base, source))
    return request.bind(source, target, make=True)


def _named(name: str, target: str) -> Volume:
    """The volume of this name; an anonymous one without."""
    return request.volume(check_name(name, _PATHS) if name else "", target)


def _apply(result: Volume, word: str) -> bool:
    """Take one option of a bind or volume into `result`; False when it is unknown."""
    if word in ("ro", "rw"):
        result["rw"] = word == "rw"
    elif word == "U":
        result["chown"] = True
    elif word == "O":
        result["overlay"] = True
    elif word in ("copy", "nocopy") and result["type"] == "volume":
        result["copy_up"] = word == "copy"
    elif word in PROPAGATIONS and result["type"] == "bind":
        result["propagation"] = word
    elif word in _FLAGS or word in ("bind", "rbind"):
        return True  # `_finish` writes them down
    elif word.startswith("idmap"):
        raise UsageError(f"{word}: idmapped mounts are not possible without root", "try :U")
    elif word.startswith(("upperdir=", "workdir=")):
        raise UsageError(f"{word} is not supported: changes of :O mounts are always thrown away")
    else:
        return word in _IGNORED
    return True


def _finish(result: Volume, words: list[str], where: str) -> Volume:
    """Refuse contradictions, then write the runtime's options."""
    for group in _EXCLUSIVE:
        given = [word for word in words if word in group]
        if len(given) > 1:
            raise UsageError(f"invalid options {', '.join(given)!r}: only one of them", where)
    if result["overlay"]:
        wrong = [word for word in words if word not in ("O", "U", "rw", "z", "Z")]
        if wrong:
            raise UsageError(f"the option O cannot be combined with {wrong[0]}", where)
        # Its data goes in by spec.py, which knows the container's directory.
        result["copy_up"], result["options"] = False, []
        return result
    kind = "bind" if "bind" in words else "rbind"
    result["options"] = [kind, *(word for word in words if word in _FLAGS)]
    result["options"] += ["rw"] if result["rw"] else request.read_only(kind)
    result["options"].append(result["propagation"] or "rprivate")
    return result


def volumes_from(text: str) -> VolumesFrom:
    """Parse --volumes-from CONTAINER[:OPTIONS]: ro, rw, and what means nothing here."""
    container, _, options = text.partition(":")
    words = options.split(",") if options else []
    if not container or {*words} - {"ro", "rw", *_IGNORED} or {"ro", "rw"} <= {*words}:
        cause = f"invalid mode {options!r}" if container else "no container"
        raise UsageError(f"{named('volumes_from')}: {cause} in {text!r}", "CONTAINER[:ro]")
    return {"container": container, "ro": "ro" in words}


def image_volumes(text: str) -> str:
    """Parse --image-volume; `bind` is podman's older word for an anonymous volume."""
    if text in ("", "bind", "anonymous"):
        return "anonymous"
    from rootless.containers.creation.choices import IMAGE_VOLUMES

    if text not in IMAGE_VOLUMES:
        raise UsageError(
            f"{named('image_volumes')}: unknown way {text!r}", ", ".join(IMAGE_VOLUMES)
        )
    return text


def several(text: str, base: str) -> list[Volume]:
    """Parse --mount, of which the type glob makes one mount for each file that there is."""
    fields = _fields(text)
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
            _bind(path, f"{target}/{os.path.basename(path)}" if target else path, base),
            fields,
            text,
        )
        for path in map(os.path.abspath, found)
    ]


def mount(text: str, base: str) -> Volume:
    """Parse --mount type=...,KEY[=VALUE],... of docker and podman; see `volume` for `base`."""
    fields = _fields(text)
    kind = fields.pop("type", "volume")
    target = fields.pop("target", "")
    if not target:
        raise UsageError(f"{_MOUNT} {text}: target is required", "name it with target=PATH")
    source = fields.pop("source", "")
    if kind in ("tmpfs", "ramfs"):
        if source:
            raise UsageError(f"{_MOUNT} {text}: source is not supported with {kind} mounts")
        made = _mount_tmpfs(fields, target, text)
        return made if kind == "tmpfs" else _as_ramfs(made, text)
    if kind == "artifact":
        return _artifact(source, target, fields, text)
    if kind == "image":
        raise UsageError(
            f"{_MOUNT} {text}: images cannot be mounted into containers yet",
            "rootless run -v NAME:/DIR IMAGE true fills a volume with its files",
        )
    if kind == "bind":
        if not source:
            raise UsageError(f"{_MOUNT} {text}: source is required", "name it with source=PATH")
        return _mount_bind(_bind(source, target, base), fields, text)
    if kind == "volume":
        return _mount_volume(_named(source, target), fields, text)
    raise UsageError(
        f"{_MOUNT} {text}: mounts of type {kind!r} are not supported",
        "the types are bind, volume, tmpfs, ramfs, glob and artifact",
    )


_SYNONYMS = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
    "chown": "U",
    "volume-nocopy": "nocopy",
}


def _fields(text: str) -> dict[str, str]:
    """Split the CSV of --mount into keys under their main names; no `=VALUE` counts as true."""
    result: dict[str, str] = {}
    for field in _csv(text):
        key, equals, value = field.partition("=")
        key = key if key in ("U", "Z") else key.lower()
        if key == "rw":
            key, value = "readonly", "false" if boolean(value or "true", f"{_MOUNT} rw") else "true"
        key = _SYNONYMS.get(key, key)
        if not key or key in result:
            cause = f"{key} is given twice" if key else "invalid field"
            raise UsageError(f"{_MOUNT} {text}: {cause}", "type=bind,source=PATH,target=PATH")
        result[key] = value if equals or value else "true"
    return result


def _csv(text: str) -> list[str]:
    """Split one line of RFC 4180, in which quotes protect commas: `"source=/a,b",target=/c`."""
    fields, rest = [], text
    while True:
        if rest.startswith('"'):
            field, rest = _quoted(rest[1:], text)
        else:
            comma = rest.find(",")
            end = len(rest) if comma < 0 else comma
            field, rest = rest[:end], rest[end:]
        fields.append(field)
        if not rest:
            return fields
        rest = rest[1:]


def _quoted(rest: str, text: str) -> tuple[str, str]:
    """The field up to its closing quote (two are one quote), and what follows it."""
    field = ""
    while True:
        before, quote, rest = rest.partition('"')
        field += before
        if not rest.startswith('"'):
            break
        field, rest = field + '"', rest[1:]
    if not quote or (rest and not rest.startswith(",")):
        raise UsageError(f'{_MOUNT} {text}: a " is missing or out of place')
    return field, rest


def _mount_bind(result: Volume, fields: dict[str, str], text: str) -> Volume:
    result["make"] = False  # docker's rule: --mount never makes the source, -v does
    words: list[str] = []
    takes: dict[str, Callable[[str], str]] = {
        "bind-propagation": _propagation,
        "bind-nonrecursive": _switch("bind", "rbind"),
        "bind-recursive": _recursive,
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
            words.append(_switch("nocopy", "copy")(value))
        elif key == "consistency" or (key, value) == ("volume-driver", "local"):
            continue
        else:
            words.append(_common(key, value, text))
    return _taken(result, words, text)


def _taken(result: Volume, words: list[str], text: str) -> Volume:
    words = [word for word in words if word]
    for word in words:
        # "rro-off" is docker's bind-recursive=writable: what lies below stays as it is.
        if word != "rro-off" and not _apply(result, word):
            raise UsageError(f"{_MOUNT} {text}: {word} does not fit a {result['type']}")
    plain = [word for word in words if word != "rro-off"]
    result = _finish(result, plain, f"{_MOUNT} {text}")
    if "rro-off" in words and "rro" in result["options"]:
        result["options"].remove("rro")
    return result


def _common(key: str, value: str, text: str) -> str:
    """An option of both binds and volumes, as a word of -v."""
    if key == "readonly":
        return _switch("ro", "rw")(value)
    if key in ("U", "Z", "z") or key in _FLAGS or (key in PROPAGATIONS and value == "true"):
        return key if boolean(value, f"{_MOUNT} {key}") else ""
    if key == "idmap" and value == "false":
        return ""
    if key == "idmap":
        where = f"{_MOUNT} {text}"
        raise UsageError(f"{where}: idmapped mounts are not possible without root", "try U=true")
    raise UsageError(f"{_MOUNT} {text}: unexpected key {key!r}")


def _switch(on: str, off: str) -> Callable[[str], str]:
    return lambda value: on if boolean(value, _MOUNT) else off


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


def _mount_tmpfs(fields: dict[str, str], target: str, text: str) -> Volume:
    words = []
    for key, value in fields.items():
        if key == "tmpfs-size":
            words.append(f"size={size(value, f'{_MOUNT} tmpfs-size')}")
        elif key == "tmpfs-mode":
            words.append(f"mode={_mode(value, f'{_MOUNT} tmpfs-mode')}")
        elif key == "readonly":
            words.append(_switch("ro", "rw")(value))
        elif key in _TMPFS_WORDS and boolean(value, f"{_MOUNT} {key}"):
            words.append(key)
        elif key != "consistency" and key not in _TMPFS_WORDS:
            raise UsageError(f"{_MOUNT} {text}: unexpected key {key!r}")
    # Unlike --tmpfs, docker's --mount type=tmpfs lets programs run.
    return _tmpfs(target, words, ("nosuid", "nodev"))


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


def _as_ramfs(made: Volume, text: str) -> Volume:
    """The same mount in memory that is never swapped out. Raises UsageError for a size."""
    if any(word.startswith("size=") for word in made["options"]):
        raise UsageError(f"{_MOUNT} {text}: a ramfs has no size", "type=tmpfs has")
    return {**made, "type": "ramfs"}


def tmpfs(text: str) -> Volume:
    """Parse --tmpfs DESTINATION[:OPTIONS]; noexec, nosuid and nodev unless said otherwise."""
    target, _, options = text.partition(":")
    words = [_tmpfs_option(word, text) for word in options.split(",")] if options else []
    return _tmpfs(target, words, _TMPFS_DEFAULTS)


def _tmpfs(target: str, words: list[str], defaults: Iterable[str]) -> Volume:
    result = request.tmpfs(target)
    words = [word for word in words if word != "notmpcopyup"]  # docker never copies, unless asked
    kept = [word for word in defaults if word.removeprefix("no") not in words]
    result["options"] = [*kept, *(word for word in words if word not in kept)]
    result["mode"] = ",".join(words)
    result["rw"] = "ro" not in words
    return result


def _tmpfs_option(word: str, text: str) -> str:
    key, equals, value = word.partition("=")
    if not equals and (word in _TMPFS_WORDS or word in PROPAGATIONS):
        return word
    if key == "mode" and equals:
        return f"mode={_mode(value, _TMPFS)}"
    if key == "size" and value.endswith("%") and is_number(value[:-1]) and len(value) < 5:
        return word
    if key == "size" and equals:
        return f"size={size(value, _TMPFS)}"
    if key in ("uid", "gid", "nr_inodes", "nr_blocks") and is_number(value.rstrip("kmg")):
        return word
    if key == "huge" and value in ("never", "always", "within_size", "advise"):
        return word
    raise UsageError(f"{_TMPFS} {text}: unknown mount option {word!r}", "tmpfs(5) lists them")


def _mode(text: str, option: str) -> str:
    if not text or set(text) - set("01234567") or len(text) > 8 or int(text, 8) > 0o7777:
        raise UsageError(f"{option}: invalid mode {text!r}", "octal, for example 1777")
    return f"{int(text, 8):04o}"


def device(text: str) -> Mount:
    """Parse --device HOST[:CONTAINER][:rwm]: a bind, as an ordinary user can make no nodes."""
    source, *rest = text.split(":")
    if rest and not rest[-1].startswith("/"):
        if not rest[-1] or not set(rest[-1]) <= set("rwm"):
            raise UsageError(f"{_DEVICE} {text}: invalid permissions {rest[-1]!r}", "some of rwm")
        rest.pop()
    if len(rest) > 1 or not source.startswith("/"):
        hint = "devices by CDI names come with a later version" if "=" in text else ""
        raise UsageError(f"{_DEVICE} {text}: not a path of a device", hint)
    return {
        "destination": request.inside(rest[0] if rest else source),
        "type": "bind",
        "source": os.path.abspath(source),
        "options": ["rbind", "nosuid", "noexec", "rprivate"],
    }
