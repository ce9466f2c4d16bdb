"""Progress of transfers, to standard error: bars on a terminal, a line for each piece in a pipe."""

from __future__ import annotations

import threading
import time

from rootless.cli.output import say
from rootless.oci.errors import shown as printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import rich.progress

PAUSE = 0.1
"""Seconds between two drawings."""


class Lines:
    """A line for each piece of work that is done."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def begin(self, key: str, what: str, total: int) -> None:
        """Remember what it is."""
        self._names[key] = what

    def advance(self, key: str, count: int) -> None:
        """Say nothing."""

    def end(self, key: str, result: str) -> None:
        """Say what came of it."""
        say(f"{self._names[key]}: {result}", to_stderr=True)

    def close(self) -> None:
        """Say nothing."""


class Bars:
    """One bar for each piece of work; work is reported from several threads.

    Drawn by whoever reports, at most ten times a second: a drawing thread of its own would
    forbid the engine to fork.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bars: rich.progress.Progress | None = None
        self._tasks: dict[str, rich.progress.TaskID] = {}
        self._drawn = 0.0
        self._moved: dict[str, tuple[float, int]] = {}
        """When each piece of work began to move, and by how many bytes it has since."""

    def begin(self, key: str, what: str, total: int) -> None:
        """Add a bar, or begin one anew."""
        size = float(total) if total >= 0 else None
        with self._lock:
            self._moved[key] = (time.monotonic(), 0)
            if key in self._tasks:
                self._drawing().reset(self._tasks[key], total=size)
                return
            name = printable(what)
            self._tasks[key] = self._drawing().add_task(name, total=size, result="", speed="")

    def advance(self, key: str, count: int) -> None:
        """Move a bar on."""
        with self._lock:
            bars = self._drawing()
            since, moved = self._moved[key]
            self._moved[key] = since, moved + count
            bars.advance(self._tasks[key], count)
            now = time.monotonic()
            if now - self._drawn >= PAUSE:
                self._drawn = now
                bars.update(self._tasks[key], speed=self._speed(key))
                bars.refresh()

    def end(self, key: str, result: str) -> None:
        """Fill a bar and say what came of it."""
        with self._lock:
            bars = self._drawing()
            task = next(task for task in bars.tasks if task.id == self._tasks[key])
            total = task.total if task.total is not None else max(task.completed, 1)
            bars.update(task.id, total=total, completed=total)
            bars.update(task.id, result=printable(result), speed=self._speed(key))
            bars.refresh()

    def _speed(self, key: str) -> str:
        """How fast a piece of work moves, "" for one that does not: it was there."""
        from rich.filesize import decimal

        since, moved = self._moved[key]
        seconds = max(time.monotonic() - since, 0.001)
        return f"{decimal(int(moved / seconds))}/s" if moved else ""

    def close(self) -> None:
        """Leave the bars as they are."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _drawing(self) -> rich.progress.Progress:
        if self._bars is None:
            from rich import progress
            from rich.console import Console

            self._bars = progress.Progress(
                # Names of layers and artifacts may be strangers' words: no markup of rich's.
                progress.TextColumn("{task.description}", markup=False),
                progress.BarColumn(bar_width=30),
                progress.DownloadColumn(),
                progress.TextColumn("{task.fields[speed]}", markup=False),
                progress.TextColumn("{task.fields[result]}", markup=False),
                console=Console(stderr=True),
                auto_refresh=False,
            )
            self._bars.start()
        return self._bars
