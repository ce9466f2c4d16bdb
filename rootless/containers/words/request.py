"""Option texts -> a Request: the only place that parses what a user typed.

`base` is the directory that relative paths are meant from, `environ` the environment of who asks:
neither need be this process's own. What speaks of one subject is in a module of its own, loaded
only where something of it was asked, because the start of each container pays for it.
"""

from __future__ import annotations

import os

from rootless.containers.creation.environment import inherited
from rootless.containers.request import request as made
from rootless.errors import UsageError, named
from rootless.values import is_usable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from rootless.containers.request import Directory, Fields, Request
    from rootless.containers.words.asked import Asked

    Made = TypeVar("Made")

_PULL = ("always", "missing", "never", "newer", "true", "false", "")

_AS_IT_IS = {
    "cidfile": "cidfile",
    "detach": "detached",
    "domainname": "domainname",
    "group_entry": "group_entry",
    "hostname": "hostname",
    "hostuser": "hostusers",
    "init": "init",
    "interactive": "stdin",
    "name": "name",
    "no_hosts": "no_hosts",
    "oom_score_adj": "oom_score_adj",
    "passwd": "passwd",
    "passwd_entry": "passwd_entry",
    "publish_all": "publish_all",
    "read_only": "read_only",
    "read_only_tmpfs": "read_only_tmpfs",
    "rm": "remove",
    "stop_timeout": "stop_timeout",
    "timeout": "timeout",
    "tty": "tty",
    "tz": "timezone",
    "unsetenv": "unsetenv",
    "unsetenv_all": "unsetenv_all",
    "user": "user",
    "workdir": "workdir",
}
"""Option -> field, where there is nothing to be parsed."""


_NEVER_EMPTY = {
    "device": ("devices", "PATH[:PATH_INSIDE[:rwm]]"),
    "env_file": ("environment", "a path"),
    "expose": ("expose", "PORT[-END][/tcp|/udp]"),
    "label_file": ("labels", "a path"),
    "mount": ("mounts", "type=bind,source=PATH,target=PATH"),
    "publish": ("ports", "[IP:][HOST[-END]:]CONTAINER[-END][/tcp|/udp]"),
    "requires": ("requires", "a container"),
    "volumes_from": ("volumes_from", "CONTAINER[:ro]"),
}
"""List option -> field and form, where an empty text, such as an unset variable, is refused."""


def request(
    image: str, command: Iterable[str], asked: Asked, *, base: str, environ: Mapping[str, str]
) -> Request:
    """Return what the options of `run` and `create` ask for.

    Raises UsageError for a text that makes no sense; whether the whole does, says
    `conflicts.check`. Files that options name are read here, once, since they may be pipes.
    """
    if not is_usable(asked):
        option = next(option for option, value in asked.items() if not is_usable(value))
        raise UsageError(f"{named(option)}: {asked.get(option)!r} holds a NUL byte")
    _check_front(asked, base)
    fields: Fields = {
        "inherited": inherited(
            environ, proxies=asked.get("http_proxy", True), all=asked.get("env_host", False)
        )
    }
    for option, field in _AS_IT_IS.items():
        if option in asked:
            fields[field] = asked[option]  # type: ignore[literal-required]
    if asked.get("name", "")[:1] == "/":  # as docker's own names begin
        fields["name"] = asked["name"][1:] or "/"
    if asked.get("rootfs"):
        fields["rootfs"] = directory(image, base)
    for options, parse in _SUBJECTS:
        if not asked.keys().isdisjoint(options.split()):
            fields.update(parse(asked, base, environ))
    return made(image, command, **fields)


def _check_front(asked: Asked, base: str) -> None:
    """What is not of the container: how its image is found and where its id is written."""
    for option, (field, form) in _NEVER_EMPTY.items():
        if "" in asked.get(option, ()):  # type: ignore[operator]
            raise UsageError(f"{named(option)}: an empty value", form, field=field)
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


