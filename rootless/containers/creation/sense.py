"""Values of the right shape that make no sense all the same, each field for itself.

As `shapes` loaded only for what is not as usual. What fields have to do with each other, and what
the command line's words let through as well, is in `conflicts`.
"""

from __future__ import annotations

import os

from rootless.containers import networks, ports
from rootless.containers.creation.attributes import is_tag
from rootless.containers.creation.choices import LOG_MODES
from rootless.containers.creation.shapes import PROPAGATIONS
from rootless.errors import UsageError, named
from rootless.values import is_address, is_host_name
from rootless.volumes.names import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rootless.containers.request import Log
    from rootless.runtime.spec import Attachment, Mount, Rlimit
    from rootless.volumes.mounts import Volume

_FILES = ("json-file", "k8s-file")
_FLAGS = ("dev", "nodev", "exec", "noexec", "suid", "nosuid")
_BIND_WORDS = frozenset(("bind", "rbind", "rw", "ro", "rro", *_FLAGS, *PROPAGATIONS))
ARTIFACT_OPTIONS = ("title=", "digest=", "name=")
_PROC_OPTIONS = ("hidepid=", "subset=", "gid=")
_TESTS = {"NONE": range(1, 2), "CMD": range(2, 2**31), "CMD-SHELL": range(2, 3)}


def check(field: str, value: Any) -> None:
    """Raise UsageError for a value that makes no sense; its field says where."""
    if field in _CHECKS:
        _CHECKS[field](value)


def _refuse(reason: str, where: str) -> UsageError:
    where = where.replace("\0", "")  # it marks names of fields
    field, dot, rest = where.partition(".")
    return UsageError(f"{named(field)}{dot}{rest}: {reason}", field=where)


def _environment(entries: list[list[str | None]], field: str = "environment") -> None:
    for number, entry in enumerate(entries):
        where = f"{field}.{number}"
        if len(entry) != 2:
            raise _refuse("it must be a name and a value", where)
        if not entry[0] or "=" in entry[0]:
            raise _refuse(f"invalid name {entry[0]!r:.60}", where)


def _env_merge(entries: list[list[str]]) -> None:
    from rootless.containers.creation.merging import expanded

    _environment(entries, "env_merge")  # type: ignore[arg-type]
    for _, text in entries:
        expanded(text, {})


def _inherited(entries: list[list[str]]) -> None:
    _environment(entries, "inherited")  # type: ignore[arg-type]


def _preset(entries: list[list[str]]) -> None:
    _environment(entries, "preset")  # type: ignore[arg-type]


def _host_address(text: str) -> None:
    if text not in ("", "none") and not is_address(text):
        raise _refuse(f"{text!r:.60} is no IP address", "host_address")


def _chrootdirs(paths: list[str]) -> None:
    for number, path in enumerate(paths):
        _absolute(path, f"chrootdirs.{number}")
        if os.path.normpath(path) != path or path == "/":
            raise _refuse(
                f"{path!r:.60} is not a clean path below the root", f"chrootdirs.{number}"
            )


def _path(field: str) -> Callable[[str], None]:
    return lambda path: _absolute(path, field) if path else None


def _labels(labels: dict[str, str]) -> None:
    if "" in labels:
        raise _refuse("a label without a name", "labels")


def _rootfs(own: dict[str, Any] | None) -> None:
    if own is None:
        return
    _absolute(own["path"], "rootfs.path")
    if not os.path.isdir(own["path"]):
        raise UsageError(f"{named('rootfs')}: no directory {own['path']}")


def _absolute(path: str, where: str) -> None:
    if not path.startswith("/"):
        raise _refuse(f"{path!r:.60} is no absolute path", where)


def _mounts(volumes: list[Volume], field: str = "mounts") -> None:
    for number, volume in enumerate(volumes):
        where = f"{field}.{number}"
        kind, name = volume["type"], volume["name"]
        if kind == "volume" and name:
            try:
                check_name(name)
            except UsageError as error:
                error.field = where
                raise
        elif name:
            raise _refuse(f"a {kind} has no name", where)
        if volume["anonymous"] != (kind == "volume" and not name):
            raise _refuse("a volume is anonymous if it has no name", where)
        if kind in ("tmpfs", "ramfs", "devpts") and (
            volume["overlay"] or volume["chown"] or volume["source"]
        ):
            raise _refuse("memory has no source", where)
        if kind != "volume" and volume["copy_up"]:
            raise _refuse("only a volume is filled", where)
        _check_named(volume, where)
        _check_options(volume, where)


def _tmpfs(volumes: list[Volume]) -> None:
    _mounts(volumes, "tmpfs")


