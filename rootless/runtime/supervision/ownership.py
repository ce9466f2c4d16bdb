"""Identity mode single: whose the files of a container were to be, as its processes have asked.

With one id chown(2) can do nothing. Where somebody wants to know all the same, a build for its
layers, the filter leaves these calls to a listener (seccomp_unotify(2)): a child of the supervisor,
in the user namespace, that notes the owner and answers with success. It notes it at the file, as
an attribute, which goes along with renames and further names and ends with the file; at links and
devices no user may set one, so they are told in a file, with their inode numbers and paths.

The kernel's manual warns that paths in the caller's memory may change after a look at them. Here
that is harmless: what is noted is a wish about files within the container's own root.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import select
import stat
import struct

from rootless.linux import namespaces, process
from rootless.linux.openat2 import open_in_root
from rootless.oci import jsonio
from rootless.runtime.userns.worker import close_others
from rootless.values import OWNER_ATTRIBUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

LINKS = "owners-of-links"
"""Name of the file in the container's directory: lines of JSON, [inode, path, uid, gid]."""

_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_RECV, _SEND
_NOTICE = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif with struct seccomp_data
_ANSWER = struct.Struct("=QqiI")  # struct seccomp_notif_resp
_UNCHANGED = 0xFFFFFFFF
_UNCHANGED_16 = 0xFFFF
_CAPABILITY = "security.capability"
_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_EMPTY_PATH = 0x1000
_PATH_MAX = 4096

_X86_64, _I386, _AARCH64, _ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
_CALLS = {
    _X86_64: {92: "chown", 93: "fchown", 94: "lchown", 260: "fchownat"},
    _I386: {
        182: "chown16",
        95: "fchown16",
        16: "lchown16",
        212: "chown",
        207: "fchown",
        198: "lchown",
        298: "fchownat",
    },
    _AARCH64: {55: "fchown", 54: "fchownat"},
    _ARM: {
        182: "chown16",
        95: "fchown16",
        16: "lchown16",
        212: "chown",
        207: "fchown",
        198: "lchown",
        325: "fchownat",
    },
}
"""Architecture as the kernel names it (linux/audit.h) -> number -> call."""


