"""TOML that is written plainly, read without `re`: what nearly every containers.conf holds.

tomllib takes as long to be imported as the rest of a start. What is not understood here, be it
wrong or only unusual, is left to it: then it has the good message. A test holds both to the same
answer.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


class _NotPlain(Exception):
    """This file is for tomllib."""


def loads(text: str) -> dict[str, Any] | None:
    """Return what a file holds; None where tomllib shall read it."""
    if not text.replace("\n", "").replace("\t", "").isprintable():
        return None
    try:
        # Most lines of most files are comments.
        return _document([line for line in text.split("\n") if line[:1] != "#"])
    except _NotPlain:
        return None


def _document(lines: list[str]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    table, headers, at = document, set(), 0
    while at < len(lines):
        line = lines[at].strip(" \t")
        at += 1
        if not line or line[0] == "#":
            continue
        if line[0] == "[":
            name, bracket, rest = line[1:].partition("]")
            _expect_end(rest)
            if not bracket or name in headers:
                raise _NotPlain
            headers.add(name)
            table = _table(document, name)
            continue
        key, equals, rest = line.partition("=")
        key, rest = key.strip(" \t"), rest.lstrip(" \t")
        if not (equals and key and _BARE.issuperset(key)) or key in table:
            raise _NotPlain
        if rest[:1] == "[":
            table[key], at = _array(lines, at, rest[1:])
        else:
            table[key], end = _value(rest)
            _expect_end(rest[end:])
    return document


def _table(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the new table of a header, such as engine.runtimes."""
    *outer, last = name.split(".")
    table = document
    for part in (*outer, last):
        if not (part and _BARE.issuperset(part)):
            raise _NotPlain
    for part in outer:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise _NotPlain
    if last in table:
        raise _NotPlain
    new: dict[str, Any] = {}
    table[last] = new
    return new


def _array(lines: list[str], at: int, rest: str) -> tuple[list[Any], int]:
    """Read the array after its bracket; return it and the number of the line after it."""
    result: list[Any] = []
    wants_comma = False
    while True:
        rest = rest.lstrip(" \t")
        if not rest or rest[0] == "#":
            if at == len(lines):
                raise _NotPlain
            rest = lines[at]
            at += 1
        elif rest[0] == "]":
            _expect_end(rest[1:])
            return result, at
        elif rest[0] == "," and wants_comma:
            rest, wants_comma = rest[1:], False
        elif wants_comma:
            raise _NotPlain
        else:
            value, end = _value(rest)
            result.append(value)
            rest, wants_comma = rest[end:], True


def _value(text: str) -> tuple[str | int | bool, int]:
    """Read a string without escapes, a truth value or a number; return it and where it ends."""
    quote = text[:1]
    if quote in ("'", '"'):
        end = text.find(quote, 1)
        value = text[1:end]
        if end < 0 or (quote == '"' and "\\" in value) or text[1:3] == quote * 2:
            raise _NotPlain
        return value, end + 1
    end = 0
    while end < len(text) and text[end] in _BARE:
        end += 1
    word = text[:end]
    if word in ("true", "false"):
        return word == "true", end
    digits = word[1:] if word[:1] == "-" else word
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise _NotPlain
    if digits[0] == "0" and word != "0":
        raise _NotPlain
    if text[end : end + 1] not in ("", " ", "\t", ",", "]", "#"):
        raise _NotPlain  # 1.5, 12:30
    return int(word), end


def _expect_end(rest: str) -> None:
    """Nothing but a comment may stand after a value."""
    rest = rest.lstrip(" \t")
    if rest and rest[0] != "#":
        raise _NotPlain
