"""Ways of the kernel that lead from a container to its user, to neighbours and to the machine."""

from __future__ import annotations

import ctypes
import os
import secrets
import socket
import struct
import sys
import termios
from typing import TYPE_CHECKING

import pytest

from tests.containers.terminals import Terminal
from tests.security.programs import SHOW, elf64, syscall, with_data

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store

x86_64_only = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the program is for x86_64")
HIGH = 1 << 32


def with_program(directory: Path, program: bytes) -> list[str]:
    """Options of `run` that show `program` to the container as /program."""
    directory.chmod(0o755)
    (directory / "program").write_bytes(program)
    (directory / "program").chmod(0o755)
    return ["-v", f"{directory}/program:/program:ro"]


@x86_64_only
@pytest.mark.parametrize("number", [termios.TIOCSTI, termios.TIOCSTI | HIGH, 0x541C | HIGH])
@pytest.mark.parametrize("options", [["-i"], ["-i", "--init"], ["-i", "--privileged"]])
def test_nothing_is_typed_into_the_users_terminal(
    shared: Store, tmp_path: Path, number: int, options: list[str]
) -> None:
    """CVE-2017-5226, CVE-2019-7303 (high bits), CVE-2019-10063, CVE-2023-1523 (TIOCLINUX).

    Without -t a container may have the user's own terminal as standard input. The program tries
    to take it as its controlling one, and then to type a line.
    """

    def typing(letter: int) -> bytes:
        code = b""
        for stream in (0, 1, 2):
            code += syscall(16, stream, 0x540E, 1)  # TIOCSCTTY, with force
            code += syscall(16, stream, number, letter) + syscall(16, stream, number, letter + 1)
        return code + syscall(231, 0)

    words = with_program(tmp_path, with_data(typing, b"t\n"))
    with Terminal(shared, "run", "--rm", *options, *words, "busybox", "/program") as terminal:
        assert terminal.process.wait(60) == 0
        termios.tcflush(terminal.master, termios.TCIFLUSH)
        os.set_blocking(terminal.slave, False)
        with pytest.raises(BlockingIOError):
            os.read(terminal.slave, 100)


def test_no_release_agent_is_set(shared: Store) -> None:
    """CVE-2022-0492: the agent of a cgroup hierarchy of version 1 runs as root of the machine."""
    script = """
        mkdir /tmp/c
        for kind in rdma memory cpu pids net_cls; do
            mount -t cgroup -o $kind none /tmp/c 2>/dev/null || continue
            echo mounted $kind
            (echo /bin/sh > /tmp/c/release_agent) 2>/dev/null && echo set
            umount /tmp/c
        done
        for path in /sys/fs/cgroup/*/release_agent /sys/fs/cgroup/release_agent; do
            [ -e $path ] && (echo /bin/sh > $path) 2>/dev/null && echo set
        done
        echo end"""
    for options in ([], ["--cap-add", "ALL"], ["--privileged"]):
        nested = f"unshare -Urm sh -c '{script}'" if not options else script
        output = shared.ok("run", "--rm", *options, "busybox", "sh", "-c", nested)
        assert "set" not in output.split()
        assert output.split()[-1] == "end"


KEYCTL = 250
GET_KEYRING_ID, SET_PERMISSIONS, READ = 0, 5, 11
SESSION = (1 << 64) - 3  # KEY_SPEC_SESSION_KEYRING


