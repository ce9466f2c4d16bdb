"""stats: what containers use."""

from __future__ import annotations

import sys
import time

from rootless.cli import output
from rootless.cli.commands.watching import CLEAR
from rootless.cli.dialects import choice
from rootless.cli.dialects.shapes import go_duration
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
    from rootless.containers.container import Container
    from rootless.containers.running.usage import Usage
    from rootless.engine import Engine

HEADINGS = {
    "ID": "CONTAINER ID",
    "Container": "CONTAINER",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "NetPackets": "PACKETS",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
"""docker's columns, and the packets, which are for templates."""

COLUMNS = tuple(name for name in HEADINGS if name not in ("Container", "NetPackets"))


def stats(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    all: opt.All = False,  # noqa: A002 - the option's name
    interval: opt.StatsInterval = None,
    latest: opt.TheLatest = False,
    no_reset: opt.NoReset = False,
    no_stream: opt.NoStream = False,
    no_trunc: common.NoTrunc = False,
    format: common.Format = "",  # noqa: A002 - the option's name
) -> int:
    """Show what containers use, again and again.

    Processor, memory and disk of its processes, added up; bytes and packets that its own interface
    has received and sent.

    Examples:
        rootless stats
        rootless stats --no-stream --format '{{.Name}} {{.NetIO}}' web
    """
    from rootless.containers.running.usage import Usage

    if interval is None:
        interval = choice.current().every
    if interval < 1:
        raise UsageError(f"--interval {interval}: at least a second is wanted")
    if latest:
        from rootless.cli.commands.containers import choosing

        containers = choosing.named(engine, containers, {"latest": True})

    def chosen() -> list[Container]:
        if containers:
            return [engine.containers.get(name) for name in containers]
        return [one for one in engine.containers.list() if all or one.state().running]

    before = {one.id: Usage(one) for one in chosen()}
    try:
        while True:
            time.sleep(0.2 if no_stream else interval)
            now = {one.id: (one, Usage(one)) for one in chosen()}
            rows = [
                _row(one, usage, before.get(one.id, usage), full=no_trunc)
                for one, usage in now.values()
            ]
            if not (no_stream or no_reset) and sys.stdout.isatty():
                sys.stdout.write(CLEAR)
            output.show(rows, format, HEADINGS, COLUMNS)
            sys.stdout.flush()
            if no_stream:
                return 0
            before = {key: usage for key, (_, usage) in now.items()}
    except KeyboardInterrupt:
        return 0


def _row(container: Container, usage: Usage, before: Usage, *, full: bool) -> output.Row:
    from rootless.containers.running.usage import total_memory

    limit = total_memory()
    size = output.size
    shown = container.id if full else container.id[:12]
    row = output.Row(
        {
            "ID": shown,
            "Container": shown,
            "Name": container.name,
            "CPUPerc": f"{usage.cpu_since(before):.2f}%",
            "MemUsage": f"{size(usage.memory)} / {size(limit)}",
            "MemPerc": f"{100 * usage.memory / limit:.2f}%",
            "NetIO": f"{size(usage.received[0])} / {size(usage.sent[0])}",
            "NetPackets": f"{usage.received[1]} / {usage.sent[1]}",
            "BlockIO": f"{size(usage.read)} / {size(usage.written)}",
            "PIDs": str(usage.processes),
        }
    )
    row.further = _podman(container, usage, before, limit)
    return row


def _podman(container: Container, usage: Usage, before: Usage, limit: int) -> dict[str, Any]:
    """Return what podman has beyond that, as numbers; times in nanoseconds."""
    up = max(0.0, time.time() - usage.started) if usage.started else 0.0
    mean = 100 * usage.cpu / up if up else 0.0
    return {
        "AVGCPU": f"{mean:.2f}%",
        "AvgCPU": mean,
        "BlockInput": usage.read,
        "BlockOutput": usage.written,
        "ContainerID": container.id,
        "CPU": usage.cpu_since(before),
        "CPUNano": int(usage.cpu * 1e9),
        "CPUSystemNano": 0,
        "Duration": int(up * 1e9),
        "MemLimit": limit,
        "MemUsageBytes": f"{usage.memory} / {limit}",
        "NetInput": usage.received[0],
        "NetOutput": usage.sent[0],
        "PerCPU": None,
        "SystemNano": time.time_ns(),
        "Up": go_duration(up),
        "UpTime": go_duration(up),
    }
