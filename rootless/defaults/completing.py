"""What was asked for a container, completed by what containers.conf says for all of them.

A front end says what it was given in the words of `run`, absent where nothing was, and gets the
same with the user's defaults in it. As for podman, a list that was given takes the place of the
default one; what has names (annotations, sysctls, mounts by their places) is completed one by one.
"""

from __future__ import annotations

from rootless.errors import UsageError
from rootless.runtime.privileges import caps
from rootless.values import is_address, is_host_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from rootless.containers.request import Fields
    from rootless.containers.words.asked import Asked
    from rootless.defaults.settings import Settings

_SAME = {
    "cgroupns": "cgroupns",
    "devices": "device",
    "default_ulimits": "ulimit",
    "dns_options": "dns_option",
    "dns_searches": "dns_search",
    "dns_servers": "dns",
    "env_host": "env_host",
    "http_proxy": "http_proxy",
    "ipcns": "ipc",
    "log_driver": "log_driver",
    "netns": "network",
    "oom_score_adj": "oom_score_adj",
    "pidns": "pid",
    "privileged": "privileged",
    "read_only": "read_only",
    "tz": "tz",
    "umask": "umask",
    "userns": "userns",
    "utsns": "uts",
    "volumes": "volume",
}
"""Key of [containers] -> option, where the one is the other's default."""

_ENGINE = {
    "image_volume_mode": "image_volume",
    "pull_policy": "pull",
    "stop_timeout": "stop_timeout",
}
"""The same of [engine]."""

_OTHER_WORDS = {("userns", "private"): "", ("userns", "host"): "", ("userns", "no-map"): "nomap"}
"""(key, value) -> what the option calls it; a user namespace of its own is what each has here."""

_OWN_SECCOMP = "/usr/share/containers/seccomp.json"
"""What podman calls its profile: it is the one that is built in here."""

_NAMED_HOSTS = ("localhost", "ip6-localhost", "ip6-loopback")


def completed(asked: Asked, conf: Settings) -> Asked:
    """Return the options with the defaults in it. Raises UsageError, with the file and the key."""
    given: dict[str, Any] = {**asked}
    for table, same in (("containers", _SAME), ("engine", _ENGINE)):
        for key, option in same.items():
            value = conf.get(table, key)
            value = _OTHER_WORDS.get((key, str(value)), value)
            value = [value] if key == "netns" and value else value
            if value not in (None, "", []):
                given.setdefault(option, value)
    _namespaces(given, conf)
    for complete in (_named, _mounts, _hosts, _security, _log, _ports):
        complete(given, conf)
    return given  # type: ignore[return-value]


def fields(conf: Settings, environ: Mapping[str, str]) -> Fields:
    """Return the fields of a request that no option is for. Raises UsageError."""
    found: Fields = {}
    preset = _variables(conf, environ)
    if preset:
        found["preset"] = preset
    address = conf.get("containers", "host_containers_internal_ip")
    if address:
        if address != "none" and not is_address(address):
            wanted = 'an IP address, or "none"'
            raise conf.refused("containers", "host_containers_internal_ip", wanted)
        found["host_address"] = address
    return found


def _variables(conf: Settings, environ: Mapping[str, str]) -> list[list[str]]:
    """Return the variables that a container has unless its image says otherwise."""
    result = []
    for text in conf.get("containers", "env") or ():
        key, equals, value = text.partition("=")
        if not key:
            raise conf.refused("containers", "env", '["KEY=VALUE"]', text)
        if equals or key in environ:
            result.append([key, value if equals else environ[key]])
    return result


def _namespaces(given: dict[str, Any], conf: Settings) -> None:
    """What depends on whose the namespaces are, and is left out where it cannot be."""
    if conf.get("containers", "init") and given.get("pid") != "host":
        given.setdefault("init", True)
    if conf.get("containers", "init_path") and given.get("init"):
        given.setdefault("init_path", conf.get("containers", "init_path"))
    size = conf.get("containers", "shm_size")
    if size and given.get("ipc") not in ("host", "none"):
        given.setdefault("shm_size", str(size))
    if conf.get("containers", "no_hosts") and "add_host" not in given:
        given.setdefault("no_hosts", True)
    named = given.get("name") if conf.get("containers", "container_name_as_hostname") else ""
    if named and given.get("uts") != "host":
        kept = "".join(c for c in named if c.isalnum() or c in "-.")
        given.setdefault("hostname", kept[:64])


def _named(given: dict[str, Any], conf: Settings) -> None:
    """Annotations and sysctls, of which those that were given win by their names."""
    for key, option in (("annotations", "annotation"), ("default_sysctls", "sysctl")):
        texts = conf.get("containers", key) or ()
        have = {text.partition("=")[0] for text in ",".join(given.get(option, ())).split(",")}
        new = [text for text in texts if text.partition("=")[0] not in have]
        if option == "sysctl":
            new = [text for text in new if _is_own(text, given)]
        if new:
            given[option] = [*new, *given.get(option, ())]


