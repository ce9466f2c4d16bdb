"""What is shown of this machine: -v, --device, and what else names volumes, parsed and checked.

All end as `request.Volume` (devices: as `runtime.spec.Mount`). docker's and podman's spellings are
both understood; where the two differ in meaning, docker's holds. Nothing here touches the
disk; `conflicts` looks, and `volumes.prepare` makes what is missing.
"""

from __future__ import annotations

import os

from rootless.containers import request
from rootless.errors import UsageError, named
from rootless.volumes.mounts import inside, read_only
from rootless.volumes.names import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.request import VolumesFrom
    from rootless.runtime.spec import Mount
    from rootless.volumes.mounts import Volume

_VOLUME, _DEVICE = map(named, ("volume", "device"))


PROPAGATIONS = frozenset(
    ["shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable"]
)

FLAGS = frozenset(["dev", "nodev", "exec", "noexec", "suid", "nosuid"])

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

_PATHS = "to mount a directory of the host, give a path that begins with / or ."


def volume(text: str, base: str) -> Volume:
    """Parse -v [SOURCE:]DESTINATION[:OPTIONS]; a relative source is below `base`."""
    parts = text.split(":")
    if len(parts) > 3 or not parts[0] or "" in parts[1:2]:
        raise UsageError(f"invalid volume specification: {text!r}", "[SOURCE:]TARGET[:OPTIONS]")
    if len(parts) == 1:
        return finish(volume_named("", text), [], text)
    source, target = parts[:2]
    words = parts[2].split(",") if len(parts) == 3 else []
    is_path = source.startswith(("/", "."))
    result = bind(source, target, base) if is_path else volume_named(source, target)
    result["mode"] = ",".join(words)
    for word in words:
        if not apply(result, word):
            raise UsageError(f"invalid mode: {word or text!r}", f"in {_VOLUME} {text}")
    return finish(result, words, f"{_VOLUME} {text}")


def bind(source: str, target: str, base: str) -> Volume:
    """Return the bind of a path that a user names."""
    if not source or "\0" in source:
        raise UsageError(f"invalid mount source {source!r}")
    source = os.path.abspath(os.path.join(base, source))
    return request.bind(source, target, make=True)


def volume_named(name: str, target: str) -> Volume:
    """The volume of this name; an anonymous one without."""
    return request.volume(check_name(name, _PATHS) if name else "", target)


def apply(result: Volume, word: str) -> bool:
    """Take one option of a bind or volume into `result`; False when it is unknown."""
    if word in ("ro", "rw"):
        result["rw"] = word == "rw"
    elif word == "U":
        result["chown"] = True
    elif word == "O":
        result["overlay"] = True
    elif word in ("copy", "nocopy") and result["type"] == "volume":
        result["copy_up"] = word == "copy"
    elif word.startswith("subpath=") and result["type"] == "volume":
        if not result["name"]:
            raise UsageError(f"{word}: a volume without a name has nothing in it yet", "name it")
        if ".." in word.removeprefix("subpath=").split("/"):
            raise UsageError(f"{word} leads out of the volume", "leave out ..")
        result["subpath"], result["copy_up"] = word.removeprefix("subpath=").strip("/"), False
    elif word in PROPAGATIONS and result["type"] == "bind":
        result["propagation"] = word
    elif word in FLAGS or word in ("bind", "rbind"):
        return True  # `finish` writes them down
    elif word.startswith("idmap"):
        raise UsageError(f"{word}: idmapped mounts are not possible without root", "try :U")
    elif word.startswith(("upperdir=", "workdir=")):
        raise UsageError(f"{word} is not supported: changes of :O mounts are always thrown away")
    else:
        return word in _IGNORED
    return True


def finish(result: Volume, words: list[str], where: str) -> Volume:
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
    result["options"] = [kind, *(word for word in words if word in FLAGS)]
    result["options"] += ["rw"] if result["rw"] else read_only(kind)
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
        "destination": inside(rest[0] if rest else source),
        "type": "bind",
        "source": os.path.abspath(source),
        "options": ["rbind", "nosuid", "noexec", "rprivate"],
    }
