"""What a container cannot be: wishes that contradict each other, and values that make no sense."""

from __future__ import annotations

import os
import stat

from rootless.containers import networks
from rootless.containers.names import check_name
from rootless.containers.request import request as usual_request
from rootless.errors import UsageError, named
from rootless.runtime.privileges import caps
from rootless.values import is_address, is_host_name, is_number, is_usable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.containers.request import Dns, Request, Security
    from rootless.runtime.spec import Mount, Rlimit
    from rootless.volumes.mounts import Volume

_IPC_SYSCTLS = frozenset(
    [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ]
)

_PROC_FILES = frozenset(
    f"/proc/{name}"
    for name in (
        "cpuinfo",
        "diskstats",
        "loadavg",
        "meminfo",
        "net/dev",
        "slabinfo",
        "stat",
        "swaps",
        "sys/crypto/fips_enabled",
        "sys/kernel/ns_last_pid",
        "uptime",
    )
)
"""What lxcfs and the like replace: runc's list."""


def check(request: Request, *, parsed: bool = False) -> None:
    """Raise UsageError for what cannot be, before anything happens; its field says which.

    Whatever it was given: what passes can be written down, read again and started. `parsed` is
    whether it comes from `words`, whose values are right: to look at them costs a start a
    twentieth.
    """
    if not parsed:
        _check_values(request)
    if not is_usable(request):
        field = next(field for field, value in request.items() if not is_usable(value))
        raise UsageError(f"{named(field)}: {request.get(field)!r} holds a NUL byte")
    _check_life(request)
    _check_ways(request)
    _check_namespaces(request)
    if request["uidmap"] or request["gidmap"]:
        from rootless.containers.creation import maps

        maps.check(request)
    check_user(request["user"], named("user"))
    _check_network(request)
    for name in request["sysctls"]:
        _check_sysctl(request, name)
    _check_capabilities(request["security"])
    _check_limits(request["rlimits"])
    score = request["oom_score_adj"]
    if score is not None and not -1000 <= score <= 1000:
        raise UsageError(f"{named('oom_score_adj')}: {score} is not a number from -1000 to 1000")
    _check_mounts(request)
    _check_roots(request)
    if request["timezone"]:
        from rootless.containers.creation import zones

        zones.source(request["timezone"])


def _check_values(request: Request) -> None:
    """Look at each field alone, which is spared those that are as usual: most of most requests.

    Raises UsageError, TypeError for what is no dictionary.
    """
    if not isinstance(request, dict):
        raise TypeError(f"{type(request).__name__} is no request")
    usual = usual_request("")
    for field in usual.keys() - request.keys():
        raise UsageError(f"{named(field)}: it is missing")
    odd = {field: value for field, value in request.items() if not _is_usual(field, value, usual)}
    if odd:
        from rootless.containers.creation import sense, shapes

        for field, value in odd.items():
            shapes.check(field, value)
            sense.check(field, value)


def _is_usual(field: str, value: object, usual: Request) -> bool:
    """Whether there is nothing to be said about a value: the usual one, or any of its kind."""
    expected = usual.get(field)
    if type(value) is not type(expected):
        return False
    if field == "command" and isinstance(value, list):
        return all(isinstance(word, str) for word in value)
    if isinstance(value, bool) or field in _TEXTS:
        return True
    # False is 0 for ==, and the other way round.
    return value == expected and (isinstance(value, (str, int)) or repr(value) == repr(expected))


_TEXTS = ("image", "name", "user", "workdir", "hostname", "cidfile")
"""Fields of which each text has the right shape; some are looked at below."""


