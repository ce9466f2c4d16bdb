"""The container's init for `--init`: passes signals on, reaps orphans, ends with the command."""

from __future__ import annotations

import os

from rootless.linux.process import die_with_parent, set_name
from rootless.runtime.worker import close_others

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import NoReturn
else:
    import _signal

_NOT_PASSED_ON = ("SIGCHLD", "SIGKILL", "SIGSTOP", "SIGTTIN", "SIGTTOU", "SIGTSTP")


def serve(child: int) -> NoReturn:
    """Be pid 1 for the command `child`. Never returns; ends with the command's exit code."""
    die_with_parent()
    set_name("init")
    close_others(set())
    own = {int(getattr(_signal, name)) for name in _NOT_PASSED_ON}
    waited = {int(number) for number in range(1, _signal.NSIG) if number not in own - {_CHLD}}
    _signal.pthread_sigmask(_signal.SIG_BLOCK, waited - {_signal.SIGKILL, _signal.SIGSTOP})
    _reap(child)  # it may have ended before its SIGCHLD was blocked, and thus kept
    while True:
        number = _signal.sigwait(waited)
        if number != _CHLD:
            try:
                os.kill(child, number)
            except ProcessLookupError:
                pass  # it ends just now; SIGCHLD follows
            continue
        _reap(child)


_CHLD = int(_signal.SIGCHLD)


def _reap(child: int) -> None:
    """Collect all that ended; end with the command's code if it is among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            os._exit(0)
        if pid == 0:
            return
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
