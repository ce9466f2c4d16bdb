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


DATA = 24
"""Bytes of data at the beginning of `code`: channel, child, signals, name."""


class Machine:
    """An architecture: its number in ELF headers, and the stub for it.

    `code` is what `as` makes of the listing in `listings`. It stands here as bytes, so that no
    assembler is needed and no compiled part is shipped; a test assembles the listings and compares.
    """

    def __init__(self, number: int, init: int, code: str, flags: int = 0, order: str = "<") -> None:
        self.number = number
        """EM_* of elf(5)."""
        self.init = init
        """Offset of the program `init` in `code`."""
        self.code = bytes.fromhex(code)
        """What the processor executes, behind room for the stub's data."""
        self.flags = flags
        """e_flags of elf(5)."""
        self.order = order
        """Byte order, as `struct` names it."""


def program(channel: int) -> int:
    """Return a descriptor, closed by exec, of the stub that reports on the descriptor `channel`."""
    return _file(channel, 0, init=False)


def init(child: int) -> int:
    """Return a descriptor, closed by exec, of the init for the process `child`."""
    return _file(-1, child, init=True)


def _file(channel: int, child: int, *, init: bool) -> int:
    """Raises LaunchError where there is no stub for this machine, OSError."""
    machine = find(os.uname().machine)
    if machine is None:
        raise LaunchError(
            f"cannot start containers on a {os.uname().machine} machine: there is no stub for it",
            "it takes some forty instructions, see rootless/runtime/launch/stub.py",
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
    entry = _LOADED_AT + _HEADERS + (machine.init if init else DATA)
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


def find(machine: str) -> Machine | None:
    """Return the stub for the machine that uname(2) calls `machine`, None where there is none."""
    described = _MACHINES.get(machine)
    return None if described is None else Machine(*described)


_MACHINES: dict[str, tuple[int, int, str, int, str]] = {
    "x86_64": (
        62,
        115,
        "00000000000000000000000000000000696e6974000000008b3de2ffffffbe02000000ba01000000"
        "b8480000000f0585c07533488b7c2408488d742410488b1424488d14d6b83b0000000f05f7d88904"
        "248b3da9ffffff4889e6ba04000000b8010000000f05bf7f000000b8e70000000f05f4bf0f000000"
        "488d3591ffffffb89d0000000f0548c7c7ffffffff4889e6ba010000004531d2b83d0000000f0585"
        "c07424bf0000000078c13b0554ffffff75d40fb67c24018b042483e07f74ac8db880000000eba448"
        "8d3d3affffff31f631d241ba08000000b8800000000f0583f81174a283f8fc74debf0100000085c0"
        "0f8875ffffff89c68b3d06ffffffb83e0000000f05ebc0",
        0,
        "<",
    ),
    "aarch64": (
        183,
        116,
        "00000000000000000000000000000000696e69740000000040ffff18410080d2220080d2280380d2"
        "010000d4c0010035e00740f9e1430091e20340f9220c028ba81b80d2010000d4e003004be00300b9"
        "80fdff18e1030091820080d2080880d2010000d4e00f80d2c80b80d2010000d400000000e00180d2"
        "c1fcff10e81480d2010000d400008092e1030091220080d2030080d2882080d2010000d4a0010034"
        "e903002a000080d209feff37c1faff183f01016b81feff54e10340b9203c08532118007220fdff54"
        "20000211e7ffff17c0f9ff10010080d2020080d2030180d2281180d2010000d41f440071c0fcff54"
        "1f100031e0feff54e103002a200080d241fbff3700f8ff18281080d2010000d4f0ffff17",
        0,
        "<",
    ),
    "riscv64": (
        243,
        128,
        "00000000000000000000000000000000696e69740000000017040000130484fe0325040093052000"
        "130610009308900173000000631e0502033581009305010103360100131636003386c5009308d00d"
        "730000003305a0402320a10003250400930501001306400093080004730000001305f0079308e005"
        "73000000731000c017040000130404f81305f000930504019308700a730000001305f0ff93050100"
        "13061000930600009308401073000000630805021303050013050000e34c03fa83224400e31a53fc"
        "034511008322010093f2f207e38002fa138502086ff09ff913058400930500001306000093068000"
        "930890087300000093021001e30e55f89302c0ffe30e55fc9305050013051000e3c205f603254400"
        "93081008730000006ff01ffc",
        0,
        "<",
    ),
    "ppc64le": (
        21,
        128,
        "00000000000000000000000000000000696e69740000000005009f42a602e87fe4ffff3b00007f80"
        "020080380100a038370000380200004438008341080061e8100081380000a1e8241fa578142aa47c"
        "0b000038020000440000619000007f80780b247c0400a03804000038020000447f006038ea000038"
        "020000440800e07f05009f42a602e87f7cffff3b0f00603810009f38ab00003802000044ffff6038"
        "780b247c0100a0380000c0387200003802000044781b677c00006038b8ff83410000072c28008241"
        "04009f800020077cccff8240000081803ec683547f00847094ff8241800064388cffff4b08007f38"
        "000080380000a0380800c038b000003802000044781b647c1c0083411100042c8cff824104007f80"
        "2500003802000044ccffff4b0400042cc4ff82410100603844ffff4b",
        2,
        "<",
    ),
    "s390x": (
        22,
        130,
        "00000000000000000000000000000000696e697400000000c0c0fffffff4e320c0000014a7390002"
        "a7490001a71900370a00b9020022a774001fe320f00800044130f010e340f0000004eb440003000d"
        "41443000a719000b0a0013225020f000e320c0000014b904003fa7490004a71900040a00a729007f"
        "a71900f80a0000000000c0c0ffffffbfa729000f4130c010a71900ac0a00a729ffffb904003fa749"
        "0001a7590000a71900720a00b9020062a7840019a7290000a744ffe05960c004a774ffebe320f002"
        "0090a709007f5400f000a784ffd3b9140020a72b0080a7f4ffcd4120c008a7390000a7490000a759"
        "0008a71900b10a00a72f0011a784ffcda72ffffca784ffefb9040032a7290001b9020033a744ffb2"
        "e320c0040014a71900250a00a7f4ffdf",
        0,
        ">",
    ),
}
