"""Namespaces: unshare(2), setns(2), and what ioctl_ns(2) tells of a namespace file."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct

from rootless.linux.libc import check, libc

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

NS_GET_USERNS = 0xB701
NS_GET_PARENT = 0xB702
NS_GET_NSTYPE = 0xB703
NS_GET_OWNER_UID = 0xB704

TYPES = {
    # OCI name -> (file in /proc/PID/ns, flag)
    "user": ("user", CLONE_NEWUSER),
    "mount": ("mnt", CLONE_NEWNS),
    "pid": ("pid", CLONE_NEWPID),
    "network": ("net", CLONE_NEWNET),
    "ipc": ("ipc", CLONE_NEWIPC),
    "uts": ("uts", CLONE_NEWUTS),
    "cgroup": ("cgroup", CLONE_NEWCGROUP),
    "time": ("time", CLONE_NEWTIME),
}
"""The namespaces of the OCI runtime specification (config-linux, "Namespaces")."""

_unshare = libc.unshare
_unshare.argtypes = [ctypes.c_int]
_setns = libc.setns
_setns.argtypes = [ctypes.c_int, ctypes.c_int]


def unshare(flags: int) -> None:
    """unshare(2). A new pid namespace is for the children, not for the caller."""
    check(_unshare(flags), "unshare")


def setns(fd: int, flags: int) -> None:
    """setns(2): `fd` is a namespace file, or a pidfd (Linux 5.8) with any mix of flags."""
    check(_setns(fd, flags), "setns")


def kind(fd: int) -> int:
    """Return the CLONE_NEW* flag of the namespace file `fd` (ioctl_ns(2), Linux 4.11)."""
    return fcntl.ioctl(fd, NS_GET_NSTYPE)


def owner(fd: int) -> int:
    """Return the uid that made the user namespace `fd`, as seen from here."""
    return int(struct.unpack("I", fcntl.ioctl(fd, NS_GET_OWNER_UID, b"\0\0\0\0"))[0])


def parent(fd: int) -> int:
    """Return a descriptor of the user namespace that the user namespace `fd` lies in."""
    return fcntl.ioctl(fd, NS_GET_PARENT)


def home(fd: int) -> int:
    """Return a descriptor of the user namespace that owns the namespace `fd`.

    Raises PermissionError where that is none of ours.
    """
    return fcntl.ioctl(fd, NS_GET_USERNS)


def identity(name: str, pid: str | int = "self") -> int:
    """Return the inode number of /proc/PID/ns/NAME: equal numbers are the same namespace."""
    return os.stat(f"/proc/{pid}/ns/{name}").st_ino
