"""Patterns of names: those of COPY and ADD (Go's filepath.Match), and of ignore files.

    pattern:  `*` any characters but `/`   `?` one of these   `[a-z]` `[^a-z]` one of a class
              `\\\\x` the character x         `**` in ignore files and excludes: any directories

Both become regular expressions without backtracking of their own making: each `*` stops at a `/`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from re import Pattern


def is_pattern(text: str) -> bool:
    """Whether it may mean several names."""
    return any(character in text for character in "*?[\\")


def compiled(pattern: str, *, deep: bool) -> Pattern[str]:
    """Return the expression for whole paths; `deep` is whether `**` is any directories.

    Raises ValueError for a class that does not end, and a backslash before nothing.
    """
    import re  # which takes longer to load than many a build needs

    return re.compile("".join(_parts(pattern, deep=deep)), re.DOTALL)


def _parts(pattern: str, *, deep: bool) -> Iterator[str]:
    from re import escape

    at, end = 0, len(pattern)
    while at < end:
        character = pattern[at]
        at += 1
        if character == "*":
            stars = at
            while at < end and pattern[at] == "*":
                at += 1
            if not deep or at == stars:
                yield "[^/]*"
            elif at == end:
                yield ".*"
            elif pattern[at] == "/":
                at += 1
                yield "(?:.*/)?"
            else:
                yield ".*"
        elif character == "?":
            yield "[^/]"
        elif character == "[":
            text, at = _class(pattern, at)
            yield text
        elif character == "\\":
            if at == end:
                raise ValueError(f"{pattern!r:.200} ends in a backslash")
            yield escape(pattern[at])
            at += 1
        else:
            yield escape(character)


def _class(pattern: str, at: int) -> tuple[str, int]:
    """Return the expression of the class whose `[` was before `at`, and where it ends."""
    from re import escape

    inside = []
    if negated := pattern[at : at + 1] == "^":
        at += 1
    while True:
        low, at = _member(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _member(pattern, at + 1)
        if high < low:
            raise ValueError(f"{pattern!r:.200} has a range that goes backwards")
        inside.append(f"{escape(low)}-{escape(high)}")
        if pattern[at : at + 1] == "]":
            break
    return f"(?!/)[{'^' * negated}{''.join(inside)}]", at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at : at + 1] == "\\":
        at += 1
    elif pattern[at : at + 1] in ("]", "-"):
        raise ValueError(f"{pattern!r:.200} has a class that is none")
    if at >= len(pattern):
        raise ValueError(f"{pattern!r:.200} has a class that does not end")
    return pattern[at], at + 1
