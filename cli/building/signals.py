"""Signals that end a build: it ends its children, which remove what they have begun, and waits."""

from __future__ import annotations

import contextlib
import signal

from rootless.errors import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Let them raise Interrupted; what is ignored stays ignored (nohup)."""
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        for number, handler in before.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, _interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _frame: object) -> NoReturn:
    for each in ENDING:  # one is enough: what cleans up is not to be ended itself
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(number)
