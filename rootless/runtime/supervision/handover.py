"""One process, one life after the other: what a supervisor holds, carried through execve(2).

The process stays the same to the kernel: its pid, children, locks, ignored signals and whatever
descriptors are kept. All else is a dictionary of plain values in a file in memory.
"""

from __future__ import annotations

import os
import sys

from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Mapping
    from typing import Any
else:
    import _signal


def pass_on(
    charge: Mapping[str, Any], kept: list[int], hook: str, name: str, *, light: bool
) -> None:
    """Execute the interpreter again and let `hook` (MODULE:FUNCTION) go on with the charge.

    `kept` are the descriptors that `charge` names, `name` is what ps shows as last argument;
    `light` leaves out site packages. All signals are blocked when the hook is called with what
    `receive` takes. Returns only where the kernel refuses (no memory).
    """
    handover = os.memfd_create("charge", 0)
    os.write(handover, jsonio.dump_bytes(charge))
    for fd in kept:
        os.set_inheritable(fd, True)
    module, _, function = hook.partition(":")
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__))))
    code = (
        f"import sys; sys.path.insert(0, {package!r}); "
        f"from {module} import {function}; {function}({handover})"
    )
    # Names are UTF-8 in records, whatever the locale says (as in cli.main).
    flags = ["-X", "utf8", "-I", *(["-S"] if light else [])]
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, range(1, _signal.NSIG))
    try:
        os.execv(sys.executable, [sys.executable, *flags, "-c", code, name])  # noqa: S606
    except OSError:
        for fd in kept:
            os.set_inheritable(fd, False)
        os.close(handover)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def receive(handover: int) -> Any:
    """Return the charge that the life before this one passed on."""
    with open(handover, "rb") as file:
        file.seek(0)
        return jsonio.loads(file.read())
