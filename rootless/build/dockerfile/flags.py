"""The flags of one instruction: each is asked for by its name, and what is left is unknown."""

from __future__ import annotations

from rootless.build.dockerfile.errors import suggestion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.dockerfile.errors import DockerfileError
    from rootless.build.dockerfile.nodes import Node

_UNITS = (
    ("ns", 1),
    ("us", 10**3),
    ("µs", 10**3),
    ("μs", 10**3),
    ("ms", 10**6),
    ("s", 10**9),
    ("m", 60 * 10**9),
    ("h", 3600 * 10**9),
)
"""Go's; the Greek letter and the sign for micro are two."""

_LEAST = 10**6
"""Nanoseconds of the shortest time of a health check."""


class Flags:
    """What an instruction is given with two hyphens."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.given: dict[str, list[str | None]] = {}
        for flag in node.flags:
            name, equals, value = flag[2:].partition("=")
            self.given.setdefault(name, []).append(value if equals else None)
        self.known: list[str] = []

    def _take(self, name: str) -> list[str | None]:
        self.known.append(name)
        return self.given.pop(name, [])

    def _wrong(self, name: str, reason: str, hint: str = "") -> DockerfileError:
        return self.node.error(f"{self.node.name} --{name}: {reason}", hint, f"--{name}")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the values of a flag that may be there several times."""
        values = self._take(name)
        if None in values:
            raise self._wrong(name, f"missing a value on flag {name}", f"--{name}=VALUE")
        return tuple(value for value in values if value is not None)

    def text(self, name: str) -> str:
        """Return the value of a flag; "" where it is not there."""
        values = self.texts(name)
        if len(values) > 1:
            raise self._wrong(name, f"duplicate flag specified: {name}", "one is enough")
        return values[0] if values else ""

    def truth(self, name: str) -> bool | None:
        """Return the value of a flag that needs none; None where it is not there."""
        values = self._take(name)
        if len(values) > 1:
            raise self._wrong(name, f"duplicate flag specified: {name}", "one is enough")
        if not values:
            return None
        value = "true" if values[0] is None else values[0].lower()
        if value not in ("true", "false"):
            reason = f"expecting a boolean value, not {values[0]!r}"
            raise self._wrong(name, reason, f"--{name}=true or --{name}=false")
        return value == "true"

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return the value of a flag that is one of a few words."""
        value = self.text(name)
        if value and value not in choices:
            hint = suggestion(value, choices) or f"it may be {', '.join(choices)}"
            raise self._wrong(name, f"invalid value {value!r}", hint)
        return value

    def number(self, name: str) -> int:
        """Return the value of a flag that is a number; 0 where it is not there."""
        value = self.text(name)
        if value and not (value.isascii() and value.isdigit() and int(value[:12]) < 2**31):
            raise self._wrong(name, f"invalid value {value!r}", "a number that is not negative")
        return int(value or "0")

    def duration(self, name: str) -> int:
        """Return the nanoseconds of a time in Go's form, 1m30s; 0 where it is not there."""
        value = self.text(name)
        time = nanoseconds(value) if value else 0
        if time is None:
            raise self._wrong(name, f"invalid duration {value!r}", "for example 30s or 1m30s")
        if 0 < time < _LEAST or time < 0:
            raise self._wrong(name, f"{value!r} is too short", "1ms is the shortest")
        return time

    def done(self) -> None:
        """Refuse what was not asked for."""
        for name in self.given:
            known = [f"--{one}" for one in self.known]
            hint = suggestion(f"--{name}", known)
            if not hint:
                hint = f"it has {', '.join(known)}" if known else "it has no flags"
            raise self.node.error(f"{self.node.name}: unknown flag: --{name}", hint, f"--{name}")


def nanoseconds(text: str) -> int | None:
    """Return the time that a text in Go's form means, exactly; None where it is none."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    total = 0
    while rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        whole, _, fraction = digits.partition(".")
        rest = rest[len(digits) :]
        unit = next(((name, size) for name, size in _UNITS if rest.startswith(name)), None)
        if unit is None or "." in fraction or not whole + fraction or len(digits) > 30:
            return None
        rest = rest[len(unit[0]) :]
        total += int(whole + fraction) * unit[1] // 10 ** len(fraction)
    return sign * total if text.lstrip("+-") and total < 2**63 else None
