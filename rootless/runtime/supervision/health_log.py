"""What is kept of the results of health checks, and where else they are written."""

from __future__ import annotations

from rootless.oci.jsonio import dump_bytes
from rootless.store import outside
from rootless.times import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Log = list[dict[str, Any]]

COUNT = 5
"""How many results inspect shows, and how long each is, as docker."""
SIZE = 4096

MOST = 1 << 20
"""Bytes of a result that are read of one without a limit."""

WHOLE = 1 << 20
"""Bytes of all results together, as they are written down: what is older than these goes."""

EVENTS = "events_logger"


def limit(size: int) -> int:
    """Return how many bytes of what a check says are worth reading, for `size` characters."""
    return 4 * size if 0 < 4 * size < MOST else MOST


def kept(log: Log, entry: dict[str, Any], *, count: int, size: int) -> Log:
    """Return the results with one more, within the limits of number and size; 0 is none.

    Without limits they stay within WHOLE, and so does the last one, which is always there: what it
    says is cut off where bytes that JSON has to escape, six for one, would take more.
    """
    if size:
        entry["output"] = entry["output"][:size]
    while (took := len(dump_bytes(entry))) > WHOLE and entry["output"]:
        entry["output"] = entry["output"][: len(entry["output"]) * WHOLE // took - 1]
    found = [*log, entry][-count:]  # -0 is all of it
    room = WHOLE - len(dump_bytes(entry))
    for place in range(len(found) - 2, -1, -1):
        room -= len(dump_bytes(found[place]))
        if room < 0:
            return found[place + 1 :]
    return found


def write(path: str, results: dict[str, Any]) -> None:
    """Write the results for whoever wants them in a directory of his own, in podman's words."""
    value = {
        "Status": results["status"],
        "FailingStreak": results["failing"],
        "Log": [
            {
                "Start": stamp(int(entry["start"] * 1_000_000_000)),
                "End": stamp(int(entry["end"] * 1_000_000_000)),
                "ExitCode": entry["exit"],
                "Output": entry["output"],
            }
            for entry in results["log"]
        ],
    }
    try:
        outside.replace(path, dump_bytes(value))
    except OSError:
        pass  # the directory is gone, or full: what inspect shows is elsewhere
