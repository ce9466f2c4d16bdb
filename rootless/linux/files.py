"""How many files this process may have open: all that it may, or more for a while."""

from __future__ import annotations

import resource

MOST = 1 << 16
"""As many as are wanted at most, whatever is allowed."""

_before: list[int] = []
"""The soft limit that others are to have, while ours is higher."""


def allow_all() -> None:
    """Let this process open as many files as it may, and its children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def allow_many() -> int:
    """Raise the soft limit as far as the hard one lets it, up to MOST; return what it is.

    For a while: what children inherit is a matter of `allow_as_before` and `program`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return MOST if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    _before.append(soft)
    return most


def allow_as_before() -> None:
    """Take back what `allow_many` did."""
    if _before:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (_before.pop(), hard))


def program() -> str:
    """Return the Python with which a child takes back what it has inherited.

    The parent cannot for it: posix_spawn(3) takes no descriptors beyond the limit.
    """
    if not _before:
        return ""
    name = "resource.RLIMIT_NOFILE"
    taken = f"resource.setrlimit({name}, ({_before[0]}, resource.getrlimit({name})[1]))"
    return f"import resource; {taken}; "
