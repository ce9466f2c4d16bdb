"""How a build is shown: each step, what it writes, and how it ended, as plain lines."""

from __future__ import annotations

import time

from rootless.cli.output import say, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.watching import Step


class Plain:
    """BuildKit's plain form, to standard error: each line begins with the number of its step."""

    def __init__(self) -> None:
        self._begun: dict[int, float] = {}
        self._rests: dict[tuple[int, int], str] = {}
        """Of each step and stream what its last line has so far."""

    def begin(self, step: Step) -> None:
        """See build.watching.Watcher."""
        self._begun[step.number] = time.monotonic()
        place = f"[{step.stage} {step.position}] " if step.stage else ""
        say(f"#{step.number} {place}{step.text}", to_stderr=True)

    def hear(self, step: Step, message: dict[str, Any]) -> None:
        """See build.watching.Watcher."""
        kind = message.get("do")
        if kind == "output":
            key = (step.number, int(message["stream"]))
            data = message["data"].encode("latin-1").decode("utf-8", "surrogateescape")
            *lines, rest = (self._rests.pop(key, "") + data).split("\n")
            for line in lines:
                self._line(step, line.rpartition("\r")[2] if line[-1:] != "\r" else line[:-1])
            if rest:
                self._rests[key] = rest
        elif kind in ("note", "warning"):
            warn(message["text"])
        elif kind == "end":
            self._line(step, message["result"])

    def _line(self, step: Step, text: str) -> None:
        passed = time.monotonic() - self._begun.get(step.number, time.monotonic())
        say(f"#{step.number} {passed:.3f} {text}", to_stderr=True)

    def end(self, step: Step, *, cached: bool, error: str) -> None:
        """See build.watching.Watcher."""
        for key in [key for key in self._rests if key[0] == step.number]:
            self._line(step, self._rests.pop(key))
        passed = time.monotonic() - self._begun.get(step.number, time.monotonic())
        how = "CACHED" if cached else f"ERROR: {error}" if error else f"DONE {passed:.1f}s"
        say(f"#{step.number} {how}", to_stderr=True)