def _check_life(request: Request) -> None:
    """What it is, and how it begins and ends."""
    if request["init"] and request["systemd"] == "always":
        raise UsageError(f"{named('init')} and {named('systemd')} always exclude each other")
    restart = request["restart"]["policy"]
    if not request["image"]:
        raise UsageError(f"an {named('image')} is required")
    if request["name"]:
        check_name(request["name"])
    if restart != "no" and request["remove"]:
        raise UsageError(f"{named('restart')} and {named('remove')} exclude each other")
    if restart != "no" and request["health"]["on_failure"] == "restart":
        raise UsageError(
            f"{named('health.on_failure')} restart and {named('restart')} exclude each other"
        )
    if request["log"]["driver"] == "passthrough" and (request["tty"] or request["detached"]):
        raise UsageError(
            f"{named('log.driver')} passthrough is for the foreground, and without a terminal"
        )
    if request["attach"] and request["detached"]:
        raise UsageError(f"{named('attach')} and {named('detached')} exclude each other")
    _check_health_log(request["health_log"]["destination"])
    if request["stop_timeout"] < -1:
        raise UsageError(f"{named('stop_timeout')}: seconds, or -1 for no limit")
    workdir = request["workdir"]
    if workdir and not workdir.startswith("/"):
        raise UsageError(
            f"the working directory {workdir!r} is invalid, it needs to be an absolute path",
            field="workdir",
        )


def _check_ways(request: Request) -> None:
    """Ways to begin and to end that few want."""
    if request["remove_image"] and not request["remove"]:
        raise UsageError(f"{named('remove_image')} needs {named('remove')}")
    if request["remove_image"] and request["rootfs"] is not None:
        raise UsageError(f"{named('remove_image')} and {named('rootfs')} exclude each other")
    if request["timeout"] < 0:
        raise UsageError(f"{named('timeout')}: {request['timeout']} is not a number of seconds")
    if request["init_path"] and not request["init"]:
        raise UsageError(f"{named('init_path')} needs {named('init')}")
    if request["init_path"] and not os.access(request["init_path"], os.X_OK):
        raise UsageError(
            f"{named('init_path')}: {request['init_path']} is no program here",
            f"without it {named('init')} has our own",
        )


def _check_health_log(place: str) -> None:
    if place.startswith("/") and not os.path.isdir(place):
        raise UsageError(
            f"{named('health_log.destination')}: there is no directory {place}",
            "local, events_logger, or a directory",
        )


def _check_namespaces(request: Request) -> None:
    """What its namespaces and its user cannot have."""
    spaces, hostname, groups = request["namespaces"], request["hostname"], request["groups"]
    if request["no_hosts"] and request["hosts"]:
        raise UsageError(f"{named('no_hosts')} and {named('hosts')} exclude each other")
    for field, name in (("hostname", hostname), ("domainname", request["domainname"])):
        if name and spaces["uts"] == "host":
            raise UsageError(
                f"{named(field)} cannot be set in the host's UTS namespace "
                f"({named('namespaces.uts')} host)"
            )
        if name and not (is_host_name(name) and len(name) <= 64):
            raise UsageError(f"{named(field)}: invalid name {name!r}")
    if request["init"] and spaces["pid"] == "host":
        raise UsageError(
            f"{named('init')} needs a PID namespace of its own, not {named('namespaces.pid')} host"
        )
    if request["shm_size"] and spaces["ipc"] in ("host", "none"):
        raise UsageError(
            f"{named('shm_size')} and {named('namespaces.ipc')} {spaces['ipc']} exclude each other"
        )
    if request["keep_groups"] and groups:
        raise UsageError(f"{named('groups')} keep-groups cannot be combined with other groups")
    lines = {field: request[field] for field in ("passwd_entry", "group_entry")}
    for field, entry in lines.items():
        if entry and not request["passwd"]:
            raise UsageError(f"{named(field)} needs {named('passwd')}")
        if "\n" in entry:
            raise UsageError(f"{named(field)}: it is one line")
    if any(not group or ":" in group for group in groups):
        raise UsageError(f"{named('groups')}: a group is a name or a number")


def check_user(text: str, name: str) -> None:
    """Check NAME|UID[:GROUP|GID]; who that is, only the container's /etc/passwd knows.

    Raises UsageError, which begins with `name`.
    """
    parts = text.split(":")
    for part in parts:
        if not part.isprintable() or (is_number(part) and int(part[:11]) > 0x7FFFFFFF):
            raise UsageError(f"{name}: invalid user {text!r}", "ids are 0 to 2147483647")
    if len(parts) > 2:
        raise UsageError(f"{name}: invalid user {text!r}", "it must be USER[:GROUP]")


