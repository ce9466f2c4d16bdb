"""Stages in an order that works, and the children that do their steps, as many as may be.

Each stage is a generator, which yields what it waits for: the work of a child, or another stage.
What needs neither, because the cache has it or because it only changes settings, is done at once.
"""

from __future__ import annotations

import os
from collections import deque

from rootless.build.crew import Crew
from rootless.build.failing import StepFailed
from rootless.build.steps import preloading
from rootless.build.watching import CANCELED
from rootless.images import durability

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from rootless.build.dockerfile.stages import Stage
    from rootless.build.place import Site
    from rootless.build.state import State
    from rootless.build.watching import Step, Watcher
    from rootless.errors import Error

    Document = dict[str, Any]
    Way = Generator["Work | Other", Any, State]


class Again(Exception):
    """A result that was counted on cannot be had: the build begins again without it."""


class Work:
    """What a child is to do for a step."""

    def __init__(self, step: Step, function: Callable[..., Any], *arguments: Any) -> None:
        self.step = step
        self.function = function
        self.arguments = arguments


class Other:
    """Another stage, which is waited for."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage


class _Course:
    """A stage under way."""

    def __init__(self, stage: Stage, way: Way) -> None:
        self.stage = stage
        self.way = way
        self.waiting: list[_Course] = []
        """Those that wait for its end."""
        self.state: State | None = None


class Order:
    """All stages of one build under way."""

    def __init__(self, paths: Site, watcher: Watcher, jobs: int) -> None:
        """`jobs` is how many children may be at work at once; 0 as many as there are cores."""
        self._paths = paths
        self._watcher = watcher
        self._crew = Crew(jobs or len(os.sched_getaffinity(0)))
        self._courses: dict[int, _Course] = {}
        self._ready: deque[tuple[_Course, Any]] = deque()
        self._pending: deque[tuple[_Course, Work]] = deque()
        self._again: Again | None = None

    def go(self, needed: list[Stage], target: Stage, way: Callable[[Stage], Way]) -> State:
        """Go the way of each stage that is needed, until the target has ended.

        Raises Again where all has to be begun again, when what is under way has ended.
        """
        self._reset()
        for stage in needed:
            course = self._courses[stage.index] = _Course(stage, way(stage))
            self._ready.append((course, None))
        last = self._courses[target.index]
        while last.state is None:
            while self._ready:
                self._go_on(*self._ready.popleft())
            if self._again is not None and self._crew.is_idle:
                raise self._again
            while self._pending and self._crew.has_room and self._again is None:
                self._hire()
                course, work = self._pending.popleft()
                token = (course, work.step)
                self._crew.start(token, work.function, *work.arguments)
            if last.state is None:
                self._turn()
        return last.state

    def _reset(self) -> None:
        self._courses, self._again = {}, None
        self._ready.clear()
        self._pending.clear()

    def _turn(self) -> None:
        for (course, step), value, error in self._crew.turn(self._watcher.interval, self._hear):
            if error is not None:
                raise self.failed(step, error)
            self._ready.append((course, value))
        self._watcher.tick()

    def _go_on(self, course: _Course, value: Any) -> None:
        try:
            wish = course.way.send(value)
        except StopIteration as end:
            course.state = end.value
            self._ready.extend((other, course.state) for other in course.waiting)
            return
        except Again as again:
            self._again = again
            return
        if isinstance(wish, Work):
            self._pending.append((course, wish))
            return
        other = self._courses[wish.stage.index]
        if other.state is not None:
            self._ready.append((course, other.state))
        else:
            other.waiting.append(course)

    def _hear(self, token: Any, message: Document) -> None:
        self._watcher.hear(token[1], message)

    def _hire(self) -> None:
        """Before the first child: start the foreman, whom all of them share."""
        if self._paths.foreman is None:
            from rootless.images.foreman import Foreman

            preloading.for_all()
            self._paths.prepare()
            self._paths.foreman = Foreman(self._paths, holds=True)

    def work(self, step: Step, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a stage yields to have a child call `function(line, paths, *arguments)`."""
        return Work(step, function, self._paths, *arguments)

    def failed(self, step: Step, error: Error) -> Error:
        """Tell that a step has failed; return the error that ends the build."""
        failed = StepFailed.of(step, error)
        self._watcher.end(step, cached=False, error=getattr(failed, "said", "") or failed.message)
        return failed

    def last(self, step: Step, function: Callable[..., Any], *arguments: Any) -> Any:
        """Have a child do what comes when all stages have ended; return what came of it."""
        self._hire()
        self._crew.start((None, step), function, self._paths, *arguments)
        while True:
            for _, value, error in self._crew.turn(self._watcher.interval, self._hear):
                if error is not None:
                    raise self.failed(step, error)
                return value
            self._watcher.tick()

    def cancel(self) -> None:
        """End all children, since the build fails, and wait until they have left."""
        for _, step in self._crew.cancel():
            self._watcher.end(step, cached=False, error=CANCELED)
        self._crew.wait()

    def close(self) -> None:
        """Wait for those that only clean up, and end the foreman."""
        self._crew.wait()
        if self._paths.foreman is not None:
            self._paths.foreman.__exit__(None, None, None)
            durability.write_out_beside(self._paths)
