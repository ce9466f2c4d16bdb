"""One process, one life after the other: what a supervisor holds, carried through execve(2).

The process stays the same to the kernel: its pid, children, locks, ignored signals and whatever
descriptors are kept. All else is a dictionary of plain values in a file in memory.
"""

from __future__ import annotations

import os

from rootless.linux import interpreter
from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Mapping
    from typing import Any
else:
    import _signal


def pass_on(
    charge: Mapping[str, Any], kept: list[int], door: str, name: str, *, site: tuple[str, ...]
) -> None:
    """Execute the interpreter again and let `door` (see rootless.doors) go on with the charge.

    `kept` are the descriptors that `charge` names, `name` is what ps shows as last argument, and
    `site` what Python is to bring along (see linux.interpreter). All signals are blocked when the
    door is called with what `receive` takes, and the descriptors pass on to whatever is executed
    until `adopt`. Returns only where the kernel refuses (no memory).
    """
    handed = os.memfd_create("charge", 0)
    os.write(handed, jsonio.dump_bytes(charge))
    for fd in kept:
        os.set_inheritable(fd, True)
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    try:
        interpreter.execute(door, handed, site=site, shown=name)
    except OSError:
        adopt(handed, kept)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def receive(handed: int) -> Any:
    """Return the charge that the life before this one passed on."""
    return jsonio.loads(os.pread(handed, os.fstat(handed).st_size, 0))


def adopt(handed: int, kept: list[int]) -> None:
    """Close the file of the charge, and keep its descriptors for ourselves."""
    os.close(handed)
    for fd in kept:
        os.set_inheritable(fd, False)
