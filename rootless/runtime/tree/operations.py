"""The steps that make a container's file system: each can say what it will do, and do it.

`plan.py` chooses and orders them, `launch.py` applies them inside the container's namespaces.
All targets are paths of the container, opened below its root so that no link of the image leads
out (openat2(2) RESOLVE_IN_ROOT), and mounted on by descriptor.
"""

from __future__ import annotations

import _socket
import errno
import os
import stat

from rootless.errors import LaunchError
from rootless.linux import mount as m
from rootless.linux import rtnetlink
from rootless.linux.process import setdomainname
from rootless.runtime.tree.binding import bind, make_read_only, on
from rootless.runtime.tree.mount_options import Options
from rootless.runtime.tree.tree import NoMountPoint
from rootless.runtime.userns.nesting import UNCONFINED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from rootless.runtime.tree.tree import Tree

    class Operation(Protocol):
        """One step."""

        def describe(self) -> str:
            """Say what `apply` does, as words that follow "cannot"."""

        def apply(self, tree: Tree) -> None:
            """Do it. Raises OSError."""


LOOPBACK = 1
"""Interface index of lo in every network namespace."""

ROOT = "uid=0,gid=0"
"""Whose a file system of the container's own is, as mount options."""

NOT_HERE = (errno.EPERM, errno.EACCES, errno.ENODEV, errno.EINVAL, errno.EBUSY)
"""What the kernel answers to a mount that is not possible here (nested, masked, unknown)."""


class Isolate:
    """Cut mount propagation towards the host; what the host mounts may still come in."""

    def describe(self) -> str:
        """See Operation."""
        return "make the mount tree private"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        os.umask(0o022)  # the user's own must not shape what the later steps make
        try:
            m.mount("none", "/", "", m.MS_REC | m.MS_SLAVE)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EACCES, errno.ENOSYS):
                # The first mount(2) of all. Docker's AppArmor profile forbids it, too.
                raise LaunchError(
                    f"cannot mount anything here: {os.strerror(error.errno)}",
                    f"{UNCONFINED} --security-opt apparmor=unconfined",
                    errno=error.errno,
                ) from error
            raise


class Loopback:
    """Bring up the loopback interface of a new network namespace."""

    needs = "network"
    """The new namespace without which the step is left out."""

    def describe(self) -> str:
        """See Operation."""
        return "bring up the loopback interface"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        rtnetlink.apply([rtnetlink.link_up(LOOPBACK)])


class Mount:
    """Mount a file system of its own."""

    def __init__(self, kind: str, destination: str, options: list[str]) -> None:
        self.kind = kind
        self.destination = destination
        self.options = Options(options)

    def describe(self) -> str:
        """See Operation."""
        return f"mount {self.kind} at {self.destination}"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        target = tree.target(self.destination)
        try:
            self.mount(tree, on(target))
        finally:
            os.close(target)
        if self.options.propagation:
            set_propagation(tree, self.destination, self.options.propagation)

    def mount(self, tree: Tree, path: str) -> None:
        """Mount on `path`."""
        m.mount(self.kind, path, self.kind, self.options.flags, self.data(tree))

    def data(self, tree: Tree) -> str:
        """What the file system is told."""
        return self.options.data


class Tmpfs(Mount):
    """A tmpfs or ramfs; with the option `tmpcopyup` it starts with what the image has there."""

    def data(self, tree: Tree) -> str:
        """See Mount."""
        return tree.in_parent(super().data(tree), ROOT)

    def mount(self, tree: Tree, path: str) -> None:
        """See Mount."""
        if not self.options.tmpcopyup:
            super().mount(tree, path)
            return
        from rootless.runtime.tree.copying import copy_tree

        flags = os.O_RDONLY | os.O_DIRECTORY
        source = os.open(path, flags | os.O_CLOEXEC)
        try:
            super().mount(tree, path)
            # The path still leads to the directory below the new mount: open what covers it.
            covered = tree.open(self.destination, flags)
            try:
                mode = stat.S_IMODE(os.fstat(covered).st_mode)
                copy_tree(source, covered)
                if "mode=" in self.options.data:
                    os.fchmod(covered, mode)
            finally:
                os.close(covered)
        finally:
            os.close(source)


class Proc(Mount):
    """procfs; where the kernel refuses a new one, the outer one.

    It refuses while the outer /proc is masked (mount_too_revealing in fs/namespace.c), that is
    inside other containers.
    """

    def mount(self, tree: Tree, path: str) -> None:
        """See Mount."""
        try:
            super().mount(tree, path)
        except OSError as error:
            if error.errno not in NOT_HERE:
                raise
            m.mount("/proc", path, "", m.MS_BIND | m.MS_REC)
            tree.degraded.append("proc: bound the outer /proc, a new one was refused")


