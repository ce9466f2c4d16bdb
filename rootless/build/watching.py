"""Who watches a build: told of each step, what it writes, and how it ended."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from rootless.build.dockerfile.model import Instruction
    from rootless.build.dockerfile.stages import Stage

    class Watcher(Protocol):
        """A front end's part in a build."""

        interval: int | None
        """After so many milliseconds it wants to be called by `tick`; None for never."""

        def begin(self, step: Step) -> None:
            """A step begins; it may be known already."""

        def hear(self, step: Step, message: dict[str, Any]) -> None:
            """It writes, or has got further: see steps.telling."""

        def end(self, step: Step, *, cached: bool, error: str) -> None:
            """It has ended; `error` is empty where it went well."""

        def tick(self) -> None:
            """Time has passed, or something has happened."""


CANCELED = "canceled"
"""The error of a step that has ended because another failed."""

_SILENT = frozenset(
    [
        "ARG",
        "CMD",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
    ]
)
"""What does nothing that takes time."""


class Step:
    """One instruction of a stage, as it is told."""

    def __init__(self, text: str, instruction: Instruction | None = None) -> None:
        self.text = text
        """As it is written; of FROM with the digest, once that is known."""
        self.instruction = instruction
        """None for what no instruction has asked for."""
        self.written = text
        self.meant = ""
        """What somebody may have meant, where the image that it asks for is not found."""
        self.stage = ""
        """The stage's name, or stage-N; empty where there is but one."""
        self.index, self.stages = 0, 0
        """Which of the stages that are built it belongs to, from 1 on, and how many they are."""
        self.place = (0, 0)
        """Which instruction of its stage it is, from 1 on with FROM, and of how many."""
        self.busy_place = (0, 0)
        """The same without those that take no time."""
        self.result = ""
        """Digits that stand for what the stage has become by it."""

    @property
    def is_silent(self) -> bool:
        """Whether it changes settings alone."""
        return self.instruction is not None and self.instruction.name in _SILENT


class Numbers:
    """The places of the steps of a build."""

    def __init__(self, needed: list[Stage], all_stages: int) -> None:
        self._needed = needed
        self._all = all_stages
        self._known: dict[tuple[int, int], list[Step]] = {}

    def steps(self, stage: Stage, instructions: list[Instruction]) -> list[Step]:
        """Return the steps of a stage: that of its FROM, then those of its instructions.

        They are the same where the stage is begun again.
        """
        known = self._known.get((stage.index, len(instructions)))
        if known is not None:
            return known
        found = [Step(one.text, one) for one in (stage.origin, *instructions)]
        busy = sum(not step.is_silent for step in found)
        count = 0
        for number, step in enumerate(found, 1):
            count += not step.is_silent
            step.place, step.busy_place = (number, len(found)), (count, busy)
            step.index, step.stages = self._needed.index(stage) + 1, len(self._needed)
            if self._all > 1:
                step.stage = stage.name or f"stage-{stage.index}"
        self._known[stage.index, len(instructions)] = found
        return found


class Unwatched:
    """Nobody."""

    interval: int | None = None

    def begin(self, step: Step) -> None:
        """See Watcher.begin."""

    def hear(self, step: Step, message: dict[str, Any]) -> None:
        """See Watcher.hear."""

    def end(self, step: Step, *, cached: bool, error: str) -> None:
        """See Watcher.end."""

    def tick(self) -> None:
        """See Watcher.tick."""


class Once:
    """A watcher that hears once of a step that has ended, though the build is begun again."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self.interval = watcher.interval
        self._ended: dict[Step, bool] = {}
        self.begin, self.hear, self.tick = watcher.begin, watcher.hear, watcher.tick

    def end(self, step: Step, *, cached: bool, error: str) -> None:
        """See Watcher.end: what was cached, and was done after all, is told again."""
        before = self._ended.get(step)
        if before is None or error or (before and not cached):
            self._ended[step] = cached
            self._watcher.end(step, cached=cached, error=error)