def _is_own(sysctl: str, given: dict[str, Any]) -> bool:
    """Whether a sysctl is of a namespace that the container will have for itself, as far as known.

    podman leaves the others out, too: they are defaults, and were not meant for this container.
    """
    if sysctl.startswith("net."):
        modes = given.get("network") or [""]
        return modes[0].partition(":")[0] not in ("host", "container", "ns")
    return given.get("ipc") != "host"


def _mounts(given: dict[str, Any], conf: Settings) -> None:
    """--mount, of which what was given wins at its place."""
    texts = conf.get("containers", "mounts")
    if not texts:
        return
    from rootless.containers.words import binds, memory, mounts

    parsers: tuple[tuple[str, Callable[[str], Any]], ...] = (
        ("volume", lambda text: binds.volume(text, "/")),
        ("tmpfs", memory.tmpfs),
    )
    have = {parse(text)["destination"] for name, parse in parsers for text in given.get(name, ())}

    def places(text: str) -> set[str]:
        return {item["destination"] for item in mounts.several(text, "/")}

    have.update(*map(places, given.get("mount", ())))
    new = [text for text in texts if have.isdisjoint(places(text))]
    given["mount"] = [*given.get("mount", ()), *new]


def _hosts(given: dict[str, Any], conf: Settings) -> None:
    """The lines of a base_hosts_file, after those that were given."""
    path = conf.get("containers", "base_hosts_file")
    if path in (None, "", "none") or given.get("no_hosts"):
        return
    if not path.startswith("/"):
        wanted = 'the absolute path of a file, or "none"'
        raise conf.refused("containers", "base_hosts_file", wanted)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.partition("#")[0].split() for line in file]
    except OSError as error:
        where = conf.source("containers", "base_hosts_file")
        raise UsageError(f"{where}: cannot read {path}: {error.strerror}") from error
    given["add_host"] = [*given.get("add_host", ()), *_entries(lines)]


def _entries(lines: Iterable[list[str]]) -> list[str]:
    """Return lines of /etc/hosts as --add-host has them, without what every container has."""
    result = []
    for address, *names in filter(None, lines):
        kept = [name for name in names if is_host_name(name) and name not in _NAMED_HOSTS]
        if kept and is_address(address):
            result.append(f"{';'.join(kept)}={address}")
    return result


def _security(given: dict[str, Any], conf: Settings) -> None:
    """Capabilities, of which those of the command line are added or dropped; profile and label."""
    wanted = conf.get("containers", "default_capabilities")
    if wanted is not None and not given.get("privileged"):
        _capabilities(given, conf, wanted)
    options = given.get("security_opt", [])
    keys = {text.replace(":", "=").partition("=")[0] for text in options}
    profile = conf.get("containers", "seccomp_profile")
    new = []
    if profile not in (None, "", _OWN_SECCOMP) and not keys & {"seccomp"}:
        new += [] if given.get("privileged") else [f"seccomp={profile}"]
    if conf.get("containers", "label") is False and not keys & {"label"}:
        new.append("label=disable")
    if new:
        given["security_opt"] = [*new, *options]


def _capabilities(given: dict[str, Any], conf: Settings, wanted: list[str]) -> None:
    """Say by --cap-add and --cap-drop in what the default differs from ours."""
    try:
        default = {*caps.spelled(wanted)}
    except UsageError as error:
        where = conf.source("containers", "default_capabilities")
        raise UsageError(f"{where}: {error.message}", error.hint) from error
    adds, drops = ({*caps.spelled(given.get(name, ()))} for name in ("cap_add", "cap_drop"))
    if "ALL" in drops or "ALL" in adds:
        return
    if "ALL" in default:
        default = {*caps.known()}
    more = sorted(default - {*caps.DEFAULT} - adds - drops)
    less = sorted({*caps.DEFAULT} - default - adds - drops)
    if more:
        given["cap_add"] = [*given.get("cap_add", ()), *more]
    if less:
        given["cap_drop"] = [*given.get("cap_drop", ()), *less]


def _log(given: dict[str, Any], conf: Settings) -> None:
    """The largest size of files, the tag of the journal."""
    driver = given.get("log_driver") or "json-file"
    options = given.get("log_opt", [])
    have = {text.partition("=")[0] for text in options}
    most, tag = conf.get("containers", "log_size_max"), conf.get("containers", "log_tag")
    new = []
    if most is not None and driver in ("json-file", "k8s-file") and "max-size" not in have:
        new.append(f"max-size={max(most, -1)}")
    if tag and driver == "journald" and "tag" not in have:
        new.append(f"tag={tag}")
    if new:
        given["log_opt"] = [*new, *options]


def _ports(given: dict[str, Any], conf: Settings) -> None:
    """The addresses of published ports that name none."""
    addresses = conf.get("network", "default_host_ips")
    if not addresses or "publish" not in given:
        return
    result = []
    for text in given["publish"]:
        if text.startswith("[") or text.count(":") > 1:
            result.append(text)
            continue
        rest = text if ":" in text else f":{text}"
        result += [f"[{one}]:{rest}" if ":" in one else f"{one}:{rest}" for one in addresses]
    given["publish"] = result
