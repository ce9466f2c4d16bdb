"""What the engine says meanwhile, to standard error: progress, notes, warnings, questions.

Light, because `run` makes one: what draws and what asks is loaded when it is needed.
"""

from __future__ import annotations

import _thread
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Sequence

    from rootless.cli.progress import Bars, Lines
    from rootless.oci.errors import Error
else:
    import _signal

PATIENCE = 5.0
"""Seconds after which it is said that a registry does not answer."""

LONG = 1.0
"""Seconds after which it is said what a command is at that has nothing to measure."""

MOST_WARNINGS = 5
"""How many warnings are told; of the others only the number."""


class Teller:
    """A `rootless.teller.Teller` for one command. A context manager.

    Bars on a terminal; in a pipe a line for each piece that is done, where `lines` are wanted.
    What is said while bars are drawn is printed below them at the end.
    """

    def __init__(self, *, quiet: bool = False, lines: bool = False, waits: str = "") -> None:
        """`waits` is what registries are asked for: where none answers for a while it is said."""
        self._waits = waits
        self._quiet = quiet
        self._lines = lines
        self._lock = _thread.allocate_lock()
        """Work begins in several threads."""
        self._shown: Bars | Lines | None = None
        self._notes: list[str] = []
        self._warnings: list[str] = []
        self._untold = 0
        self.problems = 0
        """How many objects could not be dealt with."""

    def __enter__(self) -> Teller:
        if self._waits:
            # By a signal, since nobody forks once there are threads.
            _signal.signal(_signal.SIGALRM, self._say_that_it_waits)
            _signal.setitimer(_signal.ITIMER_REAL, PATIENCE)
        return self

    def _say_that_it_waits(self, *_: object) -> None:
        if self._shown is None:
            from rootless.oci.distribution.brief import ANSWER

            _warn(f"{self._waits}: no registry has answered so far; each gets {ANSWER} seconds")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(failed=kind is not None)

    def begin(self, key: str, what: str, total: int) -> None:
        """Show a further piece of work."""
        with self._lock:
            if self._shown is None and not self._quiet:
                self._shown = self._display()
        if self._shown is not None:
            self._shown.begin(key, what, total)

    def advance(self, key: str, count: int) -> None:
        """Show that it goes on."""
        if self._shown is not None:
            self._shown.advance(key, count)

    def end(self, key: str, result: str) -> None:
        """Show what came of it."""
        if self._shown is not None:
            self._shown.end(key, result)

    def note(self, text: str) -> None:
        """Print it, now or below the bars."""
        if self._shown is None:
            _warn(text)
        else:
            self._notes.append(text)

    def warning(self, text: str, *, more: int = 0) -> None:
        """Keep it for the end: there may be thousands."""
        self._untold += more
        if len(self._warnings) < MOST_WARNINGS:
            self._warnings.append(text)
        else:
            self._untold += 1

    def problem(self, error: Error) -> None:
        """Print an error that is not the end of the command."""
        from rootless.cli.output import complain

        self.problems += 1
        complain(error)

    def choose(self, short: str, candidates: Sequence[str]) -> str:
        """Ask the user."""
        from rootless.cli.asking import choose

        return choose(short, list(candidates))

    def close(self, *, failed: bool = False) -> None:
        """Leave the bars as they are, and say what was kept for the end.

        Where the command has `failed` its error is what counts, and warnings are not told.
        """
        if self._waits:
            _signal.setitimer(_signal.ITIMER_REAL, 0)
        if self._shown is not None:
            self._shown.close()
            self._shown = None
        for text in self._notes:
            _warn(text)
        for text in [] if failed else self._warnings:
            _warn(text)
        if self._untold and not failed:
            _warn(f"and {self._untold} more of this kind")
        self._notes, self._warnings, self._untold = [], [], 0

    def _display(self) -> Bars | Lines | None:
        is_terminal = sys.stderr.isatty()
        if not (is_terminal or self._lines):
            return None
        from rootless.cli.progress import Bars, Lines

        return Bars() if is_terminal else Lines()


class LongWork:
    """Work that is mostly done at once: on a terminal it is told of where it is not.

    A context manager. By a signal, as above: the work may fork.
    """

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            _signal.signal(_signal.SIGALRM, self._say)
            _signal.setitimer(_signal.ITIMER_REAL, LONG)

    def _say(self, *_: object) -> None:
        from rootless.cli.output import say

        say(f"{self._what} ...", to_stderr=True)

    def __exit__(self, *_: object) -> None:
        _signal.setitimer(_signal.ITIMER_REAL, 0)


def _warn(text: str) -> None:
    from rootless.cli.output import warn

    warn(text)
