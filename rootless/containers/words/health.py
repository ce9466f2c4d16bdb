"""--health-cmd and its kin: how a container is asked whether it is well."""

from __future__ import annotations

import os

from rootless.containers.creation.choices import FAILURE_ACTIONS, NEVER
from rootless.containers.request import request
from rootless.errors import UsageError, named
from rootless.oci import jsonio
from rootless.times import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.request import Healthcheck, HealthExtras, HealthLog, StartupCheck
    from rootless.containers.words.asked import Asked

_SECOND = 1_000_000_000
_DISABLED = "disable"
"""podman: no check comes by itself, `healthcheck run` makes one."""
_STARTUP = ("interval", "timeout", "retries", "success")

_TIMES = {
    "health_interval": "Interval",
    "health_timeout": "Timeout",
    "health_start_period": "StartPeriod",
    "health_start_interval": "StartInterval",
}
"""Option -> key in the image's configuration."""


def parse(asked: Asked) -> tuple[Healthcheck, HealthExtras]:
    """Parse the options; only what was given is in the first part. Raises UsageError."""
    given: Healthcheck = {}
    for option, key in _TIMES.items():
        if text := asked.get(option):
            given[key] = _nanoseconds(str(text), option)  # type: ignore[literal-required]
    if asked.get("health_retries", 0) < 0:
        raise UsageError(f"{named('health_retries')}: a number of failures, 0 for the default")
    if asked.get("health_retries"):
        given["Retries"] = asked["health_retries"]
    if text := asked.get("health_cmd"):  # "" is none, to docker and to podman
        given["Test"] = _test(text, "health_cmd")
    if asked.get("no_healthcheck"):
        if given:
            options = f"{named('no_healthcheck')} and {named('health_...')}"
            raise UsageError(f"{options} exclude each other")
        given["Test"] = ["NONE"]
    action = asked.get("health_on_failure", "none") or "none"
    if action not in FAILURE_ACTIONS:
        cause = f"{named('health_on_failure')}: unknown action {action!r}"
        raise UsageError(cause, ", ".join(FAILURE_ACTIONS))
    return given, {"on_failure": action, "startup": _startup_check(asked)}


def log(asked: Asked, base: str) -> HealthLog:
    """Parse --health-log-destination and its kin; a relative directory is below `base`."""
    found = request("")["health_log"]
    place = asked.get("health_log_destination") or found["destination"]
    found["destination"] = (
        place
        if place in ("local", "events_logger")
        else os.path.realpath(os.path.join(base, place))
    )
    for option, key in (("health_max_log_count", "count"), ("health_max_log_size", "size")):
        number = asked.get(option, found[key])  # type: ignore[literal-required]
        if not isinstance(number, int) or number < 0:
            raise UsageError(f"{named(option)}: a number, 0 for no limit")
        found[key] = number  # type: ignore[literal-required]
    return found


def _startup_check(asked: Asked) -> StartupCheck | None:
    if "health_startup_cmd" not in asked:
        for name in _STARTUP:
            if asked.get(f"health_startup_{name}"):
                option = named(f"health_startup_{name}")
                raise UsageError(f"{option} needs a {named('health_startup_cmd')}")
        return None
    return {
        "test": _test(asked["health_startup_cmd"], "health_startup_cmd"),
        "interval": _startup_seconds(asked, "health_startup_interval"),
        "timeout": _startup_seconds(asked, "health_startup_timeout"),
        "retries": asked.get("health_startup_retries", 0),
        "successes": max(1, asked.get("health_startup_success", 0)),
    }


def _startup_seconds(asked: Asked, option: str) -> float:
    text = str(asked.get(option) or "30s")
    return _nanoseconds(text, option) / _SECOND


def _test(text: str, option: str) -> list[str]:
    """Parse a command: a shell's, or a JSON list of words (podman)."""
    if text.startswith("["):
        try:
            words = jsonio.loads(text)
        except ValueError:
            words = None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            if words[:1] == ["NONE"]:
                return ["NONE"]
            if words[:1] in (["CMD"], ["CMD-SHELL"]) and len(words) > 1:
                return words
            if words and words[0] not in ("CMD", "CMD-SHELL"):
                return ["CMD", *words]
            text = ""
    if not text.strip():
        hint = f"a line for a shell, such as 'test -e /ready'; {named('no_healthcheck')} for none"
        raise UsageError(f"{named(option)}: an empty command", hint)
    return ["NONE"] if text == "none" else ["CMD-SHELL", text]


def _nanoseconds(text: str, option: str) -> int:
    if text == _DISABLED and option.endswith("_interval"):
        return NEVER
    seconds = span(text)
    if seconds is None or (0 < seconds < 0.001):
        raise UsageError(
            f"{named(option)}: {text!r} is no time of 1ms or more", "30s, 1m30s, 500ms"
        )
    return int(seconds * _SECOND)
