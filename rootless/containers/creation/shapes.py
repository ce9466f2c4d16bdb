"""The shape of a request: whose value is a text, a number, one of some words, a list of what.

A request may come from anywhere, a peer's JSON among it, and goes into a record that the supervisor
and later releases read. So nothing gets there that they could not read. Loaded only for fields that
are not as usual; what a shape cannot say is in `sense`.

    str, bool            just that
    range                a number of it
    float                a number of seconds
    ("a", "b")           one of these words
    [shape]              a list of such
    {str: shape}         a dictionary of such
    {"key": shape}       a dictionary with just these keys; those that end in ? may be missing
    Maybe(shape)         that, or None
"""

from __future__ import annotations

from rootless.containers import networks
from rootless.containers.creation import choices
from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class Maybe:
    """A shape that may be None."""

    def __init__(self, shape: Any) -> None:
        self.shape = shape


_MANY = range(2**63)
_ID = Maybe(range(2**31))
_TEXTS = [str]
_NAMES = {str: str}
_PATH_MOUNT = {"destination": str, "type": ("bind",), "source": str, "options": _TEXTS}
_WAYS = ("shared", "slave", "private", "unbindable")
PROPAGATIONS = (*_WAYS, *(f"r{word}" for word in _WAYS))

_VOLUME = {
    "type": ("bind", "volume", "tmpfs", "ramfs", "devpts", "artifact", "image"),
    "name": str,
    "source": str,
    "destination": str,
    "rw": bool,
    "propagation": ("", *PROPAGATIONS),
    "mode": str,
    "anonymous": bool,
    "make": bool,
    "copy_up": bool,
    "chown": bool,
    "overlay": bool,
    "options": _TEXTS,
    "subpath?": str,
    "labels?": _NAMES,
    "driver?": _NAMES,
}

_SETTINGS = {
    "guest": str,
    "gateway": str,
    "prefix": range(8, 31),
    "guest6": str,
    "gateway6": str,
    "prefix6": range(8, 127),
    "mtu": range(1280, 65521),
    "host_loopback": bool,
    "buffers?": range(4 << 20, (1 << 40) + 1),
    "extra?": _TEXTS,
    "mac?": str,
}

_LIMITS = (
    "as core cpu data fsize locks memlock msgqueue "
    "nice nofile nproc rss rtprio rttime sigpending stack"
)

SHAPES: dict[str, Any] = {
    "image": str,
    "command": _TEXTS,
    "entrypoint": Maybe(_TEXTS),
    "rootfs": Maybe({"path": str, "overlay": bool}),
    "name": str,
    "labels": _NAMES,
    "annotations": _NAMES,
    "preset": [_TEXTS],
    "inherited": [_TEXTS],
    "environment": [[Maybe(str)]],
    "env_merge": [_TEXTS],
    "unsetenv": _TEXTS,
    "unsetenv_all": bool,
    "timezone": str,
    "umask": range(0o10000),
    "user": str,
    "passwd": bool,
    "passwd_entry": str,
    "group_entry": str,
    "hostusers": _TEXTS,
    "groups": _TEXTS,
    "keep_groups": bool,
    "workdir": str,
    "make_workdir": bool,
    "hostname": str,
    "domainname": str,
    "tty": bool,
    "stdin": bool,
    "detached": bool,
    "attach": [choices.STREAMS],
    "remove": bool,
    "record_owners": bool,
    "remove_image": bool,
    "init": bool,
    "init_path": str,
    "timeout": _MANY,
    "requires": _TEXTS,
    "pidfile": str,
    "conmon_pidfile": str,
    "cidfile": str,
    "create_command": [str],
    "mounts": [_VOLUME],
    "tmpfs": [{**_VOLUME, "type": ("tmpfs",)}],
    "volumes_from": [{"container": str, "ro": bool}],
    "image_volumes": choices.IMAGE_VOLUMES,
    "devices": [_PATH_MOUNT],
    "read_only": bool,
    "read_only_tmpfs": bool,
    "shm_size": _MANY,
    "shm_size_systemd": _MANY,
    "networks": [
        {
            "kind": networks.KINDS,
            "name": str,
            "settings": Maybe(_SETTINGS),
            "interface?": str,
            "aliases": _TEXTS,
            "ipv4": str,
            "ipv6": str,
            "mac": str,
        }
    ],
    "ports": [
        {
            "ip": str,
            "host": range(65536),
            "container": range(1, 65536),
            "protocol": ("tcp", "udp"),
        }
    ],
    "remap_ports": bool,
    "publish_all": bool,
    "expose": _TEXTS,
    "dns": {"servers": _TEXTS, "search": _TEXTS, "options": _TEXTS},
    "hosts": [_TEXTS],
    "links": [{"container": str, "alias": str}],
    "no_hosts": bool,
    "host_address": str,
    "chrootdirs": _TEXTS,
    "namespaces": choices.NAMESPACES,
    "userns": {"mode": choices.USERNS, "uid": _ID, "gid": _ID, "shared": bool},
    "uidmap": [[_ID.shape]],
    "gidmap": [[_ID.shape]],
    "security": {
        "privileged": bool,
        "cap_add": _TEXTS,
        "cap_drop": _TEXTS,
        "no_new_privileges": bool,
        "seccomp": Maybe({str: object}),
        "masked": _TEXTS,
        "readonly": _TEXTS,
        "cgroup_writable": bool,
        "proc_options": _TEXTS,
        "labels": _TEXTS,
        "apparmor": str,
    },
    "rlimits": [
        {
            "type": tuple(f"RLIMIT_{name.upper()}" for name in _LIMITS.split()),
            "soft": range(2**64),
            "hard": range(2**64),
        }
    ],
    "sysctls": _NAMES,
    "oom_score_adj": Maybe(range(-1000, 1001)),
    "personality": choices.PERSONALITIES,
    "healthcheck": {
        "Test?": _TEXTS,
        "Interval?": _MANY,
        "Timeout?": _MANY,
        "StartPeriod?": _MANY,
        "StartInterval?": _MANY,
        "Retries?": _MANY,
    },
    "health": {
        "on_failure": choices.FAILURE_ACTIONS,
        "startup": Maybe(
            {
                "test": _TEXTS,
                "interval": float,
                "timeout": float,
                "retries": _MANY,
                "successes": range(1, 2**63),
            }
        ),
    },
    "health_log": {"destination": str, "count": _MANY, "size": _MANY},
    "restart": {
        "policy": choices.RESTARTS,
        "most": _MANY,
    },
    "sdnotify": choices.NOTIFIERS,
    "systemd": choices.SYSTEMD,
    "log": {
        "driver": choices.LOG_DRIVERS,
        "options": _NAMES,
    },
    "stop_signal": range(65),
    "stop_timeout": range(-1, 2**63),
}
"""Of each field."""


