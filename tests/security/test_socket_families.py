"""Sockets that no container shall have: AF_VSOCK, which reaches a virtual machine's host past every
network namespace, AF_ALG and AF_RXRPC, by which readers wrote to files (CVE-2026-31431, -43500).

Each way into the kernel that an x86 machine has is gone by a program of its own.
"""

from __future__ import annotations

import errno
import os
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.security.programs import (
    ADDRESS,
    EXIT_WITH_ERRNO,
    EXIT_WITH_ERRNO_64,
    elf32,
    elf64,
    interrupt,
    syscall,
    with_data,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the programs are for x86")

INET = (2, 1, 0)
REFUSED = {"rxrpc": (33, 2, 2), "alg": (38, 5, 0), "vsock": (40, 1, 0)}
HIGH = 1 << 32
X32 = 0x40000000
SYS_SOCKET, SYS_SOCKETPAIR = 1, 8


def socketcall(call: int, arguments: tuple[int, ...], bits: int = 32) -> bytes:
    """A program that passes on `arguments` by socketcall(2), from memory."""
    data = struct.pack(f"<{len(arguments)}I", *arguments).ljust(32, b"\0")
    return with_data(lambda place: interrupt(102, call, place) + EXIT_WITH_ERRNO, data, bits)


def programs() -> dict[str, bytes]:
    """Name -> program; those with a + do what must work, all others what must not."""
    made = {
        "syscall-inet+": elf64(syscall(41, *INET) + EXIT_WITH_ERRNO_64),
        "direct-inet+": elf32(interrupt(359, *INET) + EXIT_WITH_ERRNO),
        "socketpair+": socketcall(SYS_SOCKETPAIR, (1, 1, 0, ADDRESS + 84 + 40)),
        "socketcall-inet": socketcall(SYS_SOCKET, INET),
    }
    for name, arguments in REFUSED.items():
        high = (arguments[0] | HIGH, *arguments[1:])
        made[f"syscall-{name}"] = elf64(syscall(41, *arguments) + EXIT_WITH_ERRNO_64)
        made[f"high-{name}"] = elf64(syscall(41, *high) + EXIT_WITH_ERRNO_64)
        made[f"x32-{name}"] = elf64(syscall(41 | X32, *arguments) + EXIT_WITH_ERRNO_64)
        made[f"direct-{name}"] = elf32(interrupt(359, *arguments) + EXIT_WITH_ERRNO)
        made[f"socketcall-{name}"] = socketcall(SYS_SOCKET, arguments)
        made[f"socketcall64-{name}"] = socketcall(SYS_SOCKET, arguments, bits=64)
    return made


def answers(store: Store, directory: Path, *options: str) -> dict[str, str]:
    """Run all programs in one container; return their exit codes in words."""
    for name, program in programs().items():
        (directory / name).write_bytes(program)
        (directory / name).chmod(0o755)
    script = 'cd /programs; for name in *; do "./$name"; echo "$name $?"; done'
    output = store.ok(
        "run", "--rm", "-v", f"{directory}:/programs:ro", *options, "busybox", "sh", "-c", script
    )
    pairs = dict(line.split() for line in output.splitlines())
    return {name: word(int(code)) for name, code in pairs.items()}


def word(code: int) -> str:
    return "done" if code > 128 or code == 0 else errno.errorcode[code]


def test_no_way_leads_to_a_socket_that_is_refused(shared: Store, tmp_path: Path) -> None:
    found = answers(shared, tmp_path)
    if found["direct-inet+"] == "ENOSYS":
        pytest.skip("this kernel runs no 32-bit programs")
    expected = {name: "done" if name.endswith("+") else "EPERM" for name in programs()}
    assert found == expected


def test_the_programs_do_what_they_say(shared: Store, tmp_path: Path) -> None:
    """Without the filter the kernel answers: no EPERM, and nothing dies of a mistake here."""
    found = answers(shared, tmp_path, "--security-opt", "seccomp=unconfined")
    if found["direct-inet+"] == "ENOSYS":
        pytest.skip("this kernel runs no 32-bit programs")
    assert found["socketcall-inet"] == found["syscall-inet+"] == found["socketpair+"] == "done"
    assert "EPERM" not in found.values()


@pytest.mark.needs("umoci")
def test_who_asks_for_i386_gets_its_sockets(cli: Store, busybox_image: str, tmp_path: Path) -> None:
    """glibc and Go of i386 make all sockets by socketcall; the image alone cannot ask for that."""
    layout = tmp_path / "layout"
    subprocess.run(["cp", "-r", busybox_image, layout], check=True)
    config = ["umoci", "config", "--image", f"{layout}:busybox:latest", "--architecture", "386"]
    subprocess.run(config, check=True)
    cli.ok("load", "--input", str(layout))
    (tmp_path / "programs").mkdir()
    found = answers(cli, tmp_path / "programs")
    if found["direct-inet+"] == "ENOSYS":
        pytest.skip("this kernel runs no 32-bit programs")
    assert found["socketcall-inet"] == "EPERM"
    found = answers(cli, tmp_path / "programs", "--platform", "linux/386")
    assert found["socketcall-inet"] == "done"
    assert found["direct-alg"] == found["syscall-vsock"] == "EPERM"
