"""Who watches a build: told of each step, what it writes, and how it ended."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class Watcher(Protocol):
        """A front end's part in a build."""

        def begin(self, step: Step) -> None:
            """A step begins; it may be known already."""

        def hear(self, step: Step, message: dict[str, Any]) -> None:
            """It writes, or has got further: see steps.telling."""

        def end(self, step: Step, *, cached: bool, error: str) -> None:
            """It has ended; `error` is empty where it went well."""


class Step:
    """One instruction of a stage, as it is told."""

    def __init__(self, number: int, stage: str, position: str, text: str) -> None:
        self.number = number
        """Over all stages, from 1 on, in the order in which they began."""
        self.stage = stage
        """The stage's name, or its number."""
        self.position = position
        """As 2/7."""
        self.text = text


class Unwatched:
    """Nobody."""

    def begin(self, step: Step) -> None:
        """See Watcher.begin."""

    def hear(self, step: Step, message: dict[str, Any]) -> None:
        """See Watcher.hear."""

    def end(self, step: Step, *, cached: bool, error: str) -> None:
        """See Watcher.end."""