def directory(reference: str, base: str) -> Directory:
    """Parse the DIR[:O] of --rootfs; the directory must be there."""
    path, colon, option = reference.rpartition(":")
    if not colon or option != "O":
        path, option = reference, ""
    full = os.path.join(base, path)
    if not (path and os.path.isdir(full)):
        raise UsageError(
            f"{named('rootfs')}: no directory {path or 'without a name'}",
            "the argument is DIR or DIR:O",
        )
    return {"path": os.path.abspath(full), "overlay": option == "O"}


def _environment(asked: Asked, base: str, environ: Mapping[str, str]) -> Fields:
    from rootless.containers.words import environment

    return {
        "environment": _in("environment", environment.changes, asked, environ, base),
        "env_merge": _in("env_merge", environment.merges, asked),
        "labels": _in("labels", environment.labels, asked, base),
    }


def _mounts(asked: Asked, base: str, _: Mapping[str, str]) -> Fields:
    from rootless.containers.words import binds

    volumes = _each("mounts", asked.get("volume", ()), lambda text: binds.volume(text, base))
    if asked.get("mount"):
        from rootless.containers.words import mounts

        for text in asked["mount"]:
            volumes += _in(f"mounts.{len(volumes)}", mounts.several, text, base)
    in_memory = []
    if asked.get("tmpfs"):
        from rootless.containers.words import memory

        in_memory = _each("tmpfs", asked["tmpfs"], memory.tmpfs)
    return {
        "mounts": volumes,
        "volumes_from": _each("volumes_from", asked.get("volumes_from", ()), binds.volumes_from),
        "image_volumes": _in("image_volumes", binds.image_volumes, asked.get("image_volume", "")),
        "tmpfs": in_memory,
        "devices": _each(
            "devices", apart(asked.get("device", ()), lambda word: word[:1] == "/"), binds.device
        ),
    }


def _spaces(asked: Asked, _base: str, _: Mapping[str, str]) -> Fields:
    from rootless.containers.words import networks

    return {
        "namespaces": networks.namespaces(asked),
        "userns": _in("userns", networks.userns, asked.get("userns", "")),
        "networks": _in("networks", networks.networks, asked),
        "dns": {
            "servers": apart(asked.get("dns", ())),
            "search": apart(asked.get("dns_search", ())),
            "options": apart(asked.get("dns_option", ())),
        },
        "hosts": _each("hosts", apart(asked.get("add_host", ())), networks.host_entry),
        "links": _each("links", asked.get("link", ()), networks.link),
    }


def _ports(asked: Asked, _base: str, _: Mapping[str, str]) -> Fields:
    from rootless.containers.words import ports

    published = _each("ports", apart(asked.get("publish", ())), ports.parse)
    exposed = _each("expose", apart(asked.get("expose", ())), ports.expose)
    return {
        "ports": [port for found in published for port in found],
        "expose": [port for found in exposed for port in found],
        "remap_ports": _in("remap_ports", ports.remaps, asked.get("publish_privileged", "")),
    }


def _security(asked: Asked, base: str, _: Mapping[str, str]) -> Fields:
    from rootless.containers.words import security

    return {"security": _in("security", security.parse, asked, base)}


def _health(asked: Asked, base: str, _: Mapping[str, str]) -> Fields:
    from rootless.containers.words import health

    check, extras = _in("healthcheck", health.parse, asked)
    log = _in("health_log", health.log, asked, base)
    return {"healthcheck": check, "health": extras, "health_log": log}


def _log(asked: Asked, _base: str, _: Mapping[str, str]) -> Fields:
    from rootless.containers.words import logs

    options = apart(asked.get("log_opt", ()), _is_pair)
    return {"log": _in("log", logs.parse, {**asked, "log_opt": options})}


def _process(asked: Asked, _base: str, _: Mapping[str, str]) -> Fields:
    from rootless.containers.words import values

    return {
        "chrootdirs": _in("chrootdirs", values.roots, asked.get("chrootdirs", ())),
        "personality": values.personality(asked.get("personality", "")),
        "umask": _in("umask", values.umask, asked.get("umask", "")),
    }


