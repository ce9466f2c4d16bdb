"""What is wrong with a Dockerfile: the file, the line, a caret below the word, a suggestion."""

from __future__ import annotations

from rootless.errors import Error
from rootless.oci.errors import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_WIDTH = 160
"""As much of a line is shown: one of a megabyte would hide what is said of it."""

_MOST_NAMES = 2000
"""No more names are compared with one that is not known."""


class Source:
    """A Dockerfile's name and lines, for whoever has to show one."""

    __slots__ = ("lines", "name")

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name = name
        self.lines = lines

    def line(self, number: int) -> str:
        """Return the line of a number, from 1 on, without its end."""
        inside = 0 < number <= len(self.lines)
        return self.lines[number - 1].rstrip("\r") if inside else ""

    def error(self, reason: str, hint: str, line: int = 0, token: str = "") -> DockerfileError:
        """Return an error about a line, or about the file as a whole."""
        return DockerfileError(reason, hint, self, line, token)


class DockerfileError(Error):
    """A mistake in the Dockerfile `file` in `line`, at the characters `column` to `end` of it.

    `reason` is the message without the place. `excerpt` shows the line and the caret.
    """

    def __init__(self, reason: str, hint: str, source: Source, line: int, token: str = "") -> None:
        place = f"{shown(source.name)}:{line}" if line else shown(source.name)
        super().__init__(f"{place}: {reason}", hint)
        self.file = source.name
        self.line = line
        self.reason = reason
        self.text = source.line(line)
        self.column, self.end = _find(self.text, token)

    def excerpt(self) -> str:
        """Return the line with its number, and one with carets; "" for the file as a whole."""
        if not self.line:
            return ""
        start = max(0, self.column - _WIDTH // 2)
        text = self.text[start : start + _WIDTH].expandtabs(1)
        number = f"{self.line:4} | "
        caret = "^" * max(1, min(self.end, start + _WIDTH) - self.column)
        return f"{number}{shown(text)}\n{'':4} | {'':{self._shift(text, start)}}{caret}"

    def _shift(self, text: str, start: int) -> int:
        """How far right the caret stands: what is shown escaped is wider than it was."""
        return len(shown(text[: self.column - start]))


def _find(text: str, token: str) -> tuple[int, int]:
    """Where the token is in a line; where it is not, the first word that is."""
    at = text.find(token) if token else -1
    if at < 0:
        at = len(text) - len(text.lstrip())
        token = text[at:].split(" ", 1)[0].split("\t", 1)[0]
    return at, at + len(token)


def short(text: str) -> str:
    """Return as much of a word of a Dockerfile as fits into a sentence."""
    text = text.split("\n", 1)[0]
    return text if len(text) <= 60 else text[:60] + "..."


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the hint "did you mean X?" for the nearest of `known`; "" where none is near."""
    best, nearest = 3 if len(word) > 3 else 2, ""
    if len(word) < 50:
        for name, _ in zip(known, range(_MOST_NAMES), strict=False):
            distance = _distance(word.lower(), name.lower(), best)
            if distance < best:
                best, nearest = distance, name
    return f"did you mean {nearest}?" if nearest else ""


def _distance(one: str, other: str, most: int) -> int:
    """How many letters differ, are missing or changed places; `most` where it is that or more."""
    if abs(len(one) - len(other)) >= most:
        return most
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, theirs in enumerate(other, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (letter != theirs))
            if older and j > 1 and letter == other[j - 2] and one[i - 2] == theirs:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return min(row[-1], most)
