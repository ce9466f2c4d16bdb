"""What is kept of the results of health checks, and where else they are written.

All of it is in the dictionary `Checks`; charges of supervisors of before say nothing of it.
"""

from __future__ import annotations

import os

from rootless.oci.jsonio import dump_bytes
from rootless.times import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.runtime.supervision.health import Checks

COUNT = 5
"""How many results inspect shows, and how long each is, as docker."""
SIZE = 4096

MOST = 1 << 20
"""Bytes of a result that are read of one without a limit."""

LOCAL, EVENTS = "local", "events_logger"


def limit(checks: Checks) -> int:
    """Return how many bytes of what a check says are worth reading."""
    size = checks.get("log_size", SIZE)
    return 4 * size if 0 < 4 * size < MOST else MOST


def keep(checks: Checks, entry: dict[str, Any]) -> None:
    """Take a result in, within the limits of number and size."""
    size, count = checks.get("log_size", SIZE), checks.get("log_count", COUNT)
    if size:
        entry["output"] = entry["output"][:size]
    checks["log"] = [*checks["log"], entry][-count:]  # -0 is all of it


def write(checks: Checks, directory: str) -> None:
    """Write the results for whoever wants them in a directory of his own, in podman's words."""
    place = checks.get("log_to", LOCAL)
    if not place.startswith("/"):
        return
    value = {
        "Status": checks["status"],
        "FailingStreak": checks["failing"],
        "Log": [
            {
                "Start": stamp(int(entry["start"] * 1_000_000_000)),
                "End": stamp(int(entry["end"] * 1_000_000_000)),
                "ExitCode": entry["exit"],
                "Output": entry["output"],
            }
            for entry in checks["log"]
        ],
    }
    path = f"{place}/{os.path.basename(directory)}-healthcheck.log"
    try:
        with open(f"{path}.new", "wb") as file:
            file.write(dump_bytes(value))
        os.rename(f"{path}.new", path)
    except OSError:
        pass  # the directory is gone, or full: what inspect shows is elsewhere
