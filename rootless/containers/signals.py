"""Signals by number and by name."""

from __future__ import annotations

from rootless.errors import UsageError
from rootless.values import is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal


def signal_number(text: str) -> int:
    """Parse a signal: 9, KILL, SIGKILL, rtmin+3."""
    if is_number(text) and len(text) < 4:
        number = int(text)
        if 1 <= number <= int(_signal.SIGRTMAX):
            return number
        raise UsageError(f"invalid signal: {text}", f"signals are 1 to {int(_signal.SIGRTMAX)}")
    name = text.upper().removeprefix("SIG")
    for base, sign in (("RTMIN", "+"), ("RTMAX", "-")):
        distance = name.removeprefix(base + sign)
        if distance != name and is_number(distance) and len(distance) < 3:
            return _realtime(text, base, int(distance))
    found = getattr(_signal, "SIG" + name, None) if name.isalnum() and name.isascii() else None
    if not isinstance(found, int):
        raise UsageError(f"invalid signal: {text}", "signal(7) lists the names")
    return int(found)


def _realtime(text: str, base: str, distance: int) -> int:
    lowest, highest = int(_signal.SIGRTMIN), int(_signal.SIGRTMAX)
    number = lowest + distance if base == "RTMIN" else highest - distance
    if not lowest <= number <= highest:
        raise UsageError(f"invalid signal: {text}", "real-time signals are RTMIN to RTMIN+30")
    return number


def signal_name(number: int) -> str:
    """Name a signal as `inspect` shows it: SIGTERM, SIGRTMIN+3, or the number if it has no name."""
    for name in dir(_signal):
        if name.startswith("SIG") and name[3:].isalnum() and getattr(_signal, name) == number:
            return name if name not in ("SIGCLD", "SIGPOLL", "SIGIOT") else _SYNONYMS[name]
    if _signal.SIGRTMIN < number < _signal.SIGRTMAX:
        return f"SIGRTMIN+{number - int(_signal.SIGRTMIN)}"
    return str(number)


_SYNONYMS = {"SIGCLD": "SIGCHLD", "SIGPOLL": "SIGIO", "SIGIOT": "SIGABRT"}
