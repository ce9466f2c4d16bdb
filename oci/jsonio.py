"""JSON at a third of the price of `import json`.

The `json` package imports `re`, `enum` and `functools`, about 8 ms on a machine where the
interpreter itself starts in 10. CPython's accelerator module `_json` does the whole work
without them, so the commands that start containers use it directly. Where it is missing
(another Python), or where a document is damaged and deserves a good message, `json` serves.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

try:
    from _json import encode_basestring, make_encoder, make_scanner
except ImportError:  # pragma: no cover - not CPython
    make_scanner = None  # type: ignore[assignment, misc]


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):  # such as 1e999, and could not be written again
        raise ValueError(f"{text[:20]} is too large a number")
    return value


class _Scanner:
    """The attributes that `_json.make_scanner` reads from its context (CPython Modules/_json.c)."""

    strict = True
    object_hook = None
    object_pairs_hook: Callable[[list[tuple[str, Any]]], dict[str, Any]] | None = None
    parse_float = _finite
    parse_int = int
    parse_constant = _no_constant
    memo: dict[str, str] = {}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


class _OnceScanner(_Scanner):
    """The same for documents whose keys may be there once only."""

    object_pairs_hook = staticmethod(_once)


_scan: Any = None if make_scanner is None else make_scanner(_Scanner)  # type: ignore[arg-type]

MAX_DEPTH = 100
"""How deep documents may nest; real ones have a tenth of it. Some thousands are more than readers
and writers of JSON take, and a document that can be read must be one that can be written again."""


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def loads(text: str | bytes, *, once: bool = False) -> Any:
    """Return the value of a JSON document; with `once` no object may have a key twice.

    Raises ValueError (json.JSONDecodeError) when it is none, or nests too deep.
    """
    if isinstance(text, bytes):
        # The inverse of dump_bytes: arguments and file names of Linux need not be UTF-8.
        text = text.decode("utf-8", "surrogateescape")
    if _scan is not None:
        stripped = text.strip(" \t\r\n")
        try:
            scan = make_scanner(_OnceScanner) if once else _scan  # type: ignore[arg-type]
            value, end = scan(stripped, 0)
        except (StopIteration, SystemError, ValueError, RecursionError):
            pass  # the accelerator leaves the message to the package: parsed again below
        else:
            if end == len(stripped):
                return _shallow(value, text)
    import json

    try:
        hook = _once if once else None
        value = json.loads(
            text, parse_float=_finite, parse_constant=_no_constant, object_pairs_hook=hook
        )
        return _shallow(value, text)
    except RecursionError:
        raise ValueError(f"it nests deeper than {MAX_DEPTH} levels") from None


def _shallow(value: Any, text: str) -> Any:
    """Return `value`, which `text` holds. Raises ValueError where it nests too deep."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return value
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = [one.values() if type(one) is dict else one for one in level]
        level = [one for each in inner for one in each if type(one) in (dict, list)]
        if not level:
            return value
    raise ValueError(f"it nests deeper than {MAX_DEPTH} levels")


def dumps(value: object, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Return `value` as JSON text: compact, or indented as docker and podman print it.

    Raises TypeError for what JSON cannot hold.
    """
    if indent is not None or make_scanner is None:
        import json

        return json.dumps(value, indent=indent, sort_keys=sort_keys, ensure_ascii=False)
    # markers={} makes the encoder refuse a structure that contains itself.
    encoder = make_encoder({}, _refuse, encode_basestring, None, ":", ",", sort_keys, False, True)
    return "".join(encoder(value, 0))


def dump_bytes(value: object) -> bytes:
    """Return `value` as compact UTF-8 JSON with a final newline, as records are stored."""
    return dumps(value).encode("utf-8", "surrogateescape") + b"\n"
