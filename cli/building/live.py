"""A build as a picture on a terminal: what runs, with time, bars and last lines; what has ended.

Drawn by the build's own loop: a thread that draws would forbid it to fork. What has ended becomes a
line above the picture, so that this never is higher than what runs at once.
"""

from __future__ import annotations

import time

from rootless.cli.building.lines import Course, Lines, heading
from rootless.oci.errors import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.live import Live
    from rich.text import Text

    from rootless.build.watching import Step

PAUSE = 0.1
"""Seconds between two pictures."""

LAST = 6
"""Lines of each running step that are shown."""


class Picture(Lines):
    """--progress tty."""

    interval = 100
    silent = False

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True, highlight=False, soft_wrap=False)
        self._live: Live | None = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self._live.start()
        self._begun = time.monotonic()
        self._drawn = 0.0
        self._running: dict[Step, list[str]] = {}
        """What runs, with its last lines."""
        self._done = 0

    def opened(self, step: Step, course: Course) -> None:
        """See Lines.opened."""
        if not step.is_silent:
            self._running[step] = []

    def line(self, step: Step, course: Course, stream: int, text: str) -> None:
        """See Lines.line."""
        self._running.setdefault(step, []).append(text)
        del self._running[step][:-LAST]

    def noted(self, step: Step, course: Course, text: str) -> None:
        """See Lines.noted."""
        self._above(f"    Warning: {text}", "yellow")

    def named(self, step: Step, course: Course, image: str, names: list[str]) -> None:
        """See Lines.named."""
        from rootless.cli.building.plain import whole

        self._above(f" => => writing image sha256:{image}")
        for name in names:
            self._above(f" => => naming to {whole(name)}")

    def closed(self, step: Step, course: Course, how: str) -> None:
        """See Lines.closed."""
        self._running.pop(step, None)
        if step.is_silent and not how.startswith("ERROR"):
            return
        word = how.partition(":")[0]
        self._done += 1
        style = {"ERROR": "red", "CANCELED": "yellow", "CACHED": "cyan"}.get(word, "blue")
        label = "" if word == "DONE" else f"{word} "
        self._above(self._timed(f" => {label}{heading(step)}", course.seconds), style)

    def tick(self) -> None:
        """See Watcher.tick."""
        now = time.monotonic()
        if self._live is not None and now - self._drawn >= PAUSE:
            self._drawn = now
            self._live.update(self._picture(), refresh=True)

    def close(self) -> None:
        """See Lines.close."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _above(self, text: str, style: str = "") -> None:
        from rich.text import Text

        self._console.print(Text(shown(text), style=style))

    def _timed(self, text: str, seconds: float) -> str:
        """Return a line with a time at its right end; too long a one is shortened for it."""
        width, told = self._console.width, f"{seconds:.1f}s"
        text = shown(text.replace("\t", " "))
        room = max(width - len(told) - 2, 10)
        text = text if len(text) <= room else text[: room - 3] + "..."
        return f"{text:{room}} {told}"

    def _picture(self) -> Text:
        from rich.text import Text

        lines = [f"[+] Building {time.monotonic() - self._begun:.1f}s ({self._done} done)"]
        for step, written in self._running.items():
            course = self._courses[step]
            lines.append(self._timed(f" => {heading(step)}", course.seconds))
            lines += self._bars(course)
            lines += [f" => => # {shown(text.expandtabs(4))}" for text in written]
        most = max(self._console.height - 1, 2)
        width = self._console.width
        return Text("\n".join(line[: width - 1] for line in lines[:most]), no_wrap=True)

    def _bars(self, course: Course) -> Iterator[str]:
        from rootless.cli.output import size

        for transfer in course.transfers.values():
            if transfer.result:
                yield f" => => {shown(transfer.what)} {shown(transfer.result)}"
            elif transfer.total > 0:
                part = min(transfer.done / transfer.total, 1.0)
                bar = ("=" * int(part * 20)).ljust(20)
                amount = f"{size(transfer.done)} / {size(transfer.total)}"
                yield f" => => {shown(transfer.what)} [{bar}] {amount}"
            else:
                yield f" => => {shown(transfer.what)} {size(transfer.done)}"
