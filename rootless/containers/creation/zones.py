"""--tz: where this machine has the description of a time zone."""

from __future__ import annotations

import os

from rootless.errors import UsageError, named

ZONES = "/usr/share/zoneinfo"
LOCAL = "/etc/localtime"


def source(zone: str) -> str:
    """Return the file of a time zone, of that of this machine for `local`.

    Raises UsageError where there is none.
    """
    path = LOCAL if zone == "local" else f"{ZONES}/{zone}"
    if zone.startswith("/") or ".." in zone.split("/") or not os.path.isfile(path):
        where = "this machine's own is not set" if path == LOCAL else f"{ZONES} has none"
        raise UsageError(
            f"{named('timezone')}: unknown time zone {zone!r}: {where}",
            "for example Europe/Berlin, UTC or local; the package tzdata has them",
            field="timezone",
        )
    return path
