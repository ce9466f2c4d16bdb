"""Programs of a few instructions for x86, made here, so that no compiler is needed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = 0x400000
"""Where a program is loaded: below 4 GiB, so that `int 0x80` of a 64-bit one can point there."""

_HEADERS_32, _HEADERS_64 = 52 + 32, 64 + 56


def elf32(code: bytes) -> bytes:
    """Return an i386 program, statically linked, that is one segment: `code` (elf(5))."""
    size = _HEADERS_32 + len(code)
    entry = ADDRESS + _HEADERS_32
    header = b"\x7fELF\1\1\1".ljust(16, b"\0")
    header += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, entry, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<8I", 1, 0, ADDRESS, ADDRESS, size, size, 7, 0x1000)
    return header + segment + code


def elf64(code: bytes) -> bytes:
    """Return the same for x86_64."""
    size = _HEADERS_64 + len(code)
    entry = ADDRESS + _HEADERS_64
    header = b"\x7fELF\2\1\1".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, ADDRESS, ADDRESS, size, size, 0x1000)
    return header + segment + code


def with_data(make: Callable[[int], bytes], data: bytes, bits: int = 64) -> bytes:
    """Return a program of `make(address)` with `data` behind it; its length must not change."""
    headers = _HEADERS_32 if bits == 32 else _HEADERS_64
    code = make(ADDRESS + headers + len(make(0))) + data
    return elf32(code) if bits == 32 else elf64(code)


def interrupt(number: int, *arguments: int) -> bytes:
    """`int 0x80`, the i386 way into the kernel; its answer is in eax."""
    registers = (0xBB, 0xB9, 0xBA, 0xBE, 0xBF)[: len(arguments)]  # mov ebx, ecx, edx, esi, edi
    loads = [struct.pack("<BI", *pair) for pair in zip(registers, arguments, strict=True)]
    return b"".join(loads) + struct.pack("<BI", 0xB8, number) + b"\xcd\x80"


def syscall(number: int, *arguments: int) -> bytes:
    """`syscall`, the x86_64 way (x32 has the bit 0x40000000 in the number); all 64 bits count."""
    registers = (0xBF48, 0xBE48, 0xBA48, 0xBA49, 0xB849)[: len(arguments)]  # rdi, rsi, rdx, r10, r8
    loads = [struct.pack("<HQ", *pair) for pair in zip(registers, arguments, strict=True)]
    return b"".join(loads) + struct.pack("<BI", 0xB8, number) + b"\x0f\x05"


EXIT_WITH_ERRNO = b"\xf7\xd8\x89\xc3" + b"\xb8\1\0\0\0\xcd\x80"
"""neg eax; mov ebx, eax; exit by int 0x80: the errno of the last call, more than 128 for none."""

EXIT_WITH_ERRNO_64 = b"\xf7\xd8\x89\xc7" + b"\xb8\xe7\0\0\0\x0f\x05"
"""The same for a 64-bit program, by exit_group."""

SHOW = b"\x50" + b"\xbf\1\0\0\0\x48\x89\xe6\xba\x08\0\0\0\xb8\1\0\0\0\x0f\x05"
"""push rax; write(1, rsp, 8): the answer to the last call, as 8 bytes on standard output."""
