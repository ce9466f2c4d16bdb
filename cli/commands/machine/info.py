"""info and version: what this program and this machine are."""

from __future__ import annotations

import os
import sys

import rootless
from rootless.cli import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.cli.options import common
    from rootless.engine import Engine

    Facts = dict[str, Any]

MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def version_line(engine: Engine) -> int:
    """Print the version as `docker --version` does, in one line."""
    output.say(f"rootless version {rootless.__version__}")
    return 0


def version(engine: Engine, *, format: common.ShortFormat = "") -> int:  # noqa: A002
    """Show the version.

    Examples:
        rootless version --format '{{.Client.Version}}'
    """
    kernel = os.uname()
    facts = {
        "Version": rootless.__version__,
        "PythonVersion": ".".join(map(str, sys.version_info[:3])),
        "Os": "linux",
        "Arch": MACHINES.get(kernel.machine, kernel.machine),
        "KernelVersion": kernel.release,
    }
    if format:
        # There is no server: scripts that ask for its version are told ours.
        output.show_one({"Client": facts, "Server": facts, **facts}, format)
        return 0
    output.say("Client: rootless")
    output.say(f" Version:    {facts['Version']}")
    output.say(f" Python:     {facts['PythonVersion']}")
    output.say(f" OS/Arch:    {facts['Os']}/{facts['Arch']}")
    output.say(f" Kernel:     {facts['KernelVersion']}")
    return 0


def info(engine: Engine, *, format: common.ShortFormat = "") -> int:  # noqa: A002
    """Show facts of the store and of this machine.

    Examples:
        rootless info --format '{{.Driver}} {{.Rootless.Mode}}'
    """
    from rootless.system import info as about

    facts = about.info(engine)
    if format:
        output.show_one(facts, format)
    else:
        _write(facts, "")
    return 0


def _write(facts: Facts, margin: str) -> None:
    """Print facts as `Key: value`, nested ones indented."""
    for key, value in facts.items():
        if isinstance(value, dict):
            output.say(f"{margin}{key}:")
            _write(value, margin + " ")
        elif isinstance(value, list):
            words = (" ".join(map(str, v)) if isinstance(v, list) else str(v) for v in value)
            output.say(f"{margin}{key}: {', '.join(words)}")
        elif key == "MemTotal":
            output.say(f"{margin}{key}: {value / 2**30:.4g}GiB")
        else:
            output.say(f"{margin}{key}: {value}")
