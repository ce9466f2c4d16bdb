"""Steps done in this process, one after the other, in the place of a build's children."""

from __future__ import annotations

from rootless.build.crew import Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, Self

    from rootless.build.place import Site
    from rootless.teller import Teller


class Direct(Line):
    """What a step says goes to a teller. A context manager: at its end is done what can wait."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._actions: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        actions, self._actions = self._actions, []
        for action in actions:
            action()

    def say(self, **message: Any) -> None:
        """See Line.say."""
        teller, what = self._teller, message.get("do")
        if what == "begin":
            teller.begin(message["key"], message["what"], message["total"])
        elif what == "advance":
            teller.advance(message["key"], message["count"])
        elif what == "end":
            teller.end(message["key"], message["result"])
        elif what == "note":
            teller.note(message["text"])
        elif what == "warning":
            teller.warning(message["text"], more=message["more"])


class Asked:
    """What a step wants done: a function, and what it gets."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function = function
        self.arguments = arguments


def done(line: Line, paths: Site, way: Generator[Asked, Any, Any]) -> Any:
    """Do what a step wants done, until it has all; return what comes of it."""
    value = None
    while True:
        try:
            asked = way.send(value)
        except StopIteration as end:
            return end.value
        value = asked.function(line, paths, *asked.arguments)
