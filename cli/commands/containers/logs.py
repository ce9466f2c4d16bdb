"""logs."""

from __future__ import annotations

import sys

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
    from rootless.containers.handle import Handle
    from rootless.engine import Engine
    from rootless.runtime.logs.formats import Entry

_COLORS = (37, 31, 32, 33, 34, 35, 36)
"""ECMA-48 foreground colours, white first, as podman has them."""


def logs(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    color: opt.Color = False,
    follow: opt.Follow = False,
    latest: opt.TheLatest = False,
    names: opt.Names = False,
    tail: opt.Tail = "all",
    since: common.Since = "",
    until: common.Until = "",
    timestamps: opt.Timestamps = False,
) -> int:
    """Show what containers have printed.

    Their standard output is shown on ours, their standard error on ours; the lines of several are
    merged by their time, and begin with the id. With --follow, a span for --until lies ahead.

    Examples:
        rootless logs -f --tail 20 web
        rootless logs -t --since 10m web
        rootless logs -f --names --color web db
    """
    from rootless.containers.running.logs import read

    found = [engine.containers.get(name) for name in containers or ()]
    if latest:
        found += engine.containers.list()[:1]
    if not found:
        raise UsageError("which container?", "name one, or say --latest")
    first, last = _moments(since, until, follow=follow)
    show = Printer(found, timestamps=timestamps, names=names, color=color)
    for container, entry in read(found, follow=follow, tail=_lines(tail), since=first, until=last):
        show(container, entry, flush=follow)
    return 0


def _moments(since: str, until: str, *, follow: bool) -> tuple[float, float]:
    """Return both moments, 0 for none. A span until which is followed lies ahead (podman)."""
    if not (since or until):
        return 0.0, 0.0
    from rootless import times
    from rootless.cli.dialects import choice

    ahead = follow or choice.current().until_ahead
    last = times.limit(until, ahead=ahead) if until else 0.0
    return times.moment(since) if since else 0.0, last


class Printer:
    """Writes entries to our standard streams, and before each line what was asked for."""

    def __init__(
        self, containers: Sequence[Handle], *, timestamps: bool, names: bool, color: bool
    ) -> None:
        self._timestamps = timestamps
        self._middle: set[tuple[str, int]] = set()
        """Container and stream of the lines that have begun, but not ended."""
        self._last = 0
        self._before: dict[str, bytes] = {}
        for number, one in enumerate(containers):
            called = one.name if names else one.id[:12]
            text = called if color or len(containers) > 1 else ""
            if text and color:
                text = f"\x1b[{_COLORS[number % len(_COLORS)]}m{text}\x1b[0m"
            self._before[one.id] = text.encode() + b" " if text else b""

    def __call__(self, container: Handle, entry: Entry, *, flush: bool) -> None:
        """Write one entry."""
        out, err = sys.stdout.buffer, sys.stderr.buffer
        if entry.stream == 2 and self._last == 1:
            out.flush()  # both may be one file: 2>&1 keeps the order
        self._last = entry.stream
        target = err if entry.stream == 2 else out
        line = (container.id, entry.stream)
        if line not in self._middle:
            target.write(self._before[container.id])
            if self._timestamps:
                target.write(entry.stamp + b"Z ")
        (self._middle.discard if entry.whole else self._middle.add)(line)
        target.write(entry.data)
        if flush or target is err:
            target.flush()


def _lines(text: str) -> int:
    """Return how many lines --tail wants; -1 for all (docker: any negative number)."""
    if text == "all":
        return -1
    try:
        return max(-1, int(text))
    except ValueError:
        raise UsageError(f"--tail {text!r} is not a number", "or all") from None
