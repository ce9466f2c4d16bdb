"""What the command line calls the fields of a request that an error speaks of."""

from __future__ import annotations

from rootless.errors import UsageError

_OPTIONS = {
    "annotations": "--annotation",
    "bind": "-v",
    "command": "command",
    "devices": "--device",
    "environment": "--env",
    "groups": "--group-add",
    "health.on_failure": "--health-on-failure",
    "hosts": "--add-host",
    "image": "image",
    "labels": "--label",
    "log.driver": "--log-driver",
    "mounts": "-v",
    "namespaces.cgroup": "--cgroupns",
    "namespaces.ipc": "--ipc",
    "namespaces.pid": "--pid",
    "namespaces.uts": "--uts",
    "networks": "--network",
    "ports": "-p",
    "publish": "-p",
    "remove": "--rm",
    "rlimits": "--ulimit",
    "sysctls": "--sysctl",
}
"""Where it is not the field itself behind two dashes."""


def option(field: str) -> str:
    """Return the option that a field comes from."""
    return _OPTIONS.get(field) or "--" + field.replace("_", "-")


def told(error: Exception) -> str:
    """Return what a user of the command line reads of an error."""
    return error.told(option) if isinstance(error, UsageError) else str(error)
