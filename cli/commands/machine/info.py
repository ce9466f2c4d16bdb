"""info and version: what this program and this machine are."""

from __future__ import annotations

import os
import sys

import rootless
from rootless.cli import output
from rootless.cli.dialects import choice
from rootless.system.host import MACHINES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.cli.options import common
    from rootless.engine import Engine


def version(engine: Engine, *, format: common.ShortFormat = "") -> int:  # noqa: A002
    """Show the version.

    Examples:
        rootless version --format '{{.Client.Version}}'
    """
    kernel = os.uname()
    dialect = choice.current()
    facts = {
        "Version": _release(),
        "RootlessVersion": rootless.__version__,
        "APIVersion": dialect.release,
        "PythonVersion": ".".join(map(str, sys.version_info[:3])),
        "Os": "linux",
        "Arch": MACHINES.get(kernel.machine, kernel.machine),
        "OsArch": f"linux/{MACHINES.get(kernel.machine, kernel.machine)}",
        "KernelVersion": kernel.release,
    }
    if format:
        # There is no server: scripts that ask for its version are told ours.
        output.show_one({"Client": facts, "Server": facts, **facts}, format)
        return 0
    output.say_lines(dialect.version(facts))
    return 0


def info(engine: Engine, *, format: common.ShortFormat = "") -> int:  # noqa: A002
    """Show facts of the store and of this machine.

    Templates know docker's fields and podman's.

    Examples:
        rootless info --format '{{.Driver}} {{.Rootless.Mode}}'
        rootless info --format '{{.Host.Arch}} {{.Store.GraphRoot}}'
    """
    from rootless.system import host
    from rootless.system import info as about

    dialect = choice.current()
    facts = about.info(engine)
    facts["ServerVersion"] = _release()
    others = host.info(engine, facts)
    others["version"] |= {"APIVersion": dialect.release, "Version": _release()}
    if not format:
        output.say_lines(dialect.info(facts, others))
        return 0
    others["host"] = _host(others["host"])
    first, second = (others, facts) if dialect.arrays else (facts, others)
    row = output.Row(first)
    row.further = second
    output.show_one(row, format)
    return 0


def _release() -> str:
    """Return the release that is told: docker's or podman's, where we are called so."""
    called = choice.program() in choice.NAMES
    return choice.current().release if called else rootless.__version__


def _host(facts: dict[str, Any]) -> output.Row:
    """Return podman's facts of the host, with its fields that are called otherwise in JSON."""
    security = output.Row(facts["security"])
    security.further = {"DefaultCapabilities": security["capabilities"]}
    row = output.Row({**facts, "security": security})
    row.further = {"CgroupsVersion": row["cgroupVersion"]}
    return row
