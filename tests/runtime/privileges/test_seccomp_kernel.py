"""The seccomp filter in effect: real processes, which the kernel answers."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pyseccomp
import pytest

from rootless.runtime.privileges import caps, seccomp
from tests.security import programs

pytestmark = pytest.mark.once

EXIT_GROUP = 231
DEFAULT = list(caps.DEFAULT)
SOURCES = Path(seccomp.__file__).parent
ALLOW = 0x7FFF0000


def run_python(script: str, *args: str, isolated: bool = False) -> subprocess.CompletedProcess[str]:
    # -S: site would load modules by itself; the path is given by hand then
    flags = ["-S"] if isolated else []
    env = {**os.environ, "PYTHONPATH": str(SOURCES.parent.parent)}
    done = subprocess.run(
        [sys.executable, *flags, "-c", script, *args], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


INSIDE = """
import os, sys
from rootless.linux import namespaces, caps as linux
from rootless.runtime.privileges import caps, seccomp
ownership = "faked" if sys.argv[1] == "single" else ""
program = seccomp.filter_for("default", list(caps.DEFAULT), ownership, sys.argv[2])
user, group = os.geteuid(), os.getegid()
namespaces.unshare(namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNS)
for name, text in ("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1"):
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)
wanted = caps.sets(caps.resolve())
caps.shed(wanted)
caps.regain()
if sys.argv[3] == "nnp":
    caps.settle(wanted)
    linux.set_no_new_privs()
    seccomp.install(program)
else:
    seccomp.install(program)
    caps.settle(wanted)
os.execvp(sys.argv[4], sys.argv[4:])
"""


def inside(tmp_path: Path, *command: str, mode: str = "mapped", privs: str = "") -> str:
    """Run `command` as root of a namespace with one uid, under the filter."""
    return run_python(INSIDE, mode, f"{tmp_path}/cache", privs, *command).stdout


PROBE = """
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
for number in map(int, sys.argv[1:]):
    result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
    print(errno.errorcode[ctypes.get_errno()] if result < 0 else result)
for family in (socket.AF_INET, 40):
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
        print("ok")
    except OSError as error:
        print(errno.errorcode[error.errno])
print(os.uname().sysname)
"""


@pytest.mark.parametrize("privs", ["", "nnp"])
def test_children_meet_the_filter(tmp_path: Path, privs: str) -> None:
    numbers = [
        str(pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name))
        for name in ("kexec_load", "bpf", "io_uring_setup", "getppid")
    ]
    output = inside(tmp_path, sys.executable, "-c", PROBE, "600", *numbers, privs=privs)
    words = output.split()
    assert words[:4] == ["ENOSYS", "EPERM", "EPERM", "ENOSYS"]
    assert words[4].isdigit()
    assert words[5:] == ["ok", "EPERM", "Linux"]


ALLOW_ALL = struct.pack("<HBBI", 0x06, 0, 0, ALLOW)
UNPRIVILEGED = """
import os, sys
from rootless.linux import caps
from rootless.runtime.privileges import seccomp
program = bytes.fromhex(sys.argv[1])
caps.capset(0, 0, 0)
before = caps.no_new_privs()
try:
    seccomp.install(program)
    print("installed", before)
except PermissionError as error:
    print(error, before)
caps.set_no_new_privs()
seccomp.install(program)
seccomp.install(b"")
print("done")
try:
    seccomp.install(program[:4])
except OSError as error:
    print(error)
