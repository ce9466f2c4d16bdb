"""Moments: as users write them, as documents have them (RFC 3339), and in docker's words."""

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
    try:
        return float(text)
    except ValueError:
        pass
    seconds = span(text)
    if seconds is not None:
        return time.time() - seconds
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError(
            f"{text!r} is no time", "10m, 2h30m, 2026-02-01T12:00:00Z or seconds since 1970"
        ) from None


def span(text: str) -> float | None:
    """Return the seconds of a span in Go's form (1h30m, 500ms, 0); None where it is none."""
    total = 0.0
    if text == "0":
        return total
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


def timestamp(text: object) -> float:
    """Return the seconds since the epoch of an RFC 3339 time; 0 for anything else.

    Own code because datetime and time.strptime are too slow to import for a listing.
    """
    if not isinstance(text, str) or len(text) < 20:
        return 0.0
    try:
        year, month, day = int(text[0:4]), int(text[5:7]), int(text[8:10])
        seconds = int(text[11:13]) * 3600 + int(text[14:16]) * 60 + float(text[17:19])
        rest = text[19:]
        digits = len(rest) - len(rest.lstrip(".0123456789"))
        if digits:
            seconds += float("0" + rest[:digits])
        return _days(year, month, day) * 86400 + seconds - _offset(rest[digits:])
    except ValueError:
        return 0.0


def _offset(zone: str) -> int:
    """Seconds east of UTC of `Z` or `+02:00`."""
    if zone in ("Z", "z"):
        return 0
    sign = {"+": 1, "-": -1}.get(zone[:1], 0)
    if not sign:
        raise ValueError("no time zone")
    return sign * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the proleptic Gregorian calendar; March starts the counted year."""
    if month <= 2:
        year, month = year - 1, month + 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day
    return days - 719469


def limit(text: str, *, ahead: bool) -> float:
    """Return the moment until which something is asked for; a span may lie `ahead` (podman)."""
    distance = span(text) if ahead else None
    return moment(text) + (2 * distance if distance is not None else 0.0)


def duration(seconds: float) -> str:
    """Return a span of time roughly, in docker's words: About a minute, 3 hours."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return _count(whole, "second")
    minutes = whole // 60
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    days = hours // 24
    if days < 14:
        return f"{days} days"
    if days < 60:
        return f"{days // 7} weeks"
    if days < 730:
        return f"{days // 30} months"
    return f"{whole // 3600 // 24 // 365} years"


def ago(moment: float) -> str:
    """Return how long ago `moment` was; N/A for 0, an unknown time."""
    return duration(max(0.0, time.time() - moment)) + " ago" if moment else "N/A"


def when(moment: float) -> str:
    """Return a local time as docker prints it: 2026-02-01 12:00:00 +0100 CET."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(moment))


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" + ("" if number == 1 else "s")


def stamp(nanoseconds: int) -> str:
    """Return a moment in local time as docker prints it: RFC 3339 with nanoseconds."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    local = time.localtime(seconds)
    zone = time.strftime("%z", local)
    return time.strftime("%Y-%m-%dT%H:%M:%S", local) + f".{rest:09d}{zone[:3]}:{zone[3:]}"


def now() -> str:
    """Return this moment as images' configurations have it: RFC 3339 in UTC, microseconds."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1000:06d}Z"


def utc(seconds: int) -> str:
    """Return a moment as images' configurations have it, where it is whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