def begin(listener: int, userns: int, links: str) -> int:
    """Fork the child that answers; return its pid. `links` is the path of the file for links."""
    pid = os.fork()
    if pid == 0:
        try:
            process.die_with_parent()
            process.set_name("rootless-owners")
            notes = os.open(links, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            close_others({0, 1, 2, listener, userns, notes})
            namespaces.setns(userns, namespaces.CLONE_NEWUSER)
            _serve(listener, notes)
        finally:
            os._exit(0)
    return pid


def _serve(listener: int, notes: int) -> NoReturn:
    """Answer until nobody is left who could ask."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        (_, events), *_ = poll.poll()
        if not events & select.POLLIN:
            os._exit(0)  # POLLHUP: the filter has no process any more (Linux 5.9)
        data = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, data)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                continue  # who asked was killed meanwhile
            raise
        asked = _NOTICE.unpack(data)
        number = 0
        try:
            _note(asked, notes)
        except OSError as error:
            number = error.errno if error.errno in _TOLD else 0
        try:
            fcntl.ioctl(listener, _SEND, _ANSWER.pack(asked[0], 0, -number, 0))
        except OSError:
            pass  # who asked was killed meanwhile


_TOLD = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EBADF, errno.ENAMETOOLONG)
"""Errors of a call that names no file. All else is forgiven, as where nothing is noted."""


def _note(asked: tuple[int, ...], notes: int) -> None:
    """Find the file that a call is about, and note its owner. Raises OSError."""
    _, pid, _, number, machine, _, *arguments = asked
    call = _CALLS.get(machine, {}).get(number)
    if call is None:
        return
    fd, uid, gid = _opened(call, pid, arguments)
    try:
        if call.endswith("16"):
            uid, gid = _widened(uid), _widened(gid)
        _write(fd, uid & _UNCHANGED, gid & _UNCHANGED, pid, notes)
    finally:
        os.close(fd)


def _widened(number: int) -> int:
    return _UNCHANGED if number & _UNCHANGED_16 == _UNCHANGED_16 else number & _UNCHANGED_16


def _opened(call: str, pid: int, arguments: list[int]) -> tuple[int, int, int]:
    """Return the file as an O_PATH descriptor, and the owner that it is to have."""
    if call.startswith("fchown") and call != "fchownat":
        return _of_descriptor(pid, arguments[0]), arguments[1], arguments[2]
    directory, path, uid, gid, flags = _AT_FDCWD, *arguments[:3], 0
    if call == "fchownat":
        directory, path, uid, gid, flags = arguments[:5]
        directory = ctypes.c_int(directory & 0xFFFFFFFF).value
    if call.startswith("lchown"):
        flags = _AT_SYMLINK_NOFOLLOW
    text = _text(pid, path)
    if not text and flags & _AT_EMPTY_PATH:
        return _of_descriptor(pid, directory), uid, gid
    if not text:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    follow = 0 if flags & _AT_SYMLINK_NOFOLLOW else 1
    return _of_path(pid, directory, text, follow=bool(follow)), uid, gid


def _of_descriptor(pid: int, number: int) -> int:
    try:
        return os.open(f"/proc/{pid}/fd/{number}", os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None


def _of_path(pid: int, directory: int, path: str, *, follow: bool) -> int:
    """Open a path as the process `pid` would: from its root, or from one of its directories."""
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not path.startswith("/"):
            place = "cwd" if directory == _AT_FDCWD else f"fd/{directory}"
            path = f"{os.readlink(f'/proc/{pid}/{place}')}/{path}"
        return open_in_root(root, path, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
    finally:
        os.close(root)


def _text(pid: int, address: int) -> str:
    """Return the text at an address of a process. Raises OSError."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        data = b""
        while b"\0" not in data and len(data) < _PATH_MAX:
            # Up to the end of a page: the next may not be there.
            start = address + len(data)
            data += os.pread(memory.fileno(), 4096 - start % 4096, start)
    text, end, _ = data.partition(b"\0")
    if not end or len(text) >= _PATH_MAX:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    return os.fsdecode(text)


def _write(fd: int, uid: int, gid: int, pid: int, notes: int) -> None:
    status = os.fstat(fd)
    if status.st_dev != os.stat(f"/proc/{pid}/root").st_dev:
        return  # mounted there: no file of the container's own
    path = f"/proc/self/fd/{fd}"
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        # A change of its times to what they are: overlay takes it up from a layer below by that.
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        line = jsonio.dumps([status.st_ino, os.readlink(path), uid, gid])
        os.write(notes, line.encode() + b"\n")
        return
    if _UNCHANGED in (uid, gid):
        try:
            before = os.getxattr(path, OWNER_ATTRIBUTE).split(b":")
            known = int(before[0]), int(before[1])
        except (OSError, ValueError, IndexError):
            known = (_UNCHANGED, _UNCHANGED)
        uid = known[0] if uid == _UNCHANGED else uid
        gid = known[1] if gid == _UNCHANGED else gid
    os.setxattr(path, OWNER_ATTRIBUTE, b"%d:%d" % (uid, gid))
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISREG(status.st_mode):
        with contextlib.suppress(OSError):  # it has none
            os.removexattr(path, _CAPABILITY)
    if stat.S_ISREG(status.st_mode) and (kept := mode & ~_dropped(mode)) != mode:
        os.chmod(path, kept)


def _dropped(mode: int) -> int:
    """Return the bits that chown(2) takes from a file of this mode, whoever calls it."""
    return stat.S_ISUID | (stat.S_ISGID if mode & stat.S_IXGRP else 0)
