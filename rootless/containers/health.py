"""Health checks from this side: what the image and the request ask for, and running one."""

from __future__ import annotations

import os
import sys

from rootless.containers.record import read
from rootless.errors import Error, UsageError, named
from rootless.store import records
from rootless.store.paths import Paths
from rootless.times import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from rootless.containers.record import Record
    from rootless.containers.request import Healthcheck
    from rootless.runtime.supervision.health import Checks

_SECOND = 1_000_000_000

_TIMES = {"Interval": "30s", "Timeout": "30s", "StartPeriod": "0s", "StartInterval": "5s"}
"""Key in the image's configuration -> docker's default for what is 0 there."""


def compose(image: Healthcheck | None, given: Healthcheck) -> Healthcheck | None:
    """Return the check of a container: the image's with what was given; None where none is meant.

    Raises UsageError where only the details of a check are there.
    """
    merged: Healthcheck = {**(image or {}), **given}
    test = merged.get("Test") or []
    if not test:
        if given:
            raise UsageError(
                f"{named('health_...')} options need a {named('health_cmd')}: "
                "the image has no check",
                field="healthcheck",
            )
        return None
    return merged


def checks(record: Record) -> Checks:
    """Return the check of `record`, which has one, as its supervisor wants it."""
    config, extras = record["healthcheck"] or {}, record["health"]
    seconds: dict[str, float] = {}
    for key, default in _TIMES.items():
        value = config.get(key)
        known = isinstance(value, int) and value > 0  # it may come from an image
        seconds[key] = float(value) / _SECOND if known else span(default) or 0.0  # type: ignore[arg-type]
    retries = config.get("Retries")
    startup = extras["startup"]
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
    }


def probe(root: str, directory: str, kind: str) -> NoReturn:
    """In a process of its own: run the check inside and end with its exit code."""
    from rootless.containers.container import Container
    from rootless.runtime.launch.command import code_of_failure

    code = 1
    try:
        record = read(directory)
        test = (record["healthcheck"] or {}).get("Test", [])
        if kind == "startup" and record["health"]["startup"] is not None:
            test = record["health"]["startup"]["test"]
        command = test[1:]
        if test[:1] == ["CMD-SHELL"]:
            command = ["/bin/sh", "-c", *command]
        code = Container(Paths(root), record).execute(command, dies=True)
    except Error as error:
        print(error, file=sys.stderr)
        code = code_of_failure(error)
    finally:
        sys.stderr.flush()
        os._exit(code)


def result(directory: str) -> dict[str, Any]:
    """Return the last results of a container: status, failing, log; empty before the first."""
    try:
        value: dict[str, Any] = records.read_record(f"{directory}/health.json")
    except (FileNotFoundError, Error):
        return {}
    return value
