"""What a process may say of itself (prctl(2)), and signals by pidfd."""

from __future__ import annotations

import ctypes
import os

from rootless.linux.libc import check, libc, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterable
else:
    import _signal  # the signal module imports enum, 5 ms that every command would pay

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36

PERSONALITIES = {"LINUX": 0, "LINUX32": 8}
"""PER_LINUX and PER_LINUX32 of linux/personality.h, by their names in the OCI specification."""

CLOSE_RANGE_CLOEXEC = 4
_SYS_CLOSE_RANGE = 436

KEYCTL_JOIN_SESSION_KEYRING = 1
_SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}

_TITLE = b"rootless"

HANGUPS = (_signal.SIGINT, _signal.SIGHUP, _signal.SIGPIPE, _signal.SIGQUIT)
"""Signals of a terminal and of a reader that has gone: a process that stays behind ignores them."""

_prctl = libc.prctl
_prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument."""
    check(_prctl(option, value, 0, 0, 0), f"prctl {option}")


def set_dumpable(dumpable: bool) -> None:
    """Let or forbid other processes of the user to look into this one (PR_SET_DUMPABLE)."""
    prctl(PR_SET_DUMPABLE, int(dumpable))


def set_subreaper(*, wanted: bool = True) -> None:
    """Orphaned descendants become children of this process (PR_SET_CHILD_SUBREAPER), or not."""
    prctl(PR_SET_CHILD_SUBREAPER, int(wanted))


def reap(pid: int) -> None:
    """Wait for the end of a child, unless a handler of SIGCHLD has done so."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass


def die_with_parent() -> None:
    """SIGKILL this process when its parent ends. A change of uid clears it: call it after."""
    prctl(PR_SET_PDEATHSIG, _signal.SIGKILL)


def set_name(name: str) -> None:
    """The name that ps shows, 15 bytes (PR_SET_NAME)."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    prctl(PR_SET_NAME, ctypes.addressof(buffer))


def set_personality(domain: int) -> None:
    """personality(2)."""
    check(libc.personality(ctypes.c_ulong(domain)), "personality")


def setdomainname(name: str) -> None:
    """setdomainname(2)."""
    data = os.fsencode(name)
    check(libc.setdomainname(ctypes.c_char_p(data), ctypes.c_size_t(len(data))), "setdomainname")


def join_session_keyring() -> None:
    """Enter a new, empty session keyring, so that the host's keys stay outside (keyctl(2))."""
    number = _SYS_KEYCTL.get(os.uname().machine)
    if number is not None:
        result = syscall(number, ctypes.c_int(KEYCTL_JOIN_SESSION_KEYRING), ctypes.c_char_p(None))
        check(result, "keyctl")


def pidfd_pid(fd: int) -> int:
    """Return the pid, seen from here, of the process behind the pidfd `fd`; -1 if it is gone."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="utf-8") as file:
        for line in file:
            if line.startswith("Pid:"):
                return int(line.split()[1])
    return -1


def pidfd_send_signal(fd: int, number: int) -> None:
    """pidfd_send_signal(2). Raises ProcessLookupError where the process has ended."""
    _signal.pidfd_send_signal(fd, number)


def close_on_exec(first: int, spare: int = -1, kept: Iterable[int] = ()) -> None:
    """Let no descriptor from `first` on outlive execve(2), whoever opened it and however.

    Those from 3 to `first` and those of `kept` do outlive it, and `spare` is left as it is.
    """
    for fd in (*range(3, first), *kept):
        os.set_inheritable(fd, True)
    left = sorted({fd for fd in (spare, *kept) if fd >= first})
    begins, ends = [first, *(fd + 1 for fd in left)], [*(fd - 1 for fd in left), 0xFFFFFFFF]
    flags = ctypes.c_uint(CLOSE_RANGE_CLOEXEC)
    for begin, end in zip(begins, ends, strict=True):
        if begin > end:
            continue
        if syscall(_SYS_CLOSE_RANGE, ctypes.c_uint(begin), ctypes.c_uint(end), flags) < 0:
            _close_each_on_exec(begin, end)


def _close_each_on_exec(begin: int, end: int) -> None:
    """The same before Linux 5.11."""
    for name in os.listdir("/proc/self/fd"):
        if begin <= int(name) <= end:
            try:
                os.set_inheritable(int(name), False)
            except OSError:
                pass  # the descriptor that listed the directory


def forget_arguments() -> None:
    """Overwrite this process's command line, which everybody who sees the process may read.

    /proc/PID/cmdline shows the memory between two addresses (proc(5)), whether the process is
    dumpable or not; a fork has its own copy of it.
    """
    start, end = (int(field) for field in _fields("self")[45:47])
    if start < end:
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, _TITLE, min(len(_TITLE), end - start - 1))


def start_time(pid: int) -> int:
    """When `pid` started, in clock ticks since boot: with the pid it names one process.

    Raises FileNotFoundError or ProcessLookupError where there is no such process.
    """
    return int(_fields(pid)[19])


def is_stopped(pid: int) -> bool:
    """Whether somebody has stopped `pid` (SIGSTOP). Raises what `start_time` raises."""
    return _fields(pid)[0] == b"T"


def _fields(pid: int | str) -> list[bytes]:
    """Return what stands behind the name in /proc/PID/stat (proc(5)), the state first.

    Read from the last bracket, because the name may hold any.
    """
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()
