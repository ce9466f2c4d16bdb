"""A time line of the steps of one command: `mark` notes one, `lines` tells them.

Off unless `enable` was called (--debug, or ROOTLESS_DEBUG in the environment): `mark` then
costs one comparison. It is called from everywhere, so it imports nothing that is not there.
"""

from __future__ import annotations

from time import perf_counter_ns

_marks: list[tuple[int, str]] = [(perf_counter_ns(), "start")]
_enabled = False


def enable() -> None:
    """Keep the time line from here on; it counts from when this module was imported."""
    global _enabled  # noqa: PLW0603 - one process runs one command
    _enabled = True


def enabled() -> bool:
    """Whether the time line is kept."""
    return _enabled


def mark(step: str) -> None:
    """Note that `step` has just been finished."""
    if _enabled:
        _marks.append((perf_counter_ns(), step))


def adopt(steps: list[list[int | str]]) -> None:
    """Take over what other processes of this start did: [step, monotonic ns when it began]."""
    if _enabled:
        ends = [int(began) for _, began in steps[1:]] + [perf_counter_ns()]
        _marks.extend((end, str(step)) for (step, _), end in zip(steps, ends, strict=True))


def lines() -> list[str]:
    """Return one line a step: microseconds since the start, since the step before, its name."""
    start = before = _marks[0][0] if _marks else 0
    told = []
    for moment, step in _marks:
        told.append(f"{(moment - start) // 1000:>9} µs {(moment - before) // 1000:>+8}  {step}")
        before = moment
    return told
