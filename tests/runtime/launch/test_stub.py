"""The stub's bytes are what its listings say, and do it on each architecture (by qemu-user)."""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rootless.runtime.launch import stub

pytestmark = pytest.mark.once

LISTINGS = Path(stub.__file__).parent / "listings"
ARCHITECTURES = sorted(path.stem for path in LISTINGS.glob("*.s"))
TOOLS = {name: f"{name.replace('ppc64le', 'powerpc64le')}-linux-gnu-" for name in ARCHITECTURES}
OPTIONS = {"riscv64": (["-march=rv64i", "-mabi=lp64"], ["-m", "elf64lriscv"])}


@pytest.fixture(params=ARCHITECTURES)
def name(request: pytest.FixtureRequest) -> str:
    """An architecture, as uname(2) calls it."""
    return str(request.param)


@pytest.fixture
def emulator(name: str) -> list[str]:
    """What runs a program of `name` here."""
    if name == os.uname().machine:
        return []
    if not shutil.which(f"qemu-{name}"):
        pytest.skip(f"qemu-{name} is not installed")
    return [f"qemu-{name}"]


def found(name: str) -> stub.Machine:
    machine = stub.find(name)
    assert machine is not None
    return machine


def test_bytes_are_what_the_listing_says(name: str, tmp_path: Path) -> None:
    tools = TOOLS[name]
    if not shutil.which(f"{tools}as"):
        pytest.skip(f"{tools}as is not installed")
    for_as, for_ld = OPTIONS.get(name, ([], []))
    assembled, linked, raw = (str(tmp_path / part) for part in ("o", "elf", "bin"))
    for command in (
        ["as", *for_as, "-o", assembled, str(LISTINGS / f"{name}.s")],
        ["ld", *for_ld, "-N", "-Ttext=0", "-e", "start", "-o", linked, assembled],
        ["objcopy", "-O", "binary", "-j", ".text", linked, raw],
    ):
        subprocess.run([tools + command[0], *command[1:]], check=True)
    command = [f"{tools}nm", "--defined-only", linked]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    symbols = {line.split()[2]: int(line.split()[0], 16) for line in lines.splitlines()}
    machine = found(name)
    assert machine.code.hex() == Path(raw).read_bytes().hex()
    assert (symbols["start"], symbols["init"]) == (stub.DATA, machine.init)


def write(path: Path, image: bytes) -> str:
    path.write_bytes(image)
    path.chmod(0o755)
    return str(path)


def stub_run(
    emulator: list[str], program: str, command: list[str], **popen: Any
) -> subprocess.CompletedProcess[bytes]:
    """Execute the stub with `command`: a path, and the arguments for it."""
    if emulator:  # its option -0 is the first argument of what it runs
        return subprocess.run([*emulator, "-0", command[0], program, *command[1:]], **popen)
    return subprocess.run(command, executable=program, **popen)


def test_it_executes(name: str, emulator: list[str], tmp_path: Path) -> None:
    read, channel = os.pipe()
    program = write(tmp_path / "stub", stub.build(found(name), channel, 0, init=False))
    # The command sees its arguments, the environment, and no channel any more.
    script = f'echo "$0 $A $*"; test -e /proc/self/fd/{channel} || echo closed'
    command = ["/bin/sh", "sh", "-c", script, "x", "y", "z"]
    done = stub_run(
        emulator, program, command, pass_fds=[channel], env={"A": "a"}, capture_output=True
    )
    os.close(channel)
    assert (done.returncode, done.stdout) == (0, b"x a y z\nclosed\n")
    assert os.read(read, 4) == b""
    os.close(read)


def test_it_says_why_not(name: str, emulator: list[str], tmp_path: Path) -> None:
    read, channel = os.pipe()
    machine = found(name)
    program = write(tmp_path / "stub", stub.build(machine, channel, 0, init=False))
    done = stub_run(emulator, program, ["/nosuch", "x"], pass_fds=[channel])
    os.close(channel)
    assert (done.returncode, os.read(read, 8)) == (127, struct.pack(f"{machine.order}i", 2))
    os.close(read)


def test_it_ends_where_its_channel_is_closed(
    name: str, emulator: list[str], tmp_path: Path
) -> None:
    program = write(tmp_path / "stub", stub.build(found(name), 77, 0, init=False))
    done = stub_run(emulator, program, ["/bin/echo", "echo", "x"], capture_output=True)
    assert (done.returncode, done.stdout) == (127, b"")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 7", 7),
        ("kill -9 $$", 137),
        # Only SIGCHLD and what is passed on wake it; the first is sent by the test.
        ("trap 'exit 9' USR1; while :; do sleep 0.1; done", 9),
        ("(sleep 0.2 &); exit 3", 3),
    ],
)
def test_init(name: str, emulator: list[str], tmp_path: Path, script: str, expected: int) -> None:
    path = tmp_path / "init"
    pid = os.fork()
    if pid == 0:
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, stub.PASSED_ON)
            child = os.fork()
            if child == 0:
                signal.pthread_sigmask(signal.SIG_SETMASK, ())
                os.execv("/bin/sh", ["sh", "-c", script])
            program = write(path, stub.build(found(name), -1, child, init=True))
            command = [*emulator, program]
            os.execvp(command[0], command)
        finally:
            os._exit(99)
    if "trap" in script:
        _signal_until_it_ends(pid)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == expected


def _signal_until_it_ends(pid: int) -> None:
    """The shell must have its trap, and init be init, before a signal means anything."""
    opened = os.pidfd_open(pid)
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children")
        while not (words := children.read_text().split()):
            pass
        status, bit = Path(f"/proc/{words[0]}/status"), 1 << signal.SIGUSR1 - 1
        while not int(status.read_text().partition("SigCgt:")[2].split()[0], 16) & bit:
            pass
        signal.pidfd_send_signal(opened, signal.SIGUSR1)
    finally:
        os.close(opened)


def test_machine_without_a_stub() -> None:
    assert stub.find("vax") is None