class Sysfs(Mount):
    """sysfs; in a network namespace that is not ours, or masked, the outer one read-only."""

    def mount(self, tree: Tree, path: str) -> None:
        """See Mount."""
        try:
            super().mount(tree, path)
        except OSError as error:
            if error.errno not in NOT_HERE:
                raise
            bind("/sys", path, self.options, recursive=True)
            tree.degraded.append("sysfs: bound the outer /sys, a new one was refused")


class Cgroup(Mount):
    """The container's part of the cgroup tree, where there is a version 2 tree."""

    def mount(self, tree: Tree, path: str) -> None:
        """See Mount."""
        try:
            m.mount("cgroup2", path, "cgroup2", self.options.flags)
        except OSError as error:
            if error.errno == errno.EBUSY:
                return  # the outer /sys was bound, and this very tree is mounted in it
            if error.errno not in NOT_HERE:
                raise
            data = tree.in_parent("size=0k", ROOT)
            m.mount("tmpfs", path, "tmpfs", self.options.flags | m.MS_RDONLY, data)
            tree.degraded.append("cgroup: no cgroup version 2 to mount, an empty directory instead")


class Mqueue(Mount):
    """POSIX message queues; needs an IPC namespace of our own."""

    def mount(self, tree: Tree, path: str) -> None:
        """See Mount."""
        try:
            super().mount(tree, path)
        except OSError as error:
            if error.errno not in NOT_HERE:
                raise
            data = tree.in_parent("mode=1777,size=64k", ROOT)
            m.mount("tmpfs", path, "tmpfs", self.options.flags, data)
            tree.degraded.append("mqueue: refused, an empty tmpfs instead")
            return
        tree.give_root_of(self.destination)


class Devpts(Mount):
    """Pseudo terminals of the container's own."""

    def data(self, tree: Tree) -> str:
        """See Mount."""
        try:
            return tree.in_parent(super().data(tree))
        except LaunchError:
            return tree.in_parent(self._without_group())

    def mount(self, tree: Tree, path: str) -> None:
        """See Mount."""
        try:
            super().mount(tree, path)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            data = tree.in_parent(self._without_group())
            m.mount(self.kind, path, self.kind, self.options.flags, data)
        tree.give_root_of(self.destination)

    def _without_group(self) -> str:
        """Return the options where group 5 (tty) has no place in the container's map."""
        words = self.options.data.split(",")
        return ",".join(word for word in words if not word.startswith("gid="))


ETC_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""What the engine binds into every container. An /etc that is read-only may lack one of them."""


class Bind:
    """Show a file or directory of the host in the container."""

    def __init__(self, source: str, destination: str, options: list[str]) -> None:
        self.source = source
        self.destination = destination
        self.options = Options(options)
        self.recursive_ro = "rro" in options
        # The engine's own files; what a user binds comes with rbind, or to another place.
        self.dispensable = destination in ETC_FILES and "rbind" not in options

    def describe(self) -> str:
        """See Operation."""
        return f"bind {self.source} at {self.destination}"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        is_directory = stat.S_ISDIR(os.stat(self.source).st_mode)
        try:
            target = tree.target(self.destination, directory=is_directory)
        except NoMountPoint as error:
            if not self.dispensable:
                raise
            tree.degraded.append(f"{self.destination}: left out, {error.message}")
            return
        try:
            bind(
                self.source,
                on(target),
                self.options,
                recursive=self.options.recursive,
                recursive_ro=self.recursive_ro,
            )
        except OSError as error:
            if stat.S_ISDIR(os.stat(target).st_mode) == is_directory:
                raise
            kinds = ("a directory", "a file") if is_directory else ("a file", "a directory")
            raise LaunchError(
                f"cannot bind {self.source} at {self.destination}: "
                f"{kinds[0]} cannot be shown in the place of {kinds[1]}",
                "name the file itself on both sides",
                errno=error.errno or 0,
            ) from error
        finally:
            os.close(target)
        propagation = self.options.propagation or m.MS_PRIVATE | m.MS_REC
        set_propagation(tree, self.destination, propagation)


def set_propagation(tree: Tree, destination: str, propagation: int) -> None:
    """Set how mounts spread at `destination`, which is a mount point by now."""
    target = tree.target(destination)
    try:
        m.mount("none", on(target), "", propagation)
    finally:
        os.close(target)


class Device:
    """A device node of the host: a user namespace cannot make one, so it is bound."""

    def __init__(self, path: str, destination: str = "") -> None:
        self.path = path
        self.destination = destination or path

    def describe(self) -> str:
        """See Operation."""
        return f"show the device {self.path}"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        target = tree.target(self.destination, directory=False)
        try:
            m.mount(self.path, on(target), "", m.MS_BIND)
        finally:
            os.close(target)


class Symlinks:
    """The links that every /dev has."""

    LINKS = (
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("core", "/proc/kcore"),
        ("ptmx", "pts/ptmx"),
    )

    def describe(self) -> str:
        """See Operation."""
        return "make the links of /dev"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        dev = tree.target("/dev")
        try:
            for name, target in self.LINKS:
                try:
                    os.symlink(target, name, dir_fd=dev)
                    tree.give(name, dev)
                except FileExistsError:
                    pass
        finally:
            os.close(dev)


CONTAINER_ENV = "/run/.containerenv"
"""podman's sign of a container."""

