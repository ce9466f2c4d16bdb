"""Option texts -> a Request: the only place that parses what a user typed.

`base` is the directory that relative paths are meant from, `environ` the environment of who asks:
neither need be this process's own.
"""

from __future__ import annotations

import os

from rootless.containers.request import STOP_TIMEOUT
from rootless.containers.request import request as made
from rootless.containers.signals import signal_number
from rootless.containers.words import (
    environment,
    logs,
    mounts,
    networks,
    security,
    values,
)
from rootless.errors import UsageError, named
from rootless.values import is_usable, pair, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from rootless.containers.request import Directory, Fields, Publish, Request
    from rootless.containers.words.asked import Asked

    Made = TypeVar("Made")

_PULL = ("always", "missing", "never", "newer", "true", "false", "")


def request(
    image: str, command: Iterable[str], asked: Asked, *, base: str, environ: Mapping[str, str]
) -> Request:
    """Return what the options of `run` and `create` ask for.

    Raises UsageError for a text that makes no sense; whether the whole does, says
    `conflicts.check`. Files that options name are read here, once, since they may be pipes.
    """
    for option, value in asked.items():
        if not is_usable(value):
            raise UsageError(f"{named(option)}: {value!r} holds a NUL byte")
    _check_front(asked, base)
    fields: Fields = {
        **_process(asked, base, environ),
        **_what_is_seen(asked, base),
        **_life(asked, base),
        "rootfs": directory(image, base) if asked.get("rootfs") else None,
    }
    return made(image, command, **fields)


def _check_front(asked: Asked, base: str) -> None:
    """What is not of the container: how its image is found and where its id is written."""
    if asked.get("replace") and not asked.get("name"):
        raise UsageError(f"{named('replace')} needs a {named('name')}")
    if asked.get("pull", "") not in _PULL:
        raise UsageError(f"{named('pull')}: unknown policy {asked.get('pull')!r}")
    if asked.get("rootfs") and asked.get("pull"):
        raise UsageError(f"{named('rootfs')} and {named('pull')} exclude each other")
    cidfile = asked.get("cidfile", "")
    if cidfile and os.path.lexists(os.path.join(base, cidfile)):
        raise UsageError(
            "container ID file found, make sure the other container isn't running "
            f"or delete {cidfile}",
            field="cidfile",
        )


def _process(asked: Asked, base: str, environ: Mapping[str, str]) -> Fields:
    """Return what its process is."""
    groups = asked.get("group_add", [])
    entrypoint = asked.get("entrypoint")
    if "keep-groups" in groups and len(groups) > 1:
        raise UsageError(
            f"{named('group_add')} keep-groups cannot be combined with other groups", field="groups"
        )
    limits = _each("rlimits", asked.get("ulimit", ()), values.ulimit)
    sysctls = [_in("sysctls", values.sysctl, text) for text in asked.get("sysctl", ())]
    return {
        "entrypoint": None if entrypoint is None else values.entrypoint(entrypoint),
        "inherited": environment.inherited(asked, environ),
        "environment": _in("environment", environment.changes, asked, environ, base),
        "user": asked.get("user", ""),
        "groups": [group for group in groups if group != "keep-groups"],
        "keep_groups": "keep-groups" in groups,
        "workdir": asked.get("workdir", ""),
        "tty": bool(asked.get("tty")),
        "stdin": bool(asked.get("interactive")),
        "init": bool(asked.get("init")),
        "rlimits": [limit for limit in limits if limit is not None],
        "sysctls": dict(sysctls),
        "security": _in("security", security.parse, asked, base),
        "userns": _in("userns", networks.userns, asked.get("userns", "")),
        "namespaces": networks.namespaces(asked),
    }


