"""buildah's form: `STEP 2/3: RUN make`, its output, and what came of it; stage after stage."""

from __future__ import annotations

from rootless.cli.building.lines import Course, Lines
from rootless.cli.building.output import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.watching import Step

SHORT = 11
"""Digits of an id that are shown."""


class Steps(Lines):
    """To standard output; what steps write to standard error goes there."""

    def __init__(self, streams: Streams | None = None) -> None:
        super().__init__()
        self._streams = streams or Streams()
        self.returns = self.silent = self._streams.raw
        self._stages = 1
        self._cached = False
        self._stage = 1
        """The stage that is told of; what happens in later ones waits."""
        self._waiting: dict[int, list[tuple[bool, str]]] = {}

    def _say(self, step: Step, text: str, *, to_stderr: bool = False) -> None:
        if step.index > self._stage:
            self._waiting.setdefault(step.index, []).append((to_stderr, text))
        else:
            (self._streams.err if to_stderr else self._streams.out)(text)

    def opened(self, step: Step, course: Course) -> None:
        """See Lines.opened."""
        if step.instruction is not None:
            self._stages = step.stages
            stage = f"[{step.index}/{step.stages}] " if step.stages > 1 else ""
            number, total = step.place
            self._say(step, f"{stage}STEP {number}/{total}: {step.written}")

    def line(self, step: Step, course: Course, stream: int, text: str) -> None:
        """See Lines.line."""
        self._say(step, text, to_stderr=stream == 2)

    def moved(self, step: Step, course: Course, key: str) -> None:
        """See Lines.moved."""
        transfer = course.transfers[key]
        if transfer.result:
            self._say(step, f"{transfer.what} {transfer.result}", to_stderr=True)

    def noted(self, step: Step, course: Course, text: str) -> None:
        """See Lines.noted."""
        self._say(step, f"Warning: {text}", to_stderr=True)

    def named(self, step: Step, course: Course, image: str, names: list[str]) -> None:
        """See Lines.named."""
        self.close()
        if names or not self._cached:
            stage = f"[{self._stages}/{self._stages}] " if self._stages > 1 else ""
            name = names[0].removeprefix("localhost/") if names else ""
            self._streams.out(f"{stage}COMMIT {name}".rstrip())
        self._streams.out(f"--> {image[:SHORT]}")
        if self.epilogue:
            self._streams.out(self.epilogue)
            self.epilogue = ""
        for name in names:
            from rootless.cli.building.plain import whole

            self._streams.out(f"Successfully tagged {whole(name)}")
        self._streams.out(image)

    def closed(self, step: Step, course: Course, how: str) -> None:
        """See Lines.closed."""
        number, total = step.place
        is_last = number == total
        if step.instruction is not None:
            self._cached = how == "CACHED"
        if how in ("DONE", "CACHED") and step.result and number > 1:
            if how == "CACHED":
                self._say(step, f"--> Using cache {step.result}")
            if not is_last or step.index < step.stages:
                self._say(step, f"--> {step.result[:SHORT]}")
        if is_last and step.index == self._stage:
            self._stage += 1
            self._flush()

    def _flush(self) -> None:
        """Tell what has waited for the stage whose turn it is, and of those that have ended."""
        for to_stderr, text in self._waiting.pop(self._stage, []):
            (self._streams.err if to_stderr else self._streams.out)(text)

    def close(self) -> None:
        """See Lines.close."""
        while self._waiting:
            self._stage = min(self._waiting)
            self._flush()
