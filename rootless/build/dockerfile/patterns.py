"""The wildcards of `${x#pattern}` and its relatives: * and ?, and a backslash before what is none.

A pattern is its literal pieces between stars. Which of several places a piece matches is decided by
looking for the first, and for the last piece also for the last, so that no time is spent on going
back: a pattern of many stars costs no more than its pieces.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Piece: TypeAlias = list[str | None]
    """Runs of literal text, and None for each character of any kind."""

_MOST_WORK = 50_000_000
"""Comparisons of a piece with ?, which may be needed at each place of a value."""


class TooMuch(ValueError):
    """A pattern with ? that would take minutes."""


def pieces(pattern: str) -> list[Piece]:
    """Return what stands between the stars of a pattern; one piece more than there are stars."""
    found: list[Piece] = [[]]
    literal: list[str] = []
    letters = iter(pattern)
    for letter in letters:
        if letter in "*?":
            if literal:
                found[-1].append("".join(literal))
                literal = []
            if letter == "?":
                found[-1].append(None)
            else:
                found.append([])
        else:
            literal.append(next(letters, "\\") if letter == "\\" else letter)
    if literal:
        found[-1].append("".join(literal))
    return found


def _length(piece: Piece) -> int:
    return sum(1 if run is None else len(run) for run in piece)


def _fits(piece: Piece, value: str, at: int) -> bool:
    for run in piece:
        if run is None:
            at += 1
        elif not value.startswith(run, at):
            return False
        else:
            at += len(run)
    return at <= len(value)


def _search(piece: Piece, value: str, start: int, *, last: bool = False) -> int:
    """Return the first place at or after `start` where a piece fits, or the last; -1 if none."""
    if not piece:
        return len(value) if last else start
    if len(piece) == 1 and piece[0] is not None:
        return value.rfind(piece[0], start) if last else value.find(piece[0], start)
    places = range(start, len(value) - _length(piece) + 1)
    if len(places) * len(piece) > _MOST_WORK:
        raise TooMuch
    for at in reversed(places) if last else places:
        if _fits(piece, value, at):
            return at
    return -1


def _end(parts: list[Piece], value: str, at: int, *, longest: bool) -> int:
    """Return where a match ends whose first piece fits at `at`; -1 where the others do not."""
    at += _length(parts[0])
    for piece in parts[1:-1]:
        found = _search(piece, value, at)
        if found < 0:
            return -1
        at = found + _length(piece)
    if len(parts) == 1:
        return at
    found = _search(parts[-1], value, at, last=longest)
    return found if found < 0 else found + _length(parts[-1])


def without_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """Return a value without what a pattern matches at its beginning."""
    parts = pieces(pattern)
    if not _fits(parts[0], value, 0):
        return value
    end = _end(parts, value, 0, longest=longest)
    return value if end < 0 else value[end:]


def without_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """Return a value without what a pattern matches at its end."""
    parts = [
        [run if run is None else run[::-1] for run in reversed(piece)]
        for piece in reversed(pieces(pattern))
    ]
    backwards = value[::-1]
    if not _fits(parts[0], backwards, 0):
        return value
    end = _end(parts, backwards, 0, longest=longest)
    return value if end < 0 else value[: len(value) - end]


def replaced(value: str, pattern: str, by: str, *, everywhere: bool) -> str:
    """Return a value with the first, longest match of a pattern replaced, or each of them."""
    parts = pieces(pattern)
    done: list[str] = []
    at = 0
    while pattern:
        start = at if not parts[0] else _search(parts[0], value, at)
        end = -1 if start < 0 else _end(parts, value, start, longest=True)
        if end < 0 or (end == start and done):
            break
        done += (value[at:start], by)
        at = end
        if not everywhere or at >= len(value):
            break
    return "".join(done) + value[at:]