def _check_named(volume: Volume, where: str) -> None:
    made = volume.get("labels") or volume.get("driver")
    if made and volume["type"] != "volume":
        raise _refuse(f"a {volume['type']} has no labels and no options of a driver", where)
    if options := volume.get("driver"):
        from rootless.volumes.options import checked

        try:
            checked(options)
        except UsageError as error:
            error.field = where
            raise
    subpath = volume.get("subpath", "")
    if subpath and (volume["type"] != "volume" or not volume["name"]):
        raise _refuse("a subpath is one of a volume that has a name", where)
    if subpath and (volume["copy_up"] or volume["chown"] or volume["overlay"]):
        raise _refuse("what is below a volume's directory is shown as it is", where)
    if ".." in subpath.split("/"):
        raise _refuse("the subpath leads out of the volume", where)


def _check_options(volume: Volume, where: str) -> None:
    """The options are what is mounted, the rest is what `inspect` tells of it."""
    if volume["type"] == "image":
        _check_image(volume, where)
        return
    if volume["overlay"]:
        return
    words, way = volume["options"], volume["propagation"]
    if volume["type"] == "artifact":
        if wrong := [word for word in words if not word.startswith(ARTIFACT_OPTIONS)]:
            raise _refuse(f"unknown option {wrong[0]!r:.60}", where)
        if volume["rw"] or not volume["source"]:
            raise _refuse("an artifact has a name, and is read-only", where)
        return
    if volume["rw"] == ("ro" in words):
        raise _refuse("rw and the options contradict each other", where)
    if volume["type"] in ("tmpfs", "ramfs", "devpts"):
        if wrong := [word for word in words if not word.isprintable() or "," in word]:
            raise _refuse(f"invalid option {wrong[0]!r:.60}", where)
    else:
        _options(words, f"{where}.options")
        if {word for word in words if word in PROPAGATIONS} - {way or "rprivate"}:
            raise _refuse("the propagation and the options contradict each other", where)


def _check_image(volume: Volume, where: str) -> None:
    if not volume["source"] or volume["overlay"] or volume["chown"] or volume["propagation"]:
        raise _refuse("an image has a name, and may be rw; there is nothing else to it", where)
    if wrong := [word for word in volume["options"] if not word.startswith("subpath=")]:
        raise _refuse(f"unknown option {wrong[0]!r:.60}", where)
    if ".." in "".join(volume["options"]).partition("=")[2].split("/"):
        raise _refuse("the subpath leads out of the image", where)


def _options(words: list[str], where: str) -> None:
    if wrong := [word for word in words if word not in _BIND_WORDS]:
        raise _refuse(f"unknown option {wrong[0]!r:.60}", where)


def _devices(devices: list[Mount]) -> None:
    for number, device in enumerate(devices):
        _absolute(device["source"], f"devices.{number}.source")
        _options(device["options"], f"devices.{number}.options")


def _networks(wanted: list[Attachment]) -> None:
    for number, one in enumerate(wanted):
        where, kind, name = f"networks.{number}", one["kind"], one["name"]
        if kind == "container" and not name:
            raise _refuse("which container?", f"{where}.name")
        if kind == "ns":
            _absolute(name, f"{where}.name")
        if kind == "named" and not name:
            raise _refuse("which network?", f"{where}.name")
        if name and kind not in ("container", "ns", "named"):
            raise _refuse(f"{kind} has no name", f"{where}.name")
        if one["mac"]:
            _mac(one["mac"], f"{where}.mac")
        wrong = [key for key in ("aliases", "ipv4", "ipv6") if one[key]]
        if wrong and kind != "named":
            raise _refuse(f"{kind} knows none", f"{where}.{wrong[0]}")
        if one["settings"] is not None:
            if kind not in networks.OWN or kind == "named":
                raise _refuse(f"{kind} has none", f"{where}.settings")
            _settings(one, f"{where}.settings")


def _mac(text: str, where: str) -> None:
    from rootless.netstack import addresses

    try:
        clean = addresses.link_address(text)
    except ValueError as error:
        raise _refuse(str(error), where) from None
    if clean != text:
        raise _refuse(f"{text!r:.60} is not written as {clean}", where)


def _settings(one: Attachment, where: str) -> None:
    from rootless.netstack import addresses

    settings = one["settings"]
    try:
        if settings is not None and len(addresses.Addresses(settings).guest4) != 4:
            raise ValueError("the guest needs an IPv4 address")
    except (OSError, ValueError) as error:
        reason = "no IP address" if isinstance(error, OSError) else str(error)
        raise _refuse(reason, where) from None


def _ports(wanted: list[Any]) -> None:
    from rootless.netstack.dns import sockaddr

    for number, port in enumerate(wanted):
        try:
            sockaddr(port["ip"] or "::", 0)
        except (OSError, ValueError):
            raise _refuse(f"{port['ip']!r:.60} is no IP address", f"ports.{number}.ip") from None


def _expose(wanted: list[str]) -> None:
    for number, text in enumerate(wanted):
        found = ports.exposed(text)
        if [f"{port['container']}/{port['protocol']}" for port in found[:2]] != [text]:
            raise _refuse(f"{text!r:.60} is not PORT/PROTOCOL", f"expose.{number}")