def check(field: str, value: object) -> None:
    """Raise UsageError where the value of a field has not its shape; its field says where."""
    if field not in SHAPES:
        _refuse("", f"has no field {field!r:.60}")
    _check(SHAPES[field], value, field)


def _check(shape: Any, value: object, where: str) -> None:
    """Raise UsageError, whose field begins with `where`."""
    if isinstance(shape, Maybe):
        if value is not None:
            _check(shape.shape, value, where)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            _refuse(where, f"{value!r:.60} is no list")
        for number, item in enumerate(value):
            _check(shape[0], item, f"{where}.{number}")
    elif isinstance(shape, dict):
        _check_keys(shape, value, where)
    elif not _fits(shape, value):
        _refuse(where, f"{value!r:.60} is not {_wanted(shape)}")


def _check_keys(shape: dict[Any, Any], value: object, where: str) -> None:
    if not isinstance(value, dict):
        _refuse(where, f"{value!r:.60} is no dictionary")
    for key, item in value.items():
        if not isinstance(key, str):
            _refuse(where, f"the key {key!r:.60} is no text")
        wanted = shape.get(str, shape.get(key, shape.get(f"{key}?")))
        if wanted is None:
            _refuse(where, f"there is no {key!r:.60} in it")
        _check(wanted, item, f"{where}.{key}".replace("\0", ""))
    for key in shape:
        if isinstance(key, str) and key not in value and not key.endswith("?"):
            _refuse(f"{where}.{key}", "it is missing")


def _fits(shape: Any, value: object) -> bool:
    if shape is object:
        return True
    if isinstance(shape, tuple):
        return isinstance(value, str) and value in shape
    if shape in (str, bool):
        return isinstance(value, shape)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    if shape is float:
        return 0 <= value <= 2**31  # false for what is no number, too
    return isinstance(value, int) and value in shape


def _wanted(shape: Any) -> str:
    if isinstance(shape, tuple):
        return "one of " + ", ".join(word or "nothing" for word in shape)
    if isinstance(shape, range):
        return f"a number from {shape.start} to {shape.stop - 1}"
    return {str: "a text", bool: "true or false", float: "a number of seconds"}[shape]


def _refuse(where: str, reason: str) -> NoReturn:
    """Raise UsageError, whose message has the name of the field where `where` is, with the rest."""
    field, dot, rest = where.partition(".")
    name = f"{named(field)}{dot}{rest}: " if field else "a request "
    raise UsageError(name + reason.replace("\0", ""), field=where)
