"""The options of `update` -> what is to be changed of a container."""

from __future__ import annotations

from rootless.containers.words import environment, health, values
from rootless.containers.words.request import apart
from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from rootless.containers.running.updating import Changes
    from rootless.containers.words.asked import Asked


def changes(asked: Asked, environ: Mapping[str, str]) -> Changes:
    """Return what options ask for that are `run`'s as well. Raises UsageError."""
    found: Changes = {}
    if "restart" in asked:
        found["restart"] = values.restart(asked["restart"])
    if "ulimit" in asked:
        limits = [values.ulimit(text) for text in apart(asked["ulimit"])]
        found["rlimits"] = [limit for limit in limits if limit is not None]
    if "env" in asked or "unsetenv" in asked:
        gone: list[list[str | None]] = [[name, None] for name in asked.get("unsetenv", ())]
        found["environment"] = [*gone, *environment.changes(asked, environ, ".")]
    if any("health" in option for option in asked):
        given, extras = health.parse(asked)
        if given:
            found["healthcheck"] = given
        said = {"on_failure": "health_on_failure", "startup": "health_startup_cmd"}
        if more := {key: extras[key] for key, option in said.items() if option in asked}:  # type: ignore[literal-required]
            found["health"] = more
        if not (given or "health" in found):
            raise UsageError(f"{named('health_...')}: nothing to change")
    return found
