"""What can be had inside an outer container, found out by trying.

Outer containers mask /proc and filter system calls; hardened machines set the limits in
/proc/sys/user to 0. What is refused is done without, and said so.

User and mount namespaces are not done without. Where an outer container forbids both, its root
could still chroot(2): but then there is no /proc, /dev or volume, nothing is hidden from the
container, and only root could use it. That is no container, so the cause and the mend are named
instead.
"""

from __future__ import annotations

import os

from rootless.errors import LaunchError
from rootless.linux import mount as m
from rootless.linux import namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_HARMLESS = b" /proc/sys/fs/binfmt_misc "
"""A mount on a directory that is always empty hides nothing (is_empty_dir_inode in fs/libfs.c)."""

UNCONFINED = "start the outer container with --security-opt seccomp=unconfined"
"""The mend of what docker's default profile forbids; podman's allows it."""

_LIMITS = {
    "pid": "max_pid_namespaces",
    "network": "max_net_namespaces",
    "ipc": "max_ipc_namespaces",
    "uts": "max_uts_namespaces",
    "cgroup": "max_cgroup_namespaces",
}


def make_namespaces(wanted: dict[str, int], needed: str = "") -> dict[str, str]:
    """Make a mount namespace and those `wanted` (OCI name -> flag) that can be had.

    Returns what was refused: name -> what is done instead, in words. Raises LaunchError for the
    refusal of the one that is `needed`, OSError for that of the mount namespace.
    """
    refused = {}
    if "pid" in wanted and _proc_is_refused():
        # A /proc that tells of other processes than those that getpid(2) and kill(2) mean would
        # mislead every program, so both stay the outer ones.
        refused["pid"] = "pid: the outer namespace is shared, because /proc is masked there"
    rest = {name: flag for name, flag in wanted.items() if name not in refused}
    try:
        namespaces.unshare(namespaces.CLONE_NEWNS | sum(rest.values()))
    except OSError:
        namespaces.unshare(namespaces.CLONE_NEWNS)
        refused |= _make_each(rest, needed)
    return refused


def why_no_user_namespace() -> tuple[str, str]:
    """Return the likely cause of the kernel's refusal to make a user namespace, and the mend."""
    for path, name in (
        ("/proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone"),
        ("/proc/sys/user/max_user_namespaces", "user.max_user_namespaces"),
    ):
        if _read(path).strip() == "0":
            mend = 1 if name.startswith("kernel") else 15000
            return f"{name} is 0", f"as root: sysctl -w {name}={mend}"
    if "\nSeccomp:\t2" in _read("/proc/self/status"):
        return "a seccomp filter of an outer container forbids it", UNCONFINED
    return "", "rootless doctor names the cause and the mend"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _make_each(wanted: dict[str, int], needed: str) -> dict[str, str]:
    refused = {}
    for name, flag in wanted.items():
        try:
            namespaces.unshare(flag)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            if name == needed:
                raise LaunchError(
                    f"cannot make a {name} namespace: {reason}",
                    f"allow it (sysctl user.{_LIMITS.get(name, '')}) or use --{name} host",
                    errno=error.errno or 0,
                ) from error
            refused[name] = (
                f"{name}: the outer namespace is shared, a new one was refused: {reason}"
            )
    return refused


def proc_is_covered() -> bool:
    """Whether something lies on /proc: then the kernel may refuse a new one in containers.

    It does to who does not see the outer one whole (mount_too_revealing in fs/namespace.c).
    """
    with open("/proc/self/mountinfo", "rb") as file:
        return any(b" /proc/" in line and _HARMLESS not in line for line in file)


def _proc_is_refused() -> bool:
    """Whether a new procfs could not be mounted even in a pid namespace of our own."""
    return proc_is_covered() and not _works(_mount_proc)


def _mount_proc() -> None:
    namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWPID)
    # Only a child is in the new pid namespace, and procfs shows that of who mounts it.
    if not _works(lambda: m.mount("proc", "/proc", "proc")):
        raise PermissionError


def _works(function: Callable[[], None]) -> bool:
    """Call `function` in a child process; return whether it came back without an OSError."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0
