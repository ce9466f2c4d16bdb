"""The fields of --mount: one line of comma-separated values, KEY=VALUE each."""

from __future__ import annotations

from rootless.errors import UsageError, named
from rootless.values import boolean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_MOUNT = named("mount")


_SYNONYMS = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
    "chown": "U",
    "volume-nocopy": "nocopy",
    "image-subpath": "subpath",
    "volume-subpath": "subpath",
}

_SEVERAL = ("volume-label", "volume-opt")
"""Keys that may be given more than once: their values are separated by NUL."""


def fields_of(text: str) -> dict[str, str]:
    """Split the CSV of --mount into keys under their main names; no `=VALUE` counts as true."""
    result: dict[str, str] = {}
    for field in csv(text):
        key, equals, value = field.partition("=")
        key = key if key in ("U", "Z") else key.lower()
        if key == "rw":
            key, value = "readonly", "false" if boolean(value or "true", f"{_MOUNT} rw") else "true"
        key = _SYNONYMS.get(key, key)
        if key in _SEVERAL and key in result:
            value = f"{result.pop(key)}\0{value}"
        if not key or key in result:
            cause = f"{key} is given twice" if key else "invalid field"
            raise UsageError(f"{_MOUNT} {text}: {cause}", "type=bind,source=PATH,target=PATH")
        result[key] = value if equals or value else "true"
    return result


def csv(text: str) -> list[str]:
    """Split one line of RFC 4180, in which quotes protect commas: `"source=/a,b",target=/c`."""
    fields, rest = [], text
    while True:
        if rest.startswith('"'):
            field, rest = _quoted(rest[1:], text)
        else:
            comma = rest.find(",")
            end = len(rest) if comma < 0 else comma
            field, rest = rest[:end], rest[end:]
        fields.append(field)
        if not rest:
            return fields
        rest = rest[1:]


def _quoted(rest: str, text: str) -> tuple[str, str]:
    """The field up to its closing quote (two are one quote), and what follows it."""
    field = ""
    while True:
        before, quote, rest = rest.partition('"')
        field += before
        if not rest.startswith('"'):
            break
        field, rest = field + '"', rest[1:]
    if not quote or (rest and not rest.startswith(",")):
        raise UsageError(f'{_MOUNT} {text}: a " is missing or out of place')
    return field, rest


def switch(on: str, off: str) -> Callable[[str], str]:
    """Return what makes one of two words of -v of the value of a field."""
    return lambda value: on if boolean(value, _MOUNT) else off
