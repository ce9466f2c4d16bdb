"""seccomp(2): installing a filter. The filter is bytes, an array of struct sock_filter."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from rootless.linux.libc import check, libc, syscall

INSTRUCTION = 8
"""Size of a struct sock_filter: u16 code, u8 jt, u8 jf, u32 k."""

MAX_INSTRUCTIONS = 4096
"""BPF_MAXINSNS: the kernel takes no longer program."""

_PR_GET_SECCOMP = 21
_SECCOMP_SET_MODE_FILTER = 1
# Without this flag kernels from 4.17 to 5.15 switch speculative store bypass off for the whole
# process tree, which costs it several per cent; since 5.16 they do not. crun and runc pass it too.
_SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4
_SECCOMP_FILTER_FLAG_NEW_LISTENER = 8

_NR_SECCOMP = {
    "x86_64": 317,
    "i686": 354,
    "aarch64": 277,
    "riscv64": 277,
    "loongarch64": 277,
    "armv7l": 383,
    "armv8l": 383,
    "ppc64le": 358,
    "s390x": 348,
}

_MACHINE = os.uname().machine
"""Before a container's personality(2) makes it another."""

_prctl = libc.prctl
_prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def seccomp_set_mode_filter(program: bytes, *, listened: bool = False) -> int:
    """Put `program` before every system call of this thread and of its children, for good.

    Return a descriptor for what it leaves to a listener (seccomp_unotify(2), Linux 5.0), where it
    is `listened` to; else -1. Needs no_new_privs or CAP_SYS_ADMIN in the user namespace of the
    caller. Raises OSError: EACCES where neither is given, EINVAL for a program that the kernel
    does not accept.
    """
    # The buffer outlives the call: the kernel copies the program before it returns.
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog, with the padding that the native alignment ("@") puts before the pointer.
    argument = struct.pack("@HP", len(program) // INSTRUCTION, ctypes.addressof(code))
    number = _NR_SECCOMP.get(_MACHINE)
    if number is None:
        raise OSError(errno.ENOSYS, f"seccomp: unknown machine {_MACHINE}")
    mode = ctypes.c_ulong(_SECCOMP_SET_MODE_FILTER)
    listen = _SECCOMP_FILTER_FLAG_NEW_LISTENER if listened else 0
    for flags in (_SECCOMP_FILTER_FLAG_SPEC_ALLOW, 0):
        result = syscall(number, mode, ctypes.c_ulong(flags | listen), ctypes.c_char_p(argument))
        if result >= 0 or ctypes.get_errno() != errno.EINVAL:
            break
    check(result, "seccomp SECCOMP_SET_MODE_FILTER")
    return int(result) if listened else -1


def supported() -> bool:
    """Whether this kernel has seccomp at all (CONFIG_SECCOMP)."""
    return int(_prctl(_PR_GET_SECCOMP, 0, 0, 0, 0)) >= 0
