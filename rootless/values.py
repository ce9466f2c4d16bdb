"""The small languages of values: numbers, sizes, truth values, pairs, addresses, signals.

Each parser takes the text of one value and what it is called, which begins the message of the
UsageError for a text that makes no sense. Written without `re`, which would cost the start of each
container 5 ms.
"""

from __future__ import annotations

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

OWNER_ATTRIBUTE = "user.rootless.owner"
"""At a file what its owner was to be where the disk could not have it, as UID:GID."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where commands are looked for when nobody says."""

_BINARY_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


def is_number(text: str) -> bool:
    """Whether `text` is ASCII digits only (`str.isdigit` also takes superscripts)."""
    return text.isascii() and text.isdigit()


def boolean(text: str, name: str) -> bool:
    """Parse a truth value as Go's strconv.ParseBool does, which docker and podman use."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise UsageError(f"{name}: {text!r} is neither true nor false")


def is_usable(value: object) -> bool:
    """Whether all strings in a value can be passed to a process: no NUL, no half of a pair.

    execve(2) and paths end at a NUL; and JSON can hold half a surrogate pair, which has no bytes.
    """
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += [*item, *item.values()]
        elif isinstance(item, (list, tuple)):
            left += item
        elif isinstance(item, str) and not item.isascii():
            try:
                item.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                return False
        if isinstance(item, str) and "\0" in item:
            return False
    return True


def size(text: str, name: str) -> int:
    """Parse a number of bytes with an optional fraction and a binary unit: 64m, 1.5g, 512KiB."""
    lower = text.strip().lower()
    number = lower.rstrip("bikmgtp")
    unit = lower[len(number) :]
    for suffix in ("ib", "b"):
        if unit.endswith(suffix):
            unit = unit[: -len(suffix)]
            break
    whole, point, fraction = number.strip().partition(".")
    digits = whole + fraction
    if not is_number(digits) or (point and not fraction) or len(digits) > 30:
        raise UsageError(f"{name}: invalid size {text!r}", "for example 512k, 64m or 1.5g")
    if unit not in _BINARY_UNITS:
        raise UsageError(f"{name}: unknown unit in {text!r}", "the units are b, k, m, g, t, p")
    result: int = (int(digits) << _BINARY_UNITS[unit]) // 10 ** len(fraction)
    if result >= 2**63:
        raise UsageError(f"{name}: {text!r} is too large")
    return result


def pair(text: str, name: str, *, needs_value: bool = False) -> tuple[str, str]:
    """Parse KEY=VALUE, or KEY alone for an empty value unless `needs_value`."""
    key, equals, value = text.partition("=")
    if not key or (needs_value and not equals):
        raise UsageError(f"{name}: invalid format {text!r}", "it must be KEY=VALUE")
    return key, value


def is_host_name(text: str) -> bool:
    """Whether `text` can stand in /etc/hosts as a name: no blanks, at most 253 characters."""
    return 0 < len(text) < 254 and text.isprintable() and not set(text) & set(" /:;=#'\"\\")


def check_addresses(addresses: list[str], name: str) -> None:
    """Raises UsageError for the first that is no IP address."""
    for address in addresses:
        if not is_address(address):
            raise UsageError(f"{name}: {address!r} is no IP address")


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    import _socket  # `ipaddress` would import re and functools

    for family in (_socket.AF_INET, _socket.AF_INET6):
        try:
            _socket.inet_pton(family, text)
        except (OSError, ValueError):  # ValueError: a NUL or surrogate in the text
            continue
        return True
    return False


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


def checked_signal(number: int) -> int:
    """Return the number of a signal. Raises UsageError for what is none."""
    if not (isinstance(number, int) and 1 <= number <= int(_signal.SIGRTMAX)):
        raise UsageError(
            f"invalid signal: {number!r:.60}", f"signals are 1 to {int(_signal.SIGRTMAX)}"
        )
    return number


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
