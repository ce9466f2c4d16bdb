"""One answer of the doctor."""

from __future__ import annotations

OK = "ok"
"""As it should be, or not needed here."""

DEGRADED = "degraded"
"""Containers run, but something is slower, missing or done another way."""

BLOCKED = "blocked"
"""No container can run before this is mended."""


class Finding:
    """What one need of containers came to. The attributes are what `doctor --json` shows."""

    def __init__(
        self, need: str, level: str, found: str, effect: str = "", remedy: str = ""
    ) -> None:
        self.need = need
        """What containers need: a name that stays the same."""
        self.level = level
        """OK, DEGRADED or BLOCKED."""
        self.found = found
        """What was seen, with names and numbers."""
        self.effect = effect
        """What rootless does about it; empty where it is as it should be."""
        self.remedy = remedy
        """The command that would better it, empty where there is none."""

    @property
    def ok(self) -> bool:
        """Whether there is nothing to better."""
        return self.level == OK

    def __repr__(self) -> str:
        return f"Finding({self.need!r}, {self.level!r}, {self.found!r})"
