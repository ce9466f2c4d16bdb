"""`.dockerignore`: which files of a context are not there for a build, and which line says so.

The rules are those of docker's matcher: patterns are anchored at the context's root, the last one
that fits a path or a directory above it decides, `!` takes back.
"""

from __future__ import annotations

import posixpath

from rootless.build.files.patterns import compiled
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Pattern

VISIBLE, HIDDEN, VEILED = 0, 1, 2
"""What a path is: VEILED is hidden itself, while something in it may not be."""


class Rule:
    """One line."""

    def __init__(self, line: int, text: str) -> None:
        """Raises UsageError for what is no pattern."""
        self.line = line
        self.text = text
        self.negated = text.startswith("!")
        bare = text[1:].strip() if self.negated else text
        self.pattern = posixpath.normpath(bare).lstrip("/") if bare else ""
        if self.negated and not self.pattern:
            raise UsageError(f"line {line} of the ignore file takes nothing back: {text!r}")
        try:
            self.expression: Pattern[str] = compiled(self.pattern, deep=True)
        except ValueError as error:
            raise UsageError(f"line {line} of the ignore file: {error}") from error

    def reaches_below(self, directory: str) -> bool:
        """Whether it may fit something in a directory."""
        steps, wanted = directory.split("/"), self.pattern.split("/")
        for number, step in enumerate(wanted):
            if "**" in step or number == len(steps):
                return True
            if not compiled(step, deep=False).fullmatch(steps[number]):
                return False
        return True  # a directory above is meant, and what is in it with that


class Ignore:
    """The rules of one ignore file."""

    def __init__(self, text: str, name: str = ".dockerignore") -> None:
        """Raises UsageError, which names the line."""
        self.name = name
        self.rules: list[Rule] = []
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
            stripped = line.strip()
            if stripped and not line.startswith("#") and stripped not in (".", "/"):
                self.rules.append(Rule(number, stripped))
        self._takes_back = any(rule.negated for rule in self.rules)
        self._seen: dict[str, list[bool]] = {"": [False] * len(self.rules)}

    def look(self, path: str) -> int:
        """Return what a path is: VISIBLE, HIDDEN or VEILED."""
        if not self.rules:
            return VISIBLE
        if not self._is_hidden(self._matches(path)):
            return VISIBLE
        if self._takes_back and any(r.negated and r.reaches_below(path) for r in self.rules):
            return VEILED
        return HIDDEN

    def deciding(self, path: str) -> Rule | None:
        """Return the rule by which a path is hidden, None where it is not."""
        found = None
        for rule, matches in zip(self.rules, self._matches(path), strict=True):
            if matches:
                found = None if rule.negated else rule
        return found

    def _is_hidden(self, matches: list[bool]) -> bool:
        hidden = False
        for rule, matched in zip(self.rules, matches, strict=True):
            if matched:
                hidden = not rule.negated
        return hidden

    def _matches(self, path: str) -> list[bool]:
        """Whether each rule fits the path or a directory above it."""
        if path in self._seen:
            return self._seen[path]
        above = self._matches(path.rpartition("/")[0])
        found = [
            fits or rule.expression.fullmatch(path) is not None
            for fits, rule in zip(above, self.rules, strict=True)
        ]
        if len(self._seen) > 10_000:
            self._seen = {"": self._seen[""]}
        self._seen[path] = found
        return found