def _what_is_seen(asked: Asked, base: str) -> Fields:
    """Return its files and its network."""
    way = asked.get("publish_privileged", "")
    if way not in ("", "error", "remap"):
        raise UsageError(
            f"{named('publish_privileged')}: unknown way {way!r}",
            "error or remap",
            field="remap_ports",
        )
    volumes = _each("mounts", asked.get("volume", ()), lambda text: mounts.volume(text, base))
    volumes += _each(
        "mounts", asked.get("mount", ()), lambda text: mounts.mount(text, base), len(volumes)
    )
    shm = asked.get("shm_size", "")
    return {
        "mounts": volumes,
        "tmpfs": _each("tmpfs", asked.get("tmpfs", ()), mounts.tmpfs),
        "devices": _each("devices", asked.get("device", ()), mounts.device),
        "read_only": bool(asked.get("read_only")),
        "read_only_tmpfs": asked.get("read_only_tmpfs", True),
        "shm_size": size(shm, named("shm_size")) if shm else 0,
        "hostname": asked.get("hostname", ""),
        "networks": _in("networks", networks.networks, asked.get("network", "")),
        "ports": _ports(asked),
        "remap_ports": way == "remap",
        "publish_all": bool(asked.get("publish_all")),
        "expose": _exposed(asked),
        "dns": {
            "servers": asked.get("dns", []),
            "search": asked.get("dns_search", []),
            "options": asked.get("dns_option", []),
        },
        "hosts": _each("hosts", asked.get("add_host", ()), values.host_entry),
        "no_hosts": bool(asked.get("no_hosts")),
    }


def _life(asked: Asked, base: str) -> Fields:
    """Return how it is called, and how it begins and ends."""
    texts, option = asked.get("annotation", ()), named("annotation")
    result: Fields = {
        "name": asked.get("name", ""),
        "labels": _in("labels", environment.labels, asked, base),
        "annotations": dict(
            _in("annotations", lambda: [pair(text, option, needs_value=True) for text in texts])
        ),
        "detached": asked.get("detach", False),
        "remove": bool(asked.get("rm")),
        "cidfile": asked.get("cidfile", ""),
        "restart": values.restart(asked.get("restart", "")),
        "sdnotify": values.sdnotify(asked.get("sdnotify", "")),
        "log": _in("log", logs.parse, asked),
        "stop_timeout": asked.get("stop_timeout", STOP_TIMEOUT),
    }
    if asked.get("stop_signal"):
        result["stop_signal"] = _in("stop_signal", signal_number, asked["stop_signal"])
    if any(key.startswith(("health_", "no_healthcheck")) for key in asked):
        from rootless.containers.words import health  # most containers have none

        result["healthcheck"], result["health"] = _in("healthcheck", health.parse, asked)
    return result


def _ports(asked: Asked) -> list[Publish]:
    if not asked.get("publish"):
        return []
    from rootless.containers.words import ports

    return [port for found in _each("ports", asked["publish"], ports.parse) for port in found]


def _exposed(asked: Asked) -> list[str]:
    if not asked.get("expose"):
        return []
    from rootless.containers.words import ports

    return [port for found in _each("expose", asked["expose"], ports.expose) for port in found]


def directory(reference: str, base: str) -> Directory:
    """Parse the DIR[:O] of --rootfs; the directory must be there."""
    path, colon, option = reference.rpartition(":")
    if not colon or option != "O":
        path, option = reference, ""
    full = os.path.join(base, path)
    if not (path and os.path.isdir(full)):
        raise UsageError(f"{named('rootfs')}: no directory {path}", "the argument is DIR or DIR:O")
    return {"path": os.path.abspath(full), "overlay": option == "O"}


def _each(
    field: str, texts: Iterable[str], parse: Callable[[str], Made], first: int = 0
) -> list[Made]:
    """Parse one text after the other; an error says which of the field it was."""
    return [_in(f"{field}.{number}", parse, text) for number, text in enumerate(texts, first)]


def _in(field: str, parse: Callable[..., Made], *arguments: object) -> Made:
    """Parse a field; an error says which it was."""
    try:
        return parse(*arguments)
    except UsageError as error:
        error.field = field
        raise
