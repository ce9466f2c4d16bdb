"""update: what a container is to be, changed after it was made, and as far as it can while it runs.

Its record is changed, which the next start goes by. Its supervisor looks at the restart policy
when it ends, and at the details of health checks before the next one.
"""

from __future__ import annotations

import os

from rootless.containers import health
from rootless.containers.creation import conflicts
from rootless.containers.creation.create import restart_of
from rootless.containers.creation.environment import changed
from rootless.containers.record import has_check, write
from rootless.containers.request import request as usual
from rootless.containers.running.attach import connect
from rootless.containers.running.health import checks
from rootless.errors import HostError, StoreError
from rootless.runtime.supervision import streams
from rootless.runtime.supervision.restart import CHECKS, OFF, UPDATED, forget_checks
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    from rootless.containers.collection import Containers
    from rootless.containers.handle import Handle
    from rootless.containers.record import Record
    from rootless.containers.request import Healthcheck, Request, Restart
    from rootless.runtime.spec import Rlimit

    class Changes(TypedDict, total=False):
        """What is to be otherwise; a key that is not there stays as it is."""

        restart: Restart
        healthcheck: Healthcheck
        """What it says otherwise than now."""
        health: dict[str, Any]
        """on_failure and startup, of HealthExtras."""
        health_log: dict[str, Any]
        """What HealthLog says otherwise than now."""
        rlimits: list[Rlimit]
        """Those of other kinds stay."""
        environment: list[list[str | None]]
        """[name, value] after those that are there; None takes one away."""


_OF_CHECKS = {"healthcheck", "health", "health_log"}


def change(containers: Containers, ref: str, changes: Changes) -> list[str]:
    """Change the container that `ref` means; return what a user should know of it.

    Raises what finding it raises, UsageError for what cannot be, StoreError.
    """
    container = containers.get(ref)
    held = container.lock()
    try:
        container = containers.get(container.id)  # as it is now
        record = container.record
        checked = has_check(record)
        request = _wanted(record, changes)
        conflicts.check(request, parsed=True)
        _apply(record, request, changes)
        if not container.state(locked=True).active:
            forget_checks(container.directory)  # of a supervisor that was killed
            write(container.directory, record)
            return []
        if "restart" in changes:
            _mark(container)  # first: where it cannot be, nothing has changed
        write(container.directory, record)
        return _tell(container, changes, checked=checked)
    finally:
        os.close(held)


def _wanted(record: Record, changes: Changes) -> Request:
    """Return the request of before with what is changed."""
    request: Request = {**usual(""), **record["request"]}
    if "restart" in changes:
        request["restart"] = changes["restart"]
    if "healthcheck" in changes:
        request["healthcheck"] = {**request["healthcheck"], **changes["healthcheck"]}
    if "health" in changes:
        request["health"] = {**request["health"], **changes["health"]}  # type: ignore[typeddict-item]
    if "health_log" in changes:
        request["health_log"] = {**request["health_log"], **changes["health_log"]}  # type: ignore[typeddict-item]
    if "rlimits" in changes:
        request["rlimits"] = _limits(request["rlimits"], changes["rlimits"])
    if "environment" in changes:
        request["environment"] = [*request["environment"], *changes["environment"]]
    return request


def _apply(record: Record, request: Request, changes: Changes) -> None:
    """Make of a record one that is as `request` wants it. Raises UsageError."""
    process = record["spec"]["process"]
    if "healthcheck" in changes:
        record["healthcheck"] = health.compose(record["healthcheck"], changes["healthcheck"])
    record["health"] = request["health"]
    if changes.keys() & _OF_CHECKS:
        health.refuse_lonely(record["healthcheck"], record["health"])
    record["restart"] = restart_of(request["restart"])
    process["rlimits"] = _limits(process["rlimits"], changes.get("rlimits", []))
    if "environment" in changes:
        pairs = (text.partition("=") for text in process["env"])
        known = {name: value for name, _, value in pairs}
        process["env"] = changed(known, changes["environment"])
    record["request"] = request


def _limits(before: list[Rlimit], new: list[Rlimit]) -> list[Rlimit]:
    kinds = {limit["type"] for limit in new}
    return [*(limit for limit in before if limit["type"] not in kinds), *new]


def _mark(container: Handle) -> None:
    """Have the supervisor read the restart policy at the end. Raises StoreError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    try:
        os.close(os.open(f"{container.directory}/{UPDATED}", flags, 0o600))
    except OSError as error:
        raise StoreError(
            f"cannot change the restart policy of container {container.name}: {error.strerror}",
            records.remedy(error),
        ) from error


def _tell(container: Handle, changes: Changes, *, checked: bool) -> list[str]:
    """Let the supervisor know; return what it cannot do before the next start.

    `checked` is whether the container had a health check before.
    """
    later: list[str] = [key for key in ("rlimits", "environment") if key in changes]
    remains = has_check(container.record)
    if changes.keys() & _OF_CHECKS and (checked or remains):
        wanted = {**checks(container.record), **({} if remains else {OFF: True})}
        records.write_record(container.directory, CHECKS, wanted, durable=False)
        _check_now(container)
    if checked and remains and "startup" in changes.get("health", {}):
        later.append("startup")
    names = {"rlimits": "limits", "environment": "variables", "startup": "startup check"}
    what = " and ".join(names[key] for key in later)
    come = "comes" if later == ["startup"] else "come"
    if not what:
        return []
    return [f"container {container.name} runs: new {what} {come} with its next start"]


def _check_now(container: Handle) -> None:
    """Have a check made: what comes after it is by the new times. Nobody waits for its result."""
    try:
        connect(container, streams.CHECK).close()
    except HostError:
        pass  # it has just ended
