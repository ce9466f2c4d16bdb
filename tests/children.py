"""Processes of a test's own: started, and forked."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Process(subprocess.Popen[Any]):
    """A process that a failed test does not wait for: Popen's own `with` does so for ever."""

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)


def in_child(what: Callable[[], object]) -> int:
    """Start a process that does it, and return its pid; its exit code is 1 where it raises.

    It never comes back: it would go on as a second process that carries out the tests.
    """
    pid = os.fork()
    if pid == 0:
        try:
            what()
        except BaseException as error:  # noqa: BLE001 - see above
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    return pid


def end(pid: int) -> int:
    """Wait for a process; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
