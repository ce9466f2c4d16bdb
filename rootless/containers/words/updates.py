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


def changes(asked: Asked, environ: Mapping[str, str], base: str = ".") -> Changes:
    """Return what options ask for that are `run`'s as well. Raises UsageError.

    A relative path is one of `base`.
    """
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
        found.update(_of_checks(asked, base))
    return found


_LOG = {
    "health_log_destination": "destination",
    "health_max_log_count": "count",
    "health_max_log_size": "size",
}


def _of_checks(asked: Asked, base: str) -> Changes:
    found: Changes = {}
    given, extras = health.parse(asked)
    if given:
        found["healthcheck"] = given
    said = {"on_failure": "health_on_failure", "startup": "health_startup_cmd"}
    if more := {key: extras[key] for key, option in said.items() if option in asked}:  # type: ignore[literal-required]
        found["health"] = more
    log = health.log(asked, base)
    if kept := {key: log[key] for option, key in _LOG.items() if option in asked}:  # type: ignore[literal-required]
        found["health_log"] = kept
    if found:
        return found
    # What `run` takes for the default says nothing of what is to be otherwise.
    option = next(option for option in asked if "health" in option)
    value = asked[option]  # type: ignore[literal-required]
    raise UsageError(f"{named(option)} {value or repr(value)}: that changes nothing", _hint(value))


def _hint(value: object) -> str:
    if value == 0:
        return "the number is one from 1 on"
    return f"{named('no_healthcheck')} takes a check away"