@x86_64_only
@pytest.mark.parametrize("options", [[], ["--privileged"]])
def test_keys_of_the_users_session_stay_outside(
    shared: Store, tmp_path: Path, options: list[str]
) -> None:
    """CVE-2016-0728 and others began at the session's keyring; it may hold the user's secrets."""
    libc = ctypes.CDLL(None, use_errno=True)
    description = secrets.token_hex(8).encode()
    libc.syscall.restype = ctypes.c_long
    libc.syscall(ctypes.c_long(KEYCTL), ctypes.c_long(1), None)  # a new session keyring, for us
    theirs = libc.syscall(
        ctypes.c_long(248), b"user", description, b"secret", ctypes.c_size_t(6), ctypes.c_long(-3)
    )
    if theirs < 0:
        pytest.skip("keys cannot be made here")
    code = syscall(KEYCTL, GET_KEYRING_ID, SESSION, 0) + SHOW
    code += syscall(KEYCTL, SET_PERMISSIONS, theirs, 0x3F3F3F3F) + SHOW
    code += syscall(KEYCTL, READ, theirs, 0) + SHOW
    words = with_program(tmp_path, elf64(code + syscall(231, 0)))
    done = shared("run", "--rm", *options, *words, "busybox", "/program", text=False)
    assert done.returncode == 0, done.stderr
    inside, opened, read = struct.unpack("<3q", done.stdout)
    ours = libc.syscall(
        ctypes.c_long(KEYCTL), ctypes.c_long(0), ctypes.c_long(-3), ctypes.c_long(0)
    )
    assert inside != ours > 0
    assert opened < 0
    assert read < 0


def test_abstract_sockets_of_the_host_are_not_seen(shared: Store) -> None:
    """CVE-2020-15257: containerd's shim listened on one, in reach of all on the host's network."""
    name = f"rootless-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        for network, seen in (("private", False), ("none", False), ("host", True)):
            words = ["run", "--rm", "--network", network, "busybox", "cat", "/proc/net/unix"]
            assert (name in shared.ok(*words)) == seen


def test_we_listen_on_no_abstract_socket(busybox: Store) -> None:
    """CVE-2020-15257, from the other side: a container on the host's network finds none of ours."""
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    before = busybox.ok("run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/unix")
    assert not [line for line in before.splitlines() if "@" in line and busybox.directory in line]
    assert not [line for line in before.splitlines() if " @rootless" in line]


def test_the_launcher_cannot_be_looked_into(busybox: Store) -> None:
    """CVE-2016-9962: a process that joins was traced before it had given up what it holds.

    A watcher in the container, with CAP_SYS_PTRACE, asks of all others what descriptors they have.
    """
    watch = """while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || [ $p = /proc/$$ ] ||
        readlink $p/root $p/exe $p/fd/* ; done 2>/dev/null; done"""
    options = ["--cap-add", "SYS_PTRACE"]
    busybox.ok("run", "-d", "--name", "watch", *options, "busybox", "sh", "-c", watch)
    for _ in range(15):
        busybox.ok("exec", "watch", "true")
    seen = busybox.ok("logs", "watch")
    assert "python" not in seen
    assert busybox.directory not in seen
    assert os.path.dirname(sys.executable) not in seen


def test_masked_directories_are_empty(shared: Store) -> None:
    """CVE-2017-16539, CVE-2018-10892: disks and fans were in reach of containers."""
    script = """for path in /proc/acpi /proc/scsi /sys/firmware /sys/dev/block /sys/fs/selinux; do
        [ -e $path ] && ls -A $path && touch $path/x 2>/dev/null && echo written; done; echo end"""
    assert shared.ok("run", "--rm", "busybox", "sh", "-c", script) == "end"


@pytest.mark.parametrize("options", [[], ["--cgroupns", "host"], ["--cap-add", "ALL"]])
def test_cgroups_of_the_user_are_not_written(shared: Store, options: list[str]) -> None:
    """CVE-2023-25809: without a namespace of its own a container could change all of the user's."""
    script = """cd /sys/fs/cgroup || exit 0
        find . -maxdepth 4 -name 'cgroup.procs' | while read path; do
            (echo 1 > $path) 2>/dev/null && echo moved $path; done
        find . -maxdepth 3 -type d | while read path; do
            mkdir $path/made 2>/dev/null && rmdir $path/made && echo made $path; done
        true"""
    assert shared.ok("run", "--rm", *options, "busybox", "sh", "-c", script) == ""