def _maps(asked: Asked, _base: str, _: Mapping[str, str]) -> Fields:
    from rootless.containers.words import ids

    return _in("userns", ids.parse, asked)


def _life(asked: Asked, base: str, _: Mapping[str, str]) -> Fields:
    found: Fields = {
        "requires": [name for text in asked.get("requires", ()) for name in text.split(",")]
    }
    from rootless.store.outside import resolved

    for option in ("conmon_pidfile", "init_path", "pidfile"):
        if path := str(asked.get(option, "")):
            # At once: where a container puts links later, none is followed.
            full = os.path.join(base, path)
            found[option] = os.path.abspath(full) if option == "init_path" else resolved(full)
    if asked.get("rmi"):
        found["remove"] = found["remove_image"] = True
    return found


def _rest(asked: Asked, _base: str, _: Mapping[str, str]) -> Fields:
    from rootless.containers.words import values

    limits = _each("rlimits", apart(asked.get("ulimit", ())), values.ulimit)
    result: Fields = {
        "attach": _in("attach", values.streams, asked.get("attach", ())),
        "entrypoint": values.entrypoint(asked.get("entrypoint")),
        "annotations": _in("annotations", values.notes, asked.get("annotation", ())),
        "rlimits": [limit for limit in limits if limit is not None],
        "sysctls": _in("sysctls", values.sysctls, apart(asked.get("sysctl", ()), _is_pair)),
        "shm_size": _in("shm_size", values.shm_size, asked.get("shm_size", "")),
        "restart": values.restart(asked.get("restart", "")),
        "sdnotify": values.sdnotify(asked.get("sdnotify", "")),
        "shm_size_systemd": _in(
            "shm_size_systemd",
            values.shm_size,
            asked.get("shm_size_systemd", ""),
            "shm_size_systemd",
        ),
        "systemd": values.systemd(asked.get("systemd", "")),
        "stop_signal": _in("stop_signal", values.stop_signal, asked.get("stop_signal", "")),
    }
    groups, keeps = _in("groups", values.groups, apart(asked.get("group_add", ())))
    return {**result, "groups": groups, "keep_groups": keeps}


_SUBJECTS: tuple[tuple[str, Callable[[Asked, str, Mapping[str, str]], Fields]], ...] = (
    ("env env_file env_merge label label_file", _environment),
    ("volume mount tmpfs volumes_from image_volume device", _mounts),
    (
        "pid ipc uts cgroupns userns network mac_address ip ip6 network_alias dns dns_search "
        "dns_option add_host link",
        _spaces,
    ),
    ("publish expose publish_privileged", _ports),
    ("privileged cap_add cap_drop security_opt seccomp_policy platform", _security),
    (
        "no_healthcheck health_cmd health_interval health_timeout health_retries "
        "health_start_period health_start_interval health_on_failure health_startup_cmd "
        "health_startup_interval health_startup_timeout health_startup_retries "
        "health_startup_success health_log_destination health_max_log_count health_max_log_size",
        _health,
    ),
    ("log_driver log_opt", _log),
    ("uidmap gidmap subuidname subgidname", _maps),
    ("umask chrootdirs personality", _process),
    ("conmon_pidfile init_path pidfile requires rmi", _life),
    (
        "attach entrypoint annotation ulimit sysctl shm_size restart sdnotify systemd stop_signal "
        "shm_size_systemd group_add",
        _rest,
    ),
)
"""Options, of which one at least was asked -> what reads them."""


def apart(texts: Iterable[str], begins: Callable[[str], bool] = lambda _: True) -> list[str]:
    """Return the values of a list option that podman also takes in one text, between commas.

    `begins` says whether a part begins a value of its own; else its comma belongs to the last one.
    """
    found: list[str] = []
    for text in texts:
        first, *others = text.split(",")
        found.append(first)
        for part in others:
            if begins(part):
                found.append(part)
            else:
                found[-1] += f",{part}"
    return found


def _is_pair(text: str) -> bool:
    return "=" in text


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