SAFE = ("nosuid", "noexec", "nodev")


class Marks:
    """Put docker's signs of a container into the root: /.dockerenv, and a list of its mounts.

    podman has the list as well. Where the image has them, or nothing can be written, they stay out.
    """

    PLACES = (CONTAINER_ENV, "/.dockerenv", "/etc/mtab")
    MOUNTS = "/proc/mounts"

    def describe(self) -> str:
        """See Operation."""
        return "make the files by which programs know a container"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        try:
            os.close(os.open(".dockerenv", flags, 0o755, dir_fd=tree.root))
            tree.give(".dockerenv", tree.root)
        except OSError:
            pass
        try:
            etc = tree.open("/etc", os.O_PATH | os.O_DIRECTORY)
        except OSError:
            return
        try:
            os.symlink(self.MOUNTS, "mtab", dir_fd=etc)
            tree.give("mtab", etc)
        except OSError:
            pass
        finally:
            os.close(etc)


class Mask:
    """Hide a file behind /dev/null, or a directory behind an empty one."""

    def __init__(self, path: str) -> None:
        self.path = path

    def describe(self) -> str:
        """See Operation."""
        return f"mask {self.path}"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        try:
            target = tree.open(self.path)
        except OSError:
            return  # not there: nothing to hide
        try:
            if stat.S_ISDIR(os.fstat(target).st_mode):
                data = tree.in_parent("size=0k,nr_inodes=2", ROOT)
                m.mount("tmpfs", on(target), "tmpfs", m.MS_RDONLY, data)
            else:
                m.mount("/dev/null", on(target), "", m.MS_BIND)
        finally:
            os.close(target)


class ReadOnly:
    """Make what is mounted at a path, and below it, read-only."""

    def __init__(self, path: str) -> None:
        self.path = path

    def describe(self) -> str:
        """See Operation."""
        return f"make {self.path} read-only"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        try:
            target = tree.open(self.path)
        except OSError:
            return  # not there: nothing to protect
        try:
            options = Options(["ro"])
            bind(on(target), on(target), options, recursive=True, recursive_ro=True)
        finally:
            os.close(target)


class ReadOnlyRoot:
    """Make the root itself read-only; what is mounted below it stays as it is."""

    def describe(self) -> str:
        """See Operation."""
        return "make the root file system read-only"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        make_read_only(tree.root, tree.path)


class Sysctl:
    """Set a kernel parameter of the container's namespaces."""

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value

    def describe(self) -> str:
        """See Operation."""
        return f"set sysctl {self.name}={self.value}"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        path = f"/proc/sys/{self.name.replace('.', '/')}"
        fd = tree.open(path, os.O_WRONLY)
        try:
            os.write(fd, self.value.encode())
        finally:
            os.close(fd)


class Pings(Sysctl):
    """Let root of the container ping, who has no CAP_NET_RAW: icmp(7), and podman's default."""

    NAME = "net.ipv4.ping_group_range"
    needs = "network"

    def __init__(self) -> None:
        super().__init__(self.NAME, "0 0")

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        try:
            super().apply(tree)
        except OSError:
            pass  # another container's /proc is read-only


class Hostname:
    """Set the host name of a new UTS namespace."""

    needs = "uts"

    def __init__(self, name: str) -> None:
        self.name = name

    def describe(self) -> str:
        """See Operation."""
        return f"set the host name {self.name}"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        try:
            _socket.sethostname(self.name)
        except PermissionError:
            # An outer seccomp filter: docker's and podman's want CAP_SYS_ADMIN for this call.
            tree.degraded.append("hostname: the outer one stays, setting it was refused")


class Domainname:
    """Set the NIS domain name of a new UTS namespace."""

    needs = "uts"

    def __init__(self, name: str) -> None:
        self.name = name

    def describe(self) -> str:
        """See Operation."""
        return f"set the domain name {self.name}"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        try:
            setdomainname(self.name)
        except PermissionError:
            tree.degraded.append("domainname: the outer one stays, setting it was refused")


class Pivot:
    """Make the tree the root of this mount namespace and leave the old one."""

    def describe(self) -> str:
        """See Operation."""
        return "enter the root file system"

    def apply(self, tree: Tree) -> None:
        """See Operation."""
        old = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fchdir(tree.root)
        # The old root goes on top of the new one (pivot_root(2), 'pivot_root(".", ".")'), so
        # that no directory is needed for it.
        m.pivot_root(".", ".")
        os.fchdir(old)
        os.close(old)
        m.mount("none", ".", "", m.MS_REC | m.MS_SLAVE)
        m.umount2(".", m.MNT_DETACH)
        os.chdir("/")
