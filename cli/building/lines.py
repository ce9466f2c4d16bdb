"""What all forms have in common: what steps write, taken apart into lines, and the last of them."""

from __future__ import annotations

import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.watching import Step

TAIL = 20
"""So many of the last lines of a step that failed stand again at the end."""


class Course:
    """A step under way, as it is told of."""

    def __init__(self, number: int) -> None:
        self.number = number
        """From 1 on, in the order in which they began."""
        self.begun = time.monotonic()
        self.rests: dict[int, bytes] = {}
        """Of each stream what its last line has so far."""
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.transfers: dict[str, Transfer] = {}

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.begun


class Transfer:
    """Something of which a step says how far it is."""

    def __init__(self, what: str, total: int) -> None:
        self.what = what
        self.total = total
        """Bytes; -1 where nobody knows."""
        self.done = 0
        self.result = ""


class Lines:
    """A watcher that is told line by line. By itself it prints nothing: --progress quiet."""

    interval: int | None = None
    silent = True
    """Whether nothing is told but errors."""

    repeats = True
    """Whether the last lines of a step that failed, and its place, are for people who read this."""

    returns = False
    """Whether lines keep what a carriage return would have written over."""

    def __init__(self) -> None:
        self.epilogue = ""
        """A line for the end."""
        self._courses: dict[Step, Course] = {}
        self._count = 0

    # -- what forms make of it

    def opened(self, step: Step, course: Course) -> None:
        """A step has begun."""

    def line(self, step: Step, course: Course, stream: int, text: str) -> None:
        """It has written a line."""

    def moved(self, step: Step, course: Course, key: str) -> None:
        """A transfer has got further, or has ended."""

    def noted(self, step: Step, course: Course, text: str) -> None:
        """There is something to say of it."""

    def found(self, step: Step, course: Course, name: str, digest: str) -> None:
        """An image was fetched for it."""

    def named(self, step: Step, course: Course, image: str, names: list[str]) -> None:
        """The image is made."""

    def closed(self, step: Step, course: Course, how: str) -> None:
        """It has ended: `how` is DONE, CACHED, CANCELED, or `ERROR: ` and why."""

    def close(self) -> None:
        """Nothing more will be told."""

    # -- Watcher

    def tick(self) -> None:
        """See Watcher.tick."""

    def begin(self, step: Step) -> None:
        """See Watcher.begin."""
        if step not in self._courses:
            if not step.is_silent:
                self._count += 1
            self._courses[step] = Course(self._count)
            self.opened(step, self._courses[step])

    def hear(self, step: Step, message: dict[str, Any]) -> None:
        """See Watcher.hear."""
        self.begin(step)
        course, kind = self._courses[step], message.get("do")
        if kind == "output":
            self._written(step, course, int(message["stream"]), message["data"].encode("latin-1"))
        elif kind == "begin":
            course.transfers[message["key"]] = Transfer(message["what"], message["total"])
            self.moved(step, course, message["key"])
        elif kind in ("advance", "end") and message["key"] in course.transfers:
            transfer = course.transfers[message["key"]]
            transfer.done += message.get("count", 0)
            transfer.result = message.get("result", "")
            self.moved(step, course, message["key"])
        elif kind in ("note", "warning"):
            self.noted(step, course, message["text"])
        elif kind == "found":
            self.found(step, course, message["name"], message["digest"])
        elif kind == "image":
            self.named(step, course, message["id"], message["names"])

    def end(self, step: Step, *, cached: bool, error: str) -> None:
        """See Watcher.end."""
        from rootless.build.watching import CANCELED

        self.begin(step)
        course = self._courses[step]
        for stream, rest in course.rests.items():
            if rest:
                self._told(step, course, stream, rest)
        course.rests.clear()
        how = "CACHED" if cached else "CANCELED" if error == CANCELED else "DONE"
        if error and error != CANCELED:
            how = f"ERROR: {error}"
        self.closed(step, course, how)

    def _written(self, step: Step, course: Course, stream: int, data: bytes) -> None:
        *lines, rest = (course.rests.get(stream, b"") + data).split(b"\n")
        for line in lines:
            self._told(step, course, stream, line)
        if not self.returns and b"\r" in rest[:-1]:
            rest = rest[rest.rindex(b"\r", 0, len(rest) - 1) + 1 :]
        course.rests[stream] = rest

    def _told(self, step: Step, course: Course, stream: int, data: bytes) -> None:
        if not self.returns:
            # What a terminal would show in the end: a bar has written over itself.
            data = data.rstrip(b"\r").rpartition(b"\r")[2]
            data = uncoloured(data) if b"\x1b" in data else data
        text = data.decode("utf-8", "surrogateescape")
        course.tail.append(f"{course.seconds:.3f} {text}")
        self.line(step, course, stream, text)

    def tail(self, step: Step) -> list[str]:
        """Return the last lines of a step, each with when it was written."""
        course = self._courses.get(step)
        return list(course.tail) if course else []


def heading(step: Step) -> str:
    """Return a step as BuildKit calls it: `[stage 2/12] RUN make`."""
    if step.instruction is None:
        return step.text
    number, total = step.busy_place
    width = len(str(total))
    place = f"{number:{width}}/{total}"
    return f"[{step.stage} {place}] {step.text}" if step.stage else f"[{place}] {step.text}"


def uncoloured(data: bytes) -> bytes:
    """Return what was written without colours and movements of the cursor (ECMA-48, CSI)."""
    import re

    return re.sub(rb"\x1b\[[0-?]*[ -/]*[@-~]", b"", data)
