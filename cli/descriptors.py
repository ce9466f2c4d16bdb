"""--preserve-fds and --preserve-fd: descriptors that a command is to have of ours."""

from __future__ import annotations

import os

from rootless.errors import UsageError, named
from rootless.runtime.supervision.notify import FIRST, listening
from rootless.values import is_number

_LAST = 1023
"""Nobody can keep more without raising the usual limit of open files."""


def inherited(count: int, texts: list[str]) -> list[int]:
    """Return `count` descriptors from 3 on, or behind those of a service manager, and the listed.

    Each must have been open before this process began: what it has opened itself is nobody's
    business, and close-on-exec. Raises UsageError.
    """
    handed = listening()
    first = FIRST + (handed["count"] if handed else 0)
    if not 0 <= count <= _LAST - first:
        raise UsageError(f"{named('preserve_fds')}: {count} is no number of descriptors")
    found = list(range(first, first + count))
    for word in ",".join(texts).split(",") if texts else ():
        if not is_number(word) or not first <= int(word[:5]) <= _LAST:
            raise UsageError(
                f"{named('preserve_fd')}: {word!r} is no descriptor", f"a number from {first} on"
            )
        found.append(int(word))
    for fd in found:
        if not _was_open(fd):
            raise UsageError(
                f"{named('preserve_fds')}: descriptor {fd} is not open",
                f"the shell opens it, for example by {fd}<FILE",
            )
    return sorted(set(found))


def _was_open(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False
