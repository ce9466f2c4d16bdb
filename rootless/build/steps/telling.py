"""What a step tells the build while it works: a Teller whose words go over the child's line."""

from __future__ import annotations

from rootless.teller import Quiet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.crew import Line
    from rootless.errors import Error


class Telling(Quiet):
    """Passes on what is to be known in the end, and how far long work has come."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def begin(self, key: str, what: str, total: int) -> None:
        """See Teller.begin."""
        self._line.say(do="begin", key=key, what=what, total=total)

    def advance(self, key: str, count: int) -> None:
        """See Teller.advance."""
        self._line.say(do="advance", key=key, count=count)

    def end(self, key: str, result: str) -> None:
        """See Teller.end."""
        self._line.say(do="end", key=key, result=result)

    def note(self, text: str) -> None:
        """See Teller.note."""
        self._line.say(do="note", text=text)

    def warning(self, text: str, *, more: int = 0) -> None:
        """See Teller.warning."""
        self._line.say(do="warning", text=text, more=more)

    def problem(self, error: Error) -> None:
        """See Teller.problem."""
        self._line.say(do="warning", text=error.message, more=0)
