"""Signals that end a build: it ends its children, which remove what they have begun, and waits."""

from __future__ import annotations

import contextlib

from rootless.errors import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterator
    from typing import NoReturn
else:
    import _signal

ENDING = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT)


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """Let them raise Interrupted; what is ignored stays ignored (nohup)."""
    before = {number: _signal.getsignal(number) for number in ENDING}
    try:
        for number, handler in before.items():
            if handler != _signal.SIG_IGN:
                _signal.signal(number, _interrupt)
        yield
    finally:
        for number, handler in before.items():
            _signal.signal(number, handler)


def _interrupt(number: int, _frame: object) -> NoReturn:
    for each in ENDING:  # one is enough: what cleans up is not to be ended itself
        _signal.signal(each, _signal.SIG_IGN)
    raise Interrupted(number)
