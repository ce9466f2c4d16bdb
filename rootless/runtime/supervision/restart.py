"""Restart policies: whether a container that has ended is to run again, and when.

no  on-failure[:N]  always  unless-stopped          (docker run --restart)
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import NoReturn
else:
    import _signal

FIRST = 0.1
LONGEST = 60.0
"""Seconds between an end and the next start: doubled each time from the first on."""

SETTLED = 10.0
"""Seconds of running after which the next end counts as the first again."""

AGAIN = "restart: policy"
"""What a start by the policy is called that is to come: podman tells of it, docker does not."""

NEVER = "never"
"""A supervisor's own policy once it ends the container itself, whatever the record says by then."""

UPDATED = "updated"
"""Name of the file in a container's directory that says: its policy was changed while it ran."""

CHECKS = "checks.json"
"""Name of the file in it with what `update` wants of the health checks of the present life."""

OFF = "off"
"""Key in it that says: there are to be none."""

STOPPED = "stopped"
"""Name of the file in a container's directory that says: somebody has stopped it on purpose."""


def is_wanted(policy: str, exit_code: int, count: int) -> bool:
    """Whether to start again after `exit_code`, `count` restarts later.

    Whether somebody has stopped it on purpose is asked for elsewhere.
    """
    name, _, most = policy.partition(":")
    if name == "on-failure":
        return exit_code != 0 and (not most or count < int(most))
    return name in ("always", "unless-stopped")


def forget_checks(directory: str) -> None:
    """Forget what was wanted of the checks of a life that is over; the record has it as well."""
    try:
        os.unlink(f"{directory}/{CHECKS}")
    except OSError:
        pass  # there is none


def next_delay(delay: float, ran: float) -> float:
    """Return the seconds to wait after a run of `ran` seconds; `delay` was the wait before it."""
    if not delay or ran >= SETTLED:
        return FIRST
    return min(delay * 2, LONGEST)


def rest(directory: str, seconds: float) -> bool:
    """Wait so long; False as soon as somebody wants the container stopped (SIGTERM)."""
    try:
        _signal.signal(_signal.SIGTERM, _wake)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
        if os.path.exists(f"{directory}/{STOPPED}"):
            return False
        time.sleep(seconds)
    except _Woken:
        return False
    return True


class _Woken(Exception):
    """SIGTERM came."""


def _wake(*_: object) -> NoReturn:
    raise _Woken
