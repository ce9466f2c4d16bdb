"""The stub: a static program of a few hundred bytes that executes the container's command.

execve(2) of a path that the container controls must not be our interpreter's last act. The kernel
resolves `#!` lines by itself, and as long as it does, /proc/self/exe is the program that called:
a script whose interpreter is /proc/self/exe would run the host's Python with the container's
libraries, and the container's root could then change that file, which may belong to the user
(CVE-2019-5736). No look at the path beforehand helps, since the file may be another one by then.
So the interpreter executes the stub by its descriptor, and /proc/self/exe is worth nothing.

The stub's arguments are a path and the argument vector for it. It does

    fcntl(channel, F_SETFD, FD_CLOEXEC)    so that a success closes the channel
    execve(argv[0], argv + 1, environment)
    write(channel, errno, 4)               only if that has failed
    exit_group(127)

and nothing else. Where it is executed again, by such an `#!` line, the channel is closed already:
it ends with 127. `init` is the other program in it, pid 1 of a container with `--init`: it passes
signals on to its child, reaps what ends, and ends with the child's exit code.

The file is a memfd with all seals, or, where vm.memfd_noexec = 2 forbids programs in such files
(Linux 6.3), one on a tmpfs that is read-only and mounted nowhere any more. Each start has its own.
"""

from __future__ import annotations

import _socket
import errno
import fcntl
import os
import struct

from rootless.errors import LaunchError
from rootless.linux import mount as m
from rootless.linux import namespaces
from rootless.runtime.stub import code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.stub.code import Machine

_LOADED_AT = 0x400000
_HEADERS = 64 + 2 * 56
_PAGE = 0x10000  # the largest that Linux has on any of these architectures

_MFD_EXEC = 0x10
_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # F_SEAL_SEAL, _SHRINK, _GROW, _WRITE of fcntl(2)
_ADD_SEALS = 1033

_NOT_PASSED_ON = (9, 19, 20, 21, 22, 32, 33)
"""SIGKILL and SIGSTOP cannot be waited for, SIGTSTP, SIGTTIN and SIGTTOU stop jobs of a terminal,
and the last two are the C library's own (nptl(7)). All architectures that have a stub give them
the same numbers."""
PASSED_ON = [number for number in range(1, 65) if number not in _NOT_PASSED_ON]
"""What `init` waits for, SIGCHLD included: its starter blocks these (sigwaitinfo(2))."""


def program(channel: int) -> int:
    """Return a descriptor, closed by exec, of the stub that reports on the descriptor `channel`."""
    return _file(channel, 0, init=False)


def init(child: int) -> int:
    """Return a descriptor, closed by exec, of the init for the process `child`."""
    return _file(-1, child, init=True)


def _file(channel: int, child: int, *, init: bool) -> int:
    """Raises LaunchError where there is no stub for this machine, OSError."""
    machine = code.find(os.uname().machine)
    if machine is None:
        raise LaunchError(
            f"cannot start containers on a {os.uname().machine} machine: there is no stub for it",
            "it takes some forty instructions, see rootless/runtime/stub",
        )
    image = build(machine, channel, child, init=init)
    try:
        return _memfd(image)
    except OSError as error:
        # EACCES: vm.memfd_noexec = 2. ENOSYS and EPERM: the filter of an outer container.
        if error.errno not in (errno.EACCES, errno.ENOSYS, errno.EPERM):
            raise
    return _on_tmpfs(image)


def build(machine: Machine, channel: int, child: int, *, init: bool) -> bytes:
    """Return the stub as an ELF file (elf(5)) with one segment, and a stack without code."""
    order = machine.order
    signals = sum(1 << number - 1 for number in PASSED_ON)
    data = struct.pack(f"{order}iiQ", channel, child, signals)
    body = data + machine.code[len(data) :]
    entry = _LOADED_AT + _HEADERS + (machine.init if init else code.DATA)
    identity = b"\x7fELF" + bytes((2, 1 if order == "<" else 2, 1)) + bytes(9)
    header = struct.pack(
        f"{order}HHIQQQIHHHHHH",
        *(2, machine.number, 1),  # ET_EXEC, machine, version
        *(entry, 64, 0),  # entry, program headers, no section headers
        *(machine.flags, 64, 56, 2, 0, 0, 0),
    )
    size = _HEADERS + len(body)
    segment = struct.pack(
        f"{order}IIQQQQQQ", 1, 5, 0, _LOADED_AT, _LOADED_AT, size, size, _PAGE
    )  # PT_LOAD, readable and executable
    stack = struct.pack(f"{order}IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)  # PT_GNU_STACK
    return identity + header + segment + stack + body


def _memfd(image: bytes) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        fd = os.memfd_create("rootless", flags | _MFD_EXEC)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        fd = os.memfd_create("rootless", flags)  # before Linux 6.3 all may be executed
    try:
        os.write(fd, image)
        fcntl.fcntl(fd, _ADD_SEALS, _SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _on_tmpfs(image: bytes) -> int:
    """Return the stub as a file on a read-only tmpfs that no mount namespace shows.

    A child makes it in a mount namespace of its own: this process may have no right to mount in
    the one where it is (an exec into a container with a user namespace of its own).
    """
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        try:
            fd = _mounted(image)
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", fd))]
            theirs.sendmsg([b"f"], rights)
        except OSError as error:
            theirs.send(struct.pack("i", error.errno or errno.EIO))
        finally:
            os._exit(0)
    theirs.close()
    said, ancillary, _, _ = ours.recvmsg(4, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
    ours.close()
    os.waitpid(pid, 0)
    for _, _, content in ancillary:
        return int(struct.unpack_from("i", content)[0])
    number = struct.unpack("i", said)[0] if len(said) == 4 else errno.EIO
    raise OSError(number, os.strerror(number))


def _mounted(image: bytes) -> int:
    namespaces.unshare(namespaces.CLONE_NEWNS)
    m.mount("none", "/", "", m.MS_PRIVATE | m.MS_REC)
    m.mount("tmpfs", "/proc", "tmpfs", m.MS_NOSUID | m.MS_NODEV, "mode=0755,size=64k")
    fd = os.open("/proc/stub", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755)
    os.write(fd, image)
    os.close(fd)
    m.mount("none", "/proc", "", m.MS_REMOUNT | m.MS_BIND | m.MS_RDONLY | m.MS_NOSUID | m.MS_NODEV)
    return os.open("/proc/stub", os.O_RDONLY | os.O_CLOEXEC)