def _check_network(request: Request) -> None:
    """Ports and names that the network of the container cannot have."""
    wanted = request["networks"]
    beside = [one for one in wanted[1:] if one["kind"] != "named"]
    if len(wanted) > 1 and (beside or wanted[0]["kind"] not in ("private", "named")):
        raise UsageError(
            f"{named('networks')} {networks.mode(wanted)} and another exclude each other",
            "several networks have to have names; 'rootless network connect' adds them later",
            field="networks.1",
        )
    kind = networks.kind(wanted) if wanted else "private"
    if request["ports"] and kind not in (*networks.OWN, "none", "host"):
        raise UsageError(
            f"{named('ports')} and {named('networks')} {networks.mode(wanted)} exclude each other",
            "publish the port with the container that has the network",
        )
    if kind not in networks.OWN and wanted[0]["mac"]:
        raise UsageError(
            f"{named('mac_address')} and {named('networks')} {networks.mode(wanted)} exclude each "
            "other: its interface is another's",
            field="networks.0",
        )
    for number, (address, *names) in enumerate(request["hosts"]):
        field = f"hosts.{number}"
        if address == "host-gateway" and kind == "none":
            raise UsageError(
                f"{named('hosts')} {';'.join(names)}:{address}: "
                f"there is no gateway with {named('networks')} none",
                field=field,
            )
        if wrong := [name for name in names if not is_host_name(name)]:
            raise UsageError(f"{named('hosts')}: invalid name {wrong[0]!r}", field=field)
        if address != "host-gateway" and not is_address(address):
            raise UsageError(f"{named('hosts')}: {address!r} is no IP address", field=field)
    _check_dns(request["dns"])


def _check_dns(dns: Dns) -> None:
    if dns["servers"] == ["none"]:
        for key, name in (("search", "dns_search"), ("options", "dns_option")):
            if dns[key]:  # type: ignore[literal-required]
                raise UsageError(
                    f"{named('dns')} none and {named(name)} exclude each other", field=f"dns.{key}"
                )
        return
    for number, server in enumerate(dns["servers"]):
        if server == "none":
            raise UsageError(
                f"{named('dns')} none goes with no other server", field=f"dns.servers.{number}"
            )
        if not is_address(server):
            raise UsageError(
                f"{named('dns')}: {server!r} is no IP address", field=f"dns.servers.{number}"
            )


def _check_sysctl(request: Request, name: str) -> None:
    """Refuse what is not of a namespace that the container owns."""
    option, field, parts = named("sysctls"), f"sysctls.{name}", name.split(".")
    # A name becomes a path below /proc/sys, so no step upwards.
    if "" in parts or not all(part.replace("_", "").replace("-", "").isalnum() for part in parts):
        raise UsageError(f"{option}: {name!r} is no name of a sysctl", field=field)
    wanted = request["networks"]
    if name.startswith("net."):
        if wanted and networks.kind(wanted) == "host":
            raise UsageError(
                f"{option} {name} cannot be set with {named('networks')} host", field=field
            )
    elif name in _IPC_SYSCTLS or name.startswith("fs.mqueue."):
        if request["namespaces"]["ipc"] == "host":
            raise UsageError(
                f"{option} {name} cannot be set with {named('namespaces.ipc')} host", field=field
            )
    else:
        raise UsageError(
            f"{option} {name} is not allowed",
            "only net.*, fs.mqueue.* and those of System V IPC belong to a container",
            field=field,
        )


def _check_capabilities(security: Security) -> None:
    for field in ("cap_add", "cap_drop"):
        for number, name in enumerate(security[field]):
            try:
                caps.resolve([name])
            except UsageError as error:
                error.field = f"security.{field}.{number}"
                raise
    try:
        caps.resolve(security["cap_add"], security["cap_drop"])
    except UsageError as error:
        error.field = "security.cap_add"
        raise


def _check_limits(limits: list[Rlimit]) -> None:
    seen: set[str] = set()
    for number, limit in enumerate(limits):
        kind, soft, hard = limit["type"], limit["soft"], limit["hard"]
        if kind in seen:
            name = kind.removeprefix("RLIMIT_").lower()
            value = f"{soft}" if soft == hard else f"{soft}:{hard}"
            raise UsageError(
                f"{named('rlimits')} {name}={value}: this limit is given twice",
                field=f"rlimits.{number}",
            )
        seen.add(kind)


