"""capabilities(7) of the calling thread: capget(2), capset(2) and the prctl(2) calls about them.

Sets of capabilities are integers, one bit for each capability number. glibc and musl both export
capget and capset although no header of theirs declares them.
"""

from __future__ import annotations

import ctypes
import struct

from rootless.linux.libc import check, libc

_VERSION_3 = 0x20080522  # linux/capability.h: two 32-bit halves for each set, since 2.6.26

_PR_SET_KEEPCAPS = 8
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_GET_NO_NEW_PRIVS = 39
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_PR_CAP_AMBIENT_CLEAR_ALL = 4

_capget = libc.capget
_capget.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
_capset = libc.capset
_capset.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
_libc_prctl = libc.prctl
_libc_prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def _prctl(call: str, option: int, first: int = 0, second: int = 0) -> int:
    return check(_libc_prctl(option, first, second, 0, 0), f"prctl {call}")


def capget() -> tuple[int, int, int]:
    """Return the effective, permitted and inheritable set of this thread."""
    data = ctypes.create_string_buffer(24)
    check(_capget(struct.pack("=Ii", _VERSION_3, 0), data), "capget")
    low = struct.unpack("=6I", data.raw)
    return low[0] | low[3] << 32, low[1] | low[4] << 32, low[2] | low[5] << 32


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Give this thread these three sets. Raises OSError (EPERM) for what it may not have."""
    sets = (effective, permitted, inheritable)
    halves = [bits & 0xFFFFFFFF for bits in sets] + [bits >> 32 for bits in sets]
    check(_capset(struct.pack("=Ii", _VERSION_3, 0), struct.pack("=6I", *halves)), "capset")


def bounding_has(number: int) -> bool:
    """Whether capability `number` is in the bounding set.

    Raises OSError (EINVAL) for one that the kernel does not know.
    """
    return _prctl("PR_CAPBSET_READ", _PR_CAPBSET_READ, number) == 1


def bounding_drop(number: int) -> None:
    """Take capability `number` out of the bounding set; needs CAP_SETPCAP."""
    _prctl("PR_CAPBSET_DROP", _PR_CAPBSET_DROP, number)


def ambient_clear() -> None:
    """Empty the ambient set. A kernel without one (before 4.3) has nothing to empty."""
    _libc_prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


def ambient_raise(number: int) -> None:
    """Add capability `number`, which must be permitted and inheritable, to the ambient set."""
    _prctl("PR_CAP_AMBIENT_RAISE", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, number)


def keep_capabilities(keep: bool) -> None:
    """Whether the permitted set outlives the change from uid 0 to another (PR_SET_KEEPCAPS)."""
    _prctl("PR_SET_KEEPCAPS", _PR_SET_KEEPCAPS, int(keep))


def set_no_new_privs() -> None:
    """From now on execve(2) gives no privileges (set-uid bits, file capabilities). For good."""
    _prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)


def no_new_privs() -> bool:
    """Whether `set_no_new_privs` was called, here or in a parent."""
    return _prctl("PR_GET_NO_NEW_PRIVS", _PR_GET_NO_NEW_PRIVS) == 1
