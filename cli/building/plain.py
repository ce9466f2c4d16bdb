"""BuildKit's plain form: lines that begin with the number of their step, those of one together."""

from __future__ import annotations

import time

from rootless.cli.building.lines import Course, Lines, heading
from rootless.cli.building.output import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.watching import Step

PATIENCE = 2.0
"""Seconds of silence after which another step that has something to say has its turn."""


class Plain(Lines):
    """One step at a time has the word; what others have to say waits until it ends or is silent."""

    interval = 500

    def __init__(self, streams: Streams | None = None) -> None:
        super().__init__()
        self._streams = streams or Streams()
        self.returns = self.silent = self._streams.raw
        self._speaker: Step | None = None
        self._spoken = 0.0
        self._waiting: dict[Step, list[str]] = {}
        self._ended: set[Step] = set()
        self._first = True

    def opened(self, step: Step, course: Course) -> None:
        """See Lines.opened."""
        if not step.is_silent:
            self._say(step, heading(step))

    def line(self, step: Step, course: Course, stream: int, text: str) -> None:
        """See Lines.line."""
        self._say(step, f"{course.seconds:.3f} {text}")

    def moved(self, step: Step, course: Course, key: str) -> None:
        """See Lines.moved."""
        transfer = course.transfers[key]
        if transfer.result:
            self._say(step, f"{transfer.what} {transfer.result}")

    def noted(self, step: Step, course: Course, text: str) -> None:
        """See Lines.noted."""
        self._say(step, f"Warning: {text}")

    def found(self, step: Step, course: Course, name: str, digest: str) -> None:
        """See Lines.found."""
        from rootless.build.steps import resolve

        self._say(step, f"resolve {resolve.whole(name, digest)} done")

    def named(self, step: Step, course: Course, image: str, names: list[str]) -> None:
        """See Lines.named."""
        self._say(step, "exporting layers done")
        self._say(step, f"writing image sha256:{image} done")
        for name in names:
            self._say(step, f"naming to {whole(name)} done")

    def closed(self, step: Step, course: Course, how: str) -> None:
        """See Lines.closed."""
        if step.is_silent:
            if not how.startswith("ERROR"):
                return
            self._count += 1
            course.number = self._count
            self._say(step, heading(step))
        self._say(step, f"DONE {course.seconds:.1f}s" if how == "DONE" else how)
        if self._speaker is step:
            self._speaker = None
            self._next()
        else:
            self._ended.add(step)

    def tick(self) -> None:
        """See Watcher.tick."""
        if self._speaker and self._waiting and time.monotonic() - self._spoken > PATIENCE:
            self._print(self._speaker, "...")
            self._speaker = None
            self._next()

    def close(self) -> None:
        """See Lines.close."""
        self._ended.update(self._waiting)
        self._speaker = None
        self._next()

    def _say(self, step: Step, text: str) -> None:
        if self._speaker in (None, step):
            self._speak(step, [text])
        else:
            self._waiting.setdefault(step, []).append(text)

    def _print(self, step: Step, text: str) -> None:
        self._spoken = time.monotonic()
        self._streams.err(f"#{self._courses[step].number} {text}")

    def _speak(self, step: Step, texts: list[str]) -> None:
        """Print what a step says; who begins to speak says first who it is."""
        if self._speaker is not step:
            if not self._first:
                self._streams.err("")
            self._first = False
            self._speaker = step
            if texts[0] != heading(step):
                self._print(step, heading(step))
        for text in texts:
            self._print(step, text)

    def _next(self) -> None:
        """Let those speak who have waited; the first of them that has not ended keeps the word."""
        while self._waiting and self._speaker is None:
            step = next(iter(self._waiting))
            self._speak(step, self._waiting.pop(step))
            if step in self._ended:
                self._speaker = None


def whole(name: str) -> str:
    """Return the whole name that an image is given, as docker says it."""
    from rootless.oci import reference

    return str(reference.name_to_give(name)) if reference.is_valid(name) else name