def _dns(wanted: dict[str, list[str]]) -> None:
    for key in ("search", "options"):
        for number, text in enumerate(wanted[key]):
            if not text.isprintable():  # it would begin a line of its own
                raise _refuse(f"invalid value {text!r:.60}", f"dns.{key}.{number}")


def _hosts(wanted: list[list[str]]) -> None:
    for number, entry in enumerate(wanted):
        if len(entry) < 2:
            raise _refuse("it must be an address and names", f"hosts.{number}")


def _security(wanted: Any) -> None:
    seccomp = wanted["seccomp"]
    if seccomp is not None and "profile" in seccomp:
        if len(seccomp) > 1 or seccomp["profile"] not in ("default", "default-386", "image"):
            raise _refuse("unknown profile", "security.seccomp")
    elif seccomp is not None and not isinstance(seccomp.get("defaultAction"), str):
        raise _refuse("it has no defaultAction", "security.seccomp")
    for key in ("masked", "readonly"):
        for number, path in enumerate(wanted[key]):
            _absolute(path, f"security.{key}.{number}")
    for number, word in enumerate(wanted["proc_options"]):
        if not word.startswith(_PROC_OPTIONS) or not word.partition("=")[2].isalnum():
            raise _refuse(f"unknown option {word!r:.60}", f"security.proc_options.{number}")


def _rlimits(limits: list[Rlimit]) -> None:
    for number, limit in enumerate(limits):
        if limit["soft"] > limit["hard"]:
            raise _refuse("the soft limit is above the hard limit", f"rlimits.{number}")


def _test(words: list[str], where: str) -> None:
    if not words or words[0] not in _TESTS or len(words) not in _TESTS[words[0]]:
        raise _refuse("it must be NONE, CMD with a command, or CMD-SHELL with a line", where)


def _healthcheck(check: dict[str, Any]) -> None:
    if check.get("Test"):
        _test(check["Test"], "healthcheck.Test")


def _health(extras: Any) -> None:
    if extras["startup"] is not None:
        _test(extras["startup"]["test"], "health.startup.test")


def _health_log(wanted: Any) -> None:
    place = wanted["destination"]
    if place not in ("local", "events_logger"):
        _absolute(place, "health_log.destination")


def _restart(wanted: Any) -> None:
    if wanted["most"] and wanted["policy"] != "on-failure":
        raise _refuse("only on-failure has a limit", "restart.most")


def _log(log: Log) -> None:
    driver, options = log["driver"], log["options"]
    files, tells = driver in _FILES, driver in ("json-file", "journald")
    good: dict[str, Callable[[str], bool]] = {
        "max-size": lambda text: files and _is_number(text),
        "max-file": lambda text: files and _is_number(text) and 0 < int(text) <= 1000,
        "compress": lambda text: files and text in ("true", "false"),
        "tag": lambda text: tells and is_tag(text),
        "mode": lambda text: (files or tells) and text in LOG_MODES,
        "max-buffer-size": lambda text: (files or tells) and _is_number(text),
        **dict.fromkeys(("labels", "labels-regex", "env", "env-regex"), lambda _: tells),
    }
    for key, text in options.items():
        if key not in good or not good[key](text):
            raise _refuse(f"unknown or invalid for the log driver {driver}", f"log.options.{key}")
    if int(options.get("max-file", "1")) > 1 and not int(options.get("max-size", "0")):
        raise _refuse("max-file needs a max-size", "log.options")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _volumes_from(wanted: list[Any]) -> None:
    for number, one in enumerate(wanted):
        if not one["container"]:
            raise _refuse("which container?", f"volumes_from.{number}.container")


def _links(wanted: list[Any]) -> None:
    for number, one in enumerate(wanted):
        if not one["container"]:
            raise _refuse("which container?", f"links.{number}.container")
        if not is_host_name(one["alias"]):
            raise _refuse(f"invalid name {one['alias']!r:.60}", f"links.{number}.alias")


_CHECKS: dict[str, Callable[[Any], None]] = {
    "chrootdirs": _chrootdirs,
    "conmon_pidfile": _path("conmon_pidfile"),
    "devices": _devices,
    "dns": _dns,
    "env_merge": _env_merge,
    "environment": _environment,
    "expose": _expose,
    "health": _health,
    "health_log": _health_log,
    "healthcheck": _healthcheck,
    "init_path": _path("init_path"),
    "host_address": _host_address,
    "hosts": _hosts,
    "inherited": _inherited,
    "labels": _labels,
    "links": _links,
    "log": _log,
    "mounts": _mounts,
    "networks": _networks,
    "pidfile": _path("pidfile"),
    "ports": _ports,
    "preset": _preset,
    "restart": _restart,
    "rlimits": _rlimits,
    "rootfs": _rootfs,
    "security": _security,
    "tmpfs": _tmpfs,
    "volumes_from": _volumes_from,
}