"""


def test_who_may_install_a_filter() -> None:
    first, second, third = run_python(UNPRIVILEGED, ALLOW_ALL.hex()).stdout.splitlines()
    refused = "[Errno 13] seccomp SECCOMP_SET_MODE_FILTER: Permission denied False"
    assert first in (refused, "installed True")  # True: the tests' own parent has set it
    assert second == "done"
    assert "Invalid argument" in third


LAST_STEPS = """
import ctypes, fcntl, json, os, sys
from rootless.linux import caps
from rootless.runtime.privileges import seccomp
program = seccomp.filter_for(json.loads(sys.argv[1]), [], "", sys.argv[2])
fd = os.open(sys.argv[3], os.O_RDONLY)
arguments = (ctypes.c_char_p * 2)(b"program")
environment = (ctypes.c_char_p * 1)()
libc = ctypes.CDLL(None)
number, flags = ctypes.c_long(322), ctypes.c_int(int(sys.argv[4], 16))
caps.set_no_new_privs()
seccomp.install(program)
fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
libc.syscall(number, fd, b"", arguments, environment, flags)
os._exit(9)
"""
# the end of a program, and the memory that Python may ask for before
A_HANDFUL = ["execve", "exit_group", "brk", "mmap", "munmap"]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the program is for x86_64")
@pytest.mark.parametrize("default", ["KILL_PROCESS", "ERRNO", "ALLOW"])
def test_the_last_steps_of_a_start_pass_any_filter(tmp_path: Path, default: str) -> None:
    """A profile that names a handful of calls, or refuses these: an open program is executed."""
    named = {"names": A_HANDFUL, "action": "SCMP_ACT_ALLOW"}
    refused = {"names": ["execveat", "fcntl"], "action": "SCMP_ACT_KILL_PROCESS"}
    document = {
        "defaultAction": f"SCMP_ACT_{default}",
        "syscalls": [refused if default == "ALLOW" else named],
    }
    program = tmp_path / "program"
    program.write_bytes(programs.elf64(programs.syscall(EXIT_GROUP, 0)))
    program.chmod(0o755)
    run_python(LAST_STEPS, json.dumps(document), f"{tmp_path}/cache", str(program), "0x1000")
    with pytest.raises(AssertionError):  # with other flags, the profile has its way
        run_python(LAST_STEPS, json.dumps(document), f"{tmp_path}/cache", str(program), "0x1100")


def test_nested_namespaces_can_be_made(tmp_path: Path) -> None:
    command = ("unshare", "-Urm", "sh", "-c", "mount -t tmpfs none /mnt && echo mounted")
    assert inside(tmp_path, *command) == "mounted\n"


def test_one_uid_is_enough_for_what_packages_do(tmp_path: Path) -> None:
    script = """
        set -e; cd "$1"; touch f; chown 1:1 f; chown -h 33:33 f; stat -c %u:%g f
        python3 -c 'import os; os.setgroups([1, 2]); os.setgid(33); os.setuid(33); print("set")'
        mknod null c 1 3; mknod disk b 8 0; mkfifo pipe; mknod whiteout c 0 0; ls
    """
    (tmp_path / "work").mkdir()
    output = inside(tmp_path, "sh", "-c", script, "sh", f"{tmp_path}/work", mode="single")
    expected = ["0:0", "set", "f", "pipe"]
    if os.uname().release.split(".")[0] >= "5":
        expected.append("whiteout")
    assert output.split() == expected


@pytest.mark.needs("dpkg-deb")
def test_dpkg_installs_with_one_uid(tmp_path: Path) -> None:
    deb = make_deb(tmp_path)
    root = tmp_path / "root"
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/updates").mkdir()
    (root / "var/lib/dpkg/status").write_text("")
    dpkg = ["dpkg", f"--root={root}", "--force-script-chrootless", "--log=/dev/null", "-i"]
    inside(tmp_path, "env", f"HOME={tmp_path}", *dpkg, str(deb), mode="single")
    assert (root / "usr/share/probe/file").read_text() == "content\n"
    assert "install ok installed" in (root / "var/lib/dpkg/status").read_text()


def make_deb(tmp_path: Path) -> Path:
    """A package with a file of another user's and a script that changes owners."""
    tree = tmp_path / "deb"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN").chmod(0o755)
    (tree / "usr/share/probe").mkdir(parents=True)
    (tree / "usr/share/probe/file").write_text("content\n")
    (tree / "DEBIAN/control").write_text(
        "Package: probe\nVersion: 1\nArchitecture: all\nMaintainer: n <n@localhost>\n"
        "Description: a probe\n"
    )
    script = tree / "DEBIAN/postinst"
    script.write_text('#!/bin/sh\nset -e\nchown 33:33 "$DPKG_ROOT/usr/share/probe/file"\n')
    script.chmod(0o755)
    subprocess.run(
        ["dpkg-deb", "-b", tree, tmp_path / "probe.deb"], check=True, capture_output=True
    )
    return tmp_path / "probe.deb"


def test_a_kept_program_costs_no_import(tmp_path: Path) -> None:
    program = seccomp.filter_for("default", DEFAULT, "", str(tmp_path))
    script = (
        "import sys; from rootless.runtime.privileges import seccomp, caps;"
        f"p = seccomp.filter_for('default', list(caps.DEFAULT), '', {str(tmp_path)!r});"
        "bad = set(sys.modules) & {'json', 're', 'typing', 'hashlib', 'pyseccomp', 'enum',"
        " 'rootless.runtime.privileges.seccomp_profile',"
        " 'rootless.runtime.privileges.seccomp_compile'};"
        "print(len(p), *bad)"
    )
    done = run_python(script, isolated=True)
    assert done.stdout == f"{len(program)}\n"
