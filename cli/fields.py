"""What the command line calls the fields and arguments that an error speaks of."""

from __future__ import annotations

from rootless.oci.errors import Error

_OPTIONS = {
    "annotations": "--annotation",
    "bind": "-v",
    "command": "command",
    "compression": "--compression-format",
    "conditions": "--condition",
    "context": "context",
    "detached": "--detach",
    "devices": "--device",
    "environment": "--env",
    "everything": "--all",
    "groups": "--group-add",
    "health_log.destination": "--health-log-destination",
    "health.on_failure": "--health-on-failure",
    "hosts": "--add-host",
    "hostusers": "--hostuser",
    "image": "image",
    "image_volumes": "--image-volume",
    "keys": "--pubkeysfile",
    "kind": "--type",
    "labels": "--label",
    "links": "--link",
    "log.driver": "--log-driver",
    "mounts": "-v",
    "namespaces.cgroup": "--cgroupns",
    "namespaces.ipc": "--ipc",
    "namespaces.pid": "--pid",
    "namespaces.uts": "--uts",
    "networks": "--network",
    "output": "-o",
    "ports": "-p",
    "publish": "-p",
    "remove": "--rm",
    "remove.force": "rm --force",
    "remove_image": "--rmi",
    "rlimits": "--ulimit",
    "run.restart": "run --restart",
    "security.seccomp": "--security-opt seccomp",
    "sysctls": "--sysctl",
    "timezone": "--tz",
}
"""Where it is not the field itself behind two dashes."""


def option(field: str) -> str:
    """Return the option that a field comes from."""
    return _OPTIONS.get(field) or "--" + field.replace("_", "-")


def told(error: Exception) -> str:
    """Return what a user of the command line reads of an error, in the dialect's words."""
    if not isinstance(error, Error):
        return str(error)
    from rootless.cli.dialects import sentences

    message, hint = (sentences.said(text) for text in error.words(option))
    return f"{message} ({hint})" if hint and hint not in message else message
