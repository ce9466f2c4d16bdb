"""Health checks of a running container: what its supervisor is told, a check, its results."""

from __future__ import annotations

import os
import struct
import sys

from rootless.containers.creation.choices import NEVER
from rootless.containers.handle import Handle
from rootless.containers.record import read
from rootless.errors import Error, HostError
from rootless.runtime.supervision import streams
from rootless.store import records
from rootless.store.paths import Paths
from rootless.times import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from rootless.containers.record import Record
    from rootless.runtime.supervision.health import Checks

_SECOND = 1_000_000_000

_TIMES = {"Interval": "30s", "Timeout": "30s", "StartPeriod": "0s", "StartInterval": "5s"}
"""Key of a check -> docker's default for what is 0 there."""

_CHECK_PATIENCE = 40
"""Seconds that a supervisor has beyond the time of a check: docker's default, and a little more."""


def checks(record: Record) -> Checks:
    """Return the check of `record`, which has one, as its supervisor wants it."""
    config, extras = record["healthcheck"] or {}, record["health"]
    seconds: dict[str, float] = {}
    for key, default in _TIMES.items():
        value = config.get(key)
        known = isinstance(value, int) and value > 0  # it may come from an image
        seconds[key] = float(value) / _SECOND if known else span(default) or 0.0  # type: ignore[arg-type]
    if config.get("Interval") == NEVER:
        seconds["StartInterval"] = seconds["Interval"]
    retries = config.get("Retries")
    startup, log = extras["startup"], record["request"]["health_log"]
    return {
        "interval": seconds["Interval"],
        "timeout": seconds["Timeout"],
        "start_period": seconds["StartPeriod"],
        "start_interval": seconds["StartInterval"],
        "retries": retries if isinstance(retries, int) and retries > 0 else 3,
        "action": extras["on_failure"],
        "startup": None
        if startup is None
        else {
            "interval": startup["interval"],
            "timeout": startup["timeout"],
            "retries": startup["retries"],
            "successes": startup["successes"],
            "failing": 0,
            "passed": 0,
        },
        "status": "starting",
        "failing": 0,
        "log": [],
        "began": 0.0,
        "due": 0.0,
        "log_to": log["destination"],
        "log_count": log["count"],
        "log_size": log["size"],
    }


def probe(root: str, directory: str, kind: str) -> NoReturn:
    """In a process of its own: run the check inside and end with its exit code."""
    from rootless.containers.running.ends import Ends
    from rootless.containers.running.execution import check_health
    from rootless.runtime.launch.command import code_of_failure

    code = 1
    try:
        record = read(directory)
        test = (record["healthcheck"] or {}).get("Test", [])
        if kind == "startup" and record["health"]["startup"] is not None:
            test = record["health"]["startup"]["test"]
        command = words(test)
        code = check_health(Handle(Paths(root), record), command, Ends(-1, 1, 2))
    except Error as error:
        print(error, file=sys.stderr)
        code = code_of_failure(error)
    finally:
        sys.stderr.flush()
        os._exit(code)


def words(test: list[str]) -> list[str]:
    """Return the command of a check. A list without docker's first word is one, as for podman.

    Where there is none any more, it is one that succeeds: a supervisor of before goes on to ask.
    """
    if test[:1] == ["NONE"]:
        return ["/bin/sh", "-c", ":"]
    if test[:1] == ["CMD-SHELL"]:
        return ["/bin/sh", "-c", *test[1:]]
    return test[1:] if test[:1] == ["CMD"] else test


def result(directory: str) -> dict[str, Any]:
    """Return the last results of a container: status, failing, log; empty before the first."""
    try:
        value: dict[str, Any] = records.read_record(f"{directory}/health.json")
    except (FileNotFoundError, Error):
        return {}
    kinds = (("status", str), ("failing", int), ("log", list))
    return value if all(isinstance(value.get(key), kind) for key, kind in kinds) else {}


def ask(container: Handle) -> int:
    """Have the supervisor run the health check now; return its exit code. Raises HostError."""
    from rootless.containers.running.attach import answer, connect

    stream = connect(container, streams.CHECK)
    check, startup = container.record["healthcheck"] or {}, container.record["health"]["startup"]
    longest = (check.get("Timeout") or 0) / 1_000_000_000 + _CHECK_PATIENCE
    if startup is not None:
        longest += startup["timeout"]
    try:
        said = answer(container, stream, streams.HEADER + 4, longest)
    finally:
        stream.close()
    frames = streams.Reader().feed(said)
    if not frames or len(frames[0][1]) != 4:
        raise HostError(f"the health check of container {container.name} came to no end")
    return int(struct.unpack(">i", frames[0][1])[0])
