"""Health checks: what the image and the request ask for."""

from __future__ import annotations

from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from rootless.containers.request import Healthcheck, HealthExtras


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


def refuse_lonely(check: Healthcheck | None, extras: HealthExtras) -> None:
    """Raise UsageError for what goes with a health check where there is none.

    One that was taken away is one here, as for podman: an image may have brought it.
    """
    if check is not None:
        return
    hint = f"{named('health_cmd')} makes one"
    if extras["on_failure"] != "none":
        cause = f"cannot set on-failure action to {extras['on_failure']} without a health check"
        raise UsageError(cause, hint, field="health.on_failure")
    if extras["startup"] is not None:
        cause = "a startup check comes before a health check, and there is none"
        raise UsageError(cause, hint, field="health.startup")


def probe(root: str, directory: str, kind: str) -> NoReturn:
    """Run a check: the name by which supervisors of the last release call it."""
    from rootless.containers.running.health import probe as run

    run(root, directory, kind)
