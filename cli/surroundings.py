"""What the options of all commands come to, before the command is called.

Those that name docker's or podman's own inside are of no effect here. That is said once a boot,
since whoever passes them on each line, such as a tool, may read what is said as an error.
"""

from __future__ import annotations

import os
import sys

from rootless import trace
from rootless.cli import output
from rootless.cli.dialects import choice
from rootless.errors import Error, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DETAILED = ("trace", "debug")
_USUAL = ("info", "warn", "warning")
_SILENT = ("error", "fatal", "panic")

_MEANT = {
    "root",
    "debug",
    "log_level",
    "config",
    "noout",
    "out",
    "host",
    "url",
    "context",
    "dialect",
    "module",
}
"""What is not said to be of no effect."""

_LOCAL = ("unix:", "npipe:", "fd:")
_HERE = ("", "default", "rootless", "desktop-linux", "podman-machine-default")
"""What docker and podman call this machine, or one that stands for it."""


_VARIABLES = {
    "docker": ("DOCKER_HOST", "DOCKER_CONTEXT"),
    "podman": ("CONTAINER_HOST", "CONTAINER_CONNECTION"),
}


def apply(settings: dict[str, Any]) -> None:
    """Do what the options ask for that are the same for all commands. Raises UsageError."""
    if dialect := settings.get("dialect"):
        choice.ask(dialect)
    if level := settings.get("log_level"):
        _set_level(level)
    if settings.get("debug"):
        trace.enable()
    _refuse_elsewhere(settings)
    if settings.get("config"):
        os.environ["DOCKER_CONFIG"] = settings["config"]
    if modules := settings.get("module"):
        from rootless.store import paths

        paths.conf_modules[:] = [paths.conf_module(name) for name in modules]
    if target := os.devnull if settings.get("noout") else settings.get("out"):
        _print_to(target)
    if idle := sorted(settings.keys() - _MEANT):
        _tell(settings.get("root", ""), idle)


def _set_level(level: str) -> None:
    word = level.lower()
    if word in _DETAILED:
        trace.enable()
    elif word in _SILENT:
        output.warnings = False
    elif word not in _USUAL:
        known = ", ".join((*_DETAILED, *_USUAL, *_SILENT))
        raise UsageError(f"--log-level: there is no level {level!r}", f"one of {known}")


def _refuse_elsewhere(settings: dict[str, Any]) -> None:
    """Refuse another machine: what was meant for its containers must not meet ours.

    The variables of docker count where we are called docker, and so podman's: else they are meant
    for these programs themselves, which may be there as well.
    """
    host, context = _VARIABLES.get(choice.program(), ("", ""))
    if settings.keys().isdisjoint(("host", "url", "context")):
        _refuse_host(host, os.environ.get(host, ""))
        _refuse_context(context, os.environ.get(context, ""))
    for name in settings.get("host") or []:
        _refuse_host("--host", name)
    _refuse_host("--url", settings.get("url", ""))
    _refuse_context("--context", settings.get("context", ""))


def _refuse_host(said: str, place: str) -> None:
    if place and not place.startswith((*_LOCAL, "/")):
        raise UsageError(
            f"{said} {place}: there is no other machine to connect to",
            "containers run on this one",
        )


def _refuse_context(said: str, name: str) -> None:
    if name not in _HERE:
        raise UsageError(
            f"{said} {name}: there is no other machine to connect to",
            "containers run on this one; leave it out, or say `default`",
        )


def _print_to(path: str) -> None:
    """Make a file our standard output."""
    sys.stdout.flush()
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}") from error
    os.dup2(opened, 1)
    os.close(opened)


def _tell(root: str, idle: list[str]) -> None:
    """Say what was of no effect, unless it has been said since the machine has started."""
    from rootless.store.paths import Paths

    new = []
    for name in idle:
        option = "--" + name.replace("_", "-")
        try:
            path = f"{Paths(root).runtime}/told{option}"
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            continue
        except (Error, OSError):
            continue  # no place to remember it: better never than on each line
        new.append(option)
    if new:
        output.warn(f"{', '.join(new)}: of no effect here; this is said once")
