"""The user namespace U that all containers of a user share, and work done inside it.

U lives as long as something holds it. Every supervisor keeps a descriptor of it and says so in
a small file in the runtime directory: `userns/<mode>/<pid>` holds the number of the descriptor
and the inode of the namespace. Whoever needs U opens /proc/<pid>/fd/<number> of any of them and
checks that it is the namespace meant, so no pause process is needed and no pid is trusted.
Who finds none makes a new one.

A child joins U in two steps so that the parent can write the maps: `Entry` is what the parent
prepares, `Entry.enter` what the child does. See user_namespaces(7), newuidmap(1).
"""

from __future__ import annotations

import _socket
import os

from rootless.errors import HostError, StoreError
from rootless.linux import namespaces
from rootless.runtime.userns import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.userns.identity import Extent, Identity
    from rootless.store.paths import Paths


def find(paths: Paths, mode: str) -> int | None:
    """Return a descriptor of the living namespace U of this identity mode, or None."""
    directory = f"{paths.runtime}/userns/{mode}"
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return None
    for name in names:
        fd = _open_member(f"{directory}/{name}", name)
        if fd is not None:
            return fd
    return None


def _open_member(path: str, pid: str) -> int | None:
    """Open the namespace that the member file at `path` speaks of; a stale file is removed."""
    try:
        with open(path, encoding="utf-8") as file:
            number, inode = file.read().split()
        fd = os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, ValueError):
        _forget(path)
        return None
    try:
        # The pid may be somebody else's by now: believe the namespace, not the number.
        if os.fstat(fd).st_ino == int(inode) and namespaces.kind(fd) == namespaces.CLONE_NEWUSER:
            return fd
    except (OSError, ValueError):
        pass  # not a namespace at all
    os.close(fd)
    _forget(path)
    return None


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # somebody else saw it too


class Membership:
    """This process's word that it holds U: others may join through it until `leave`."""

    def __init__(self, runtime: str, mode: str, fd: int) -> None:
        directory = f"{runtime}/userns/{mode}"
        os.makedirs(directory, 0o700, exist_ok=True)
        self.path = f"{directory}/{os.getpid()}"
        # Read whole or not at all: a torn file is stale to its reader, which removes it.
        temporary = f"{runtime}/userns/.{os.getpid()}"
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(f"{fd} {os.fstat(fd).st_ino}")
            os.rename(temporary, self.path)
        except OSError as error:
            _forget(temporary)
            message = f"cannot write to the runtime directory {runtime}: {error.strerror}"
            raise StoreError(message, "make room there") from error

    def leave(self) -> None:
        """Take the word back."""
        _forget(self.path)


class Entry:
    """The way of one child into U. Made before the fork; owns its descriptors until `close`."""

    def __init__(self, paths: Paths, who: Identity, home: int = -1) -> None:
        """`home` is a descriptor of the U that is meant, which is closed here; -1 for any."""
        self.identity = who
        fd = find(paths, who.mode) if home < 0 else home
        self._fd = -1 if fd is None else fd
        self._parent = self._child = None
        if fd is None:
            self._parent, self._child = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)

    @property
    def is_new(self) -> bool:
        """Whether there was no U yet, so that this entry makes it."""
        return self._child is not None

    def enter(self) -> None:
        """In the child: be uid 0 of U with all capabilities in it.

        Raises OSError where the kernel refuses.
        """
        if self._child is None:
            namespaces.setns(self._fd, namespaces.CLONE_NEWUSER)
        else:
            if self._parent is not None:
                self._parent.close()  # or this child would never see the parent's end closed
            try:
                namespaces.unshare(namespaces.CLONE_NEWUSER)
            except OSError as error:
                self._child.send(str(error.errno).encode())
                raise
            self._child.send(b"0")
            if not self._child.recv(1):
                os._exit(1)  # the parent could not write the maps and says why
        # The supplementary groups stay for now: a bind mount's source may need them.
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        self.close()

    def serve(self, pid: int) -> int:
        """In the parent: write the maps when child `pid` asks, and return a descriptor of U.

        Raises HostError where the child could not make a namespace or the maps are refused.
        """
        try:
            if self._parent is not None and self._child is not None:
                self._child.close()
                self._check(self._parent.recv(16))
                write_maps(pid, self.identity)
                self._fd = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
                self._parent.send(b"m")
            fd, self._fd = self._fd, -1
            return fd
        finally:
            self.close()

    def _check(self, answer: bytes) -> None:
        if answer != b"0":
            from rootless.runtime.userns.nesting import why_no_user_namespace

            reason = os.strerror(int(answer)) if answer else "its process was killed"
            cause, mend = why_no_user_namespace()
            if cause:
                reason += f", {cause}"
            raise HostError(f"cannot make a user namespace: {reason}", mend)

    def close(self) -> None:
        """Close what is still open."""
        for end in (self._parent, self._child):
            if end is not None:
                end.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def enter(paths: Paths) -> None:
    """Put this process into U, as root of it and with a mount namespace of its own.

    Raises HostError where it cannot be made.
    """
    entry = Entry(paths, identity.detect())
    mapper = -1
    if entry.is_new:
        # Somebody outside must write the maps: a child that stays behind for that.
        me = os.getpid()
        mapper = os.fork()
        if mapper == 0:
            try:
                os.close(entry.serve(me))
            finally:
                os._exit(0)
    try:
        entry.enter()
    except OSError as error:
        raise HostError(f"cannot enter the user namespace: {error.strerror}") from error
    if mapper > 0:
        os.waitpid(mapper, 0)
    namespaces.unshare(namespaces.CLONE_NEWNS)


def write_maps(pid: int, who: Identity) -> None:
    """Write the uid and gid maps of the new user namespace of `pid`.

    Raises HostError with what the helper or the kernel said.
    """
    if who.helper:
        helpers = [
            _start_helper("newuidmap", pid, who.uid_map),
            _start_helper("newgidmap", pid, who.gid_map),
        ]
        for name, child in helpers:
            _, status = os.waitpid(child, 0)
            if status != 0:
                raise HostError(
                    f"{name} refused the map of {who.mode} identity",
                    "rootless doctor names the reason and the mend",
                )
        return
    try:
        if who.mode == "single":
            _write(f"/proc/{pid}/setgroups", "deny")
        _write(f"/proc/{pid}/gid_map", format_map(who.gid_map))
        _write(f"/proc/{pid}/uid_map", format_map(who.uid_map))
    except OSError as error:
        raise HostError(
            f"cannot write the id map of the user namespace: {error.strerror}",
            "ROOTLESS_IDENTITY=single needs no privilege",
        ) from error


def format_map(extents: list[Extent]) -> str:
    """Return extents as the kernel reads them, a line each."""
    return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in extents)


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _start_helper(name: str, pid: int, extents: list[Extent]) -> tuple[str, int]:
    numbers = [str(number) for extent in extents for number in extent]
    path = identity.find_program(name)
    return name, os.posix_spawn(path, [name, str(pid), *numbers], os.environ)
