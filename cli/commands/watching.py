"""Showing something again and again: --watch."""

from __future__ import annotations

import sys
import time

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CLEAR = "\033[H\033[J"
"""Empties the screen of a terminal (ECMA-48: CUP, ED)."""


def again(seconds: int, show: Callable[[], object]) -> int:
    """Call `show` every so many seconds, until Ctrl-C; a terminal has an empty screen before."""
    if seconds < 0:
        raise UsageError(f"--watch {seconds}: a number of seconds is wanted")
    try:
        while True:
            if sys.stdout.isatty():
                sys.stdout.write(CLEAR)
            show()
            sys.stdout.flush()
            time.sleep(seconds)
    except KeyboardInterrupt:
        return 0
