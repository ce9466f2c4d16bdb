"""Moments as users write them: a span before now, seconds since the epoch, a date."""

from __future__ import annotations

import time

from rootless.errors import UsageError

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
"""Go's units of time, as docker takes them."""


def moment(text: str) -> float:
    """Return the seconds since the epoch that `text` means: 10m, 1h30m, 1700000000.5, a date.

    Dates as RFC 3339 or a beginning of it; without a zone they are local.
    Raises UsageError.
    """
    seconds = span(text)
    if seconds is not None:
        return time.time() - seconds
    try:
        return float(text)
    except ValueError:
        pass
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError(
            f"{text!r} is no time", "10m, 2h30m, 2026-02-01T12:00:00Z or seconds since 1970"
        ) from None


def span(text: str) -> float | None:
    """Return the seconds of a span in Go's form (1h30m, 500ms); None where it is none."""
    total = 0.0
    rest = text
    while rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(digits) :]
        unit = rest[: len(rest) - len(rest.lstrip("nuµmsh"))]
        # "1h30m": the run of letters ends where digits begin, so it is one unit.
        if not digits or unit not in _SECONDS or digits.count(".") > 1 or digits == ".":
            return None
        total += float(digits) * _SECONDS[unit]
        rest = rest[len(unit) :]
    return total if text else None
