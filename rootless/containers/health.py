"""Health checks: what the image and the request ask for."""

from __future__ import annotations

from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from rootless.containers.request import Healthcheck


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


def probe(root: str, directory: str, kind: str) -> NoReturn:
    """Run a check: the name by which supervisors of the last release call it."""
    from rootless.containers.running.health import probe as run

    run(root, directory, kind)
