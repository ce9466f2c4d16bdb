"""Health checks: what the image and the options ask for."""

from __future__ import annotations

from rootless.errors import UsageError
from rootless.oci import jsonio
from rootless.times import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from rootless.containers.options import CreateOptions, Healthcheck, HealthExtras, StartupCheck

_SECOND = 1_000_000_000
_ACTIONS = ("none", "kill", "restart", "stop")

_TIMES = {
    "health_interval": "Interval",
    "health_timeout": "Timeout",
    "health_start_period": "StartPeriod",
    "health_start_interval": "StartInterval",
}
"""Option -> key in the image's configuration."""

_STARTUP = ("interval", "timeout", "retries", "success")


def check(asked: CreateOptions) -> tuple[Healthcheck, HealthExtras]:
    """Parse the options; only what was given is in the first part. Raises UsageError."""
    given: Healthcheck = {}
    for option, key in _TIMES.items():
        if text := asked.get(option):
            given[key] = _nanoseconds(str(text), option)  # type: ignore[literal-required]
    if asked.get("health_retries", 0) < 0:
        raise UsageError("--health-retries: a number of failures, 0 for the default")
    if asked.get("health_retries"):
        given["Retries"] = asked["health_retries"]
    if "health_cmd" in asked:
        given["Test"] = _test(asked["health_cmd"], "--health-cmd")
    if asked.get("no_healthcheck"):
        if given:
            raise UsageError("--no-healthcheck and --health-... exclude each other")
        given["Test"] = ["NONE"]
    action = asked.get("health_on_failure", "none") or "none"
    if action not in _ACTIONS:
        raise UsageError(f"--health-on-failure: unknown action {action!r}", ", ".join(_ACTIONS))
    if action == "restart" and asked.get("restart", "no") not in ("", "no"):
        raise UsageError("--health-on-failure restart and --restart exclude each other")
    return given, {"on_failure": action, "startup": _startup_check(asked)}


def _startup_check(asked: CreateOptions) -> StartupCheck | None:
    if "health_startup_cmd" not in asked:
        for name in _STARTUP:
            if asked.get(f"health_startup_{name}"):
                raise UsageError(f"--health-startup-{name} needs a --health-startup-cmd")
        return None
    return {
        "test": _test(asked["health_startup_cmd"], "--health-startup-cmd"),
        "interval": _nanoseconds(asked.get("health_startup_interval") or "30s", "") / _SECOND,
        "timeout": _nanoseconds(asked.get("health_startup_timeout") or "30s", "") / _SECOND,
        "retries": asked.get("health_startup_retries", 0),
        "successes": max(1, asked.get("health_startup_success", 0)),
    }


def compose(image: Healthcheck | None, given: Healthcheck) -> Healthcheck | None:
    """Return the check of a container: the image's with what was given; None where none is meant.

    Raises UsageError where only the details of a check are there.
    """
    merged: Healthcheck = {**(image or {}), **given}
    test = merged.get("Test") or []
    if not test:
        if given:
            raise UsageError("--health-... options need a --health-cmd: the image has no check")
        return None
    return merged


def _test(text: str, option: str) -> list[str]:
    """Parse a command: a shell's, or a JSON list of words (podman)."""
    if text.startswith("["):
        try:
            words = jsonio.loads(text)
        except ValueError:
            words = None
        if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
            return words if words[0] in ("NONE", "CMD", "CMD-SHELL") else ["CMD", *words]
    if not text.strip():
        raise UsageError(f"{option}: an empty command")
    return ["NONE"] if text == "none" else ["CMD-SHELL", text]


def _nanoseconds(text: str, option: str) -> int:
    seconds = span(text)
    if seconds is None or (0 < seconds < 0.001):
        name = option.replace("_", "-")
        raise UsageError(f"--{name}: {text!r} is no time of 1ms or more", "30s, 1m30s, 500ms")
    return int(seconds * _SECOND)


def probe(root: str, directory: str, kind: str) -> NoReturn:
    """Run a check: the name by which supervisors of the last release call it."""
    from rootless.containers.running.health import probe as run

    run(root, directory, kind)