def _check_mounts(request: Request) -> None:
    """Refuse two mounts at one place, /proc, and sources that must be there and are not.

    Nothing here touches the disk, it only looks. Raises UsageError.
    """
    seen: set[str] = set()
    lists = (("mounts", request["mounts"]), ("tmpfs", request["tmpfs"]))
    for field, items in (*lists, ("devices", request["devices"])):
        for number, item in enumerate(items):
            where = item["destination"]
            if where == "/" or not where.startswith("/") or os.path.normpath(where) != where:
                hint = "it must be an absolute path"
                raise UsageError(f"invalid mount path {where!r}", hint, field=f"{field}.{number}")
            if where in seen:
                raise UsageError(f"duplicate mount point: {where}", field=f"{field}.{number}")
            seen.add(where)
            _refuse_proc(where, item["type"], item["source"], f"{field}.{number}")
    _require_devices(request["devices"])
    _require_sources(request["mounts"])


def _check_roots(request: Request) -> None:
    """Refuse further roots inside that are the engine's own."""
    for number, path in enumerate(request["chrootdirs"]):
        if path.split("/")[1] in ("proc", "sys", "dev"):
            raise UsageError(
                f"{named('chrootdirs')}: {path} is the engine's own", field=f"chrootdirs.{number}"
            )


def _refuse_proc(where: str, kind: str, source: str, field: str) -> None:
    """Refuse what would take the place of /proc or a part of it, as runc does.

    Privileges and labels are set by writing there, and masks lie on it: in a made-up one that
    says "done" they would do nothing (CVE-2019-16884).
    """
    if where != "/proc" and not where.startswith("/proc/"):
        return
    if kind == "bind" and (where in _PROC_FILES or where == os.path.realpath(source) == "/proc"):
        return
    raise UsageError(
        f"nothing can be mounted at {where}: /proc is the container's own",
        f"the host's is to be had by {named('bind')} /proc:/proc; mount other things elsewhere",
        field=field,
    )


def _require_devices(devices: Iterable[Mount]) -> None:
    for number, item in enumerate(devices):
        source, field = item["source"], f"devices.{number}"
        status = _look(source, named("devices"), field)
        if status is None:
            raise UsageError(f"{named('devices')}: {source} does not exist", field=field)
        if stat.S_IFMT(status.st_mode) not in (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFDIR):
            hint = f"{named('bind')} shows files"
            raise UsageError(f"{named('devices')}: {source} is no device", hint, field=field)


def _require_sources(volumes: Iterable[Volume]) -> None:
    for number, wanted in enumerate(volumes):
        if wanted["type"] != "bind":
            continue
        field = f"mounts.{number}"
        if not wanted["source"].startswith("/"):
            hint = "it must be an absolute path"
            raise UsageError(f"invalid mount source {wanted['source']!r}", hint, field=field)
        status = _look(wanted["source"], "mount", field)
        if status is None and not wanted["make"]:
            raise UsageError(
                f"invalid mount config for type 'bind': bind source path does not exist: "
                f"{wanted['source']}",
                f"{named('bind')} would make a directory",
                field=field,
            )
        if status is not None and wanted["overlay"] and not stat.S_ISDIR(status.st_mode):
            raise UsageError(
                f"the option O needs a directory, {wanted['source']} is none", field=field
            )


def _look(path: str, name: str, field: str) -> os.stat_result | None:
    """Stat `path`; None where there is nothing, UsageError where it cannot be looked at."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        from rootless.runtime.userns.whose import explained

        message = f"{name}: cannot use {path}: {error.strerror}"
        raise UsageError(message, explained(path), field=field) from error


def refuse_terminal(driver: str) -> None:
    """Raise UsageError where `driver` would hand this process's terminal to the container.

    Through it the container could type into the shell that gets it back (TIOCSTI), and its owner
    would be the container's user.
    """
    if driver == "passthrough" and any(os.isatty(fd) for fd in (0, 1, 2)):
        raise UsageError(
            f"{named('log.driver')} passthrough cannot be used on a terminal: "
            "the container would get it",
            "redirect all of standard input, output and error, or use -it with another driver",
        )
