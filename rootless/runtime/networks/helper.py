"""A network by a helper program in the place of our own stack: pasta(1) or slirp4netns(1).

The helper is a child of the supervisor, stays on the host's side, and ends with it. It is told of
the container's namespaces by the pid of a process in them. Init would be that process, but nobody
may look at init while it is not dumpable (see launch); so a shell takes its place until the helper
has opened what it needs.
"""

from __future__ import annotations

import os
import select

from rootless.errors import LaunchError, named
from rootless.linux import namespaces, process
from rootless.runtime.tree.operations import Loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from typing import NoReturn, Protocol

    from rootless.netstack.ports import Port
    from rootless.runtime.tree.operations import Operation

    class Program(Protocol):
        """What is different from one helper to another."""

        name: str

        def arguments(self, place: Place, ports: list[Port], anchor: str) -> list[str]:
            """Return what it is started with; `anchor` is a process in the namespaces."""

        def publish(self, place: Place, ports: list[Port]) -> list[Port]:
            """Publish ports once it runs; return those that are. Raises LaunchError."""
else:
    import _signal

_READY = "helper.ready"
_API = "helper.api"
_MOST = 4096
"""Bytes of what a helper says when it gives up."""


def find(name: str) -> str:
    """Return the path of a program, "" for one that is not installed."""
    for directory in os.get_exec_path():
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK):
            return path
    return ""


class Helped:
    """See `kinds.Driver`."""

    own = True
    settings = None
    named = None
    home = -1

    def __init__(self, program: Program) -> None:
        self.outside = Helper(program)

    def check(self) -> None:
        """See Driver: `start` says whether it is installed, and what it says itself."""

    def steps(self) -> list[Operation]:
        """See Driver."""
        return [Loopback()]


class Place:
    """What a helper and we share: files in the container's directory on the host."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self.fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._remove()
        self.ready_path = f"{directory}/{_READY}"
        # A pipe with a name: pasta writes its pid to a file when all is ready, not to a pipe.
        os.mkfifo(_READY, 0o600, dir_fd=self.fd)
        self.ready = os.open(_READY, os.O_RDWR | os.O_CLOEXEC, dir_fd=self.fd)
        """What the helper writes to when the network is there."""
        # A name of at most 108 bytes (unix(7)), wherever the directory lies.
        self.api = f"/proc/self/fd/{self.fd}/{_API}"
        """Where a helper may listen for questions."""

    def close(self) -> None:
        """Remove all."""
        os.close(self.ready)
        os.close(self.fd)
        self._remove()

    def _remove(self) -> None:
        for name in (_READY, _API):
            try:
                os.unlink(f"{self._directory}/{name}")
            except FileNotFoundError:
                pass


class Helper:
    """The helper of one container."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._said = -1

    def start(self, spaces: tuple[int, int], directory: str, ports: list[Port]) -> list[Port]:
        """See `kinds.Outside`."""
        name = self._program.name
        path = find(name)
        if not path:
            raise LaunchError(f"{name} is not installed", f"or use {named('networks')} private")
        place = Place(directory)
        self._said = os.memfd_create(name, os.MFD_CLOEXEC)
        anchor, release = _anchor(*spaces)
        try:
            given = self._program.arguments(place, ports, str(anchor))
            pid = os.fork()
            if pid == 0:
                self._execute(path, given, place)
            self._await(pid, place.ready)
            return self._program.publish(place, ports)
        finally:
            os.close(release)
            os.waitpid(anchor, 0)
            os.close(self._said)
            place.close()

    def _execute(self, path: str, arguments: list[str], place: Place) -> NoReturn:
        try:
            process.die_with_parent()
            for number in process.HANGUPS:  # Debian's pasta gives up where it finds one ignored
                _signal.signal(number, _signal.SIG_DFL)
            os.dup2(self._said, 1)
            os.dup2(self._said, 2)
            for fd in (place.ready, place.fd):
                os.set_inheritable(fd, True)
            os.execv(path, [self._program.name, *arguments])  # noqa: S606
        except OSError as error:
            os.write(2, (error.strerror or "").encode())
        os._exit(127)

    def _await(self, pid: int, ready: int) -> None:
        """Wait until it is ready. Raises LaunchError where it ends first."""
        ended = os.pidfd_open(pid)
        try:
            poll = select.poll()
            for fd in (ready, ended):
                poll.register(fd, select.POLLIN)
            if ready in [fd for fd, _ in poll.poll()]:
                return
        finally:
            os.close(ended)
        os.waitpid(pid, 0)
        lines = os.pread(self._said, _MOST, 0).decode(errors="replace").split("\n")
        # Debian's pasta complains of a syslog it cannot reach, a line each.
        told = [line for line in lines if line.strip() and "to syslog" not in line]
        word = told[-1].strip() if told else "no word from it"
        if told and "option" in told[0] and told[0].startswith(self._program.name):
            word = told[0].partition(": ")[2]  # its usage follows
        raise LaunchError(f"{self._program.name} ended: {word}")


def _anchor(userns: int, netns: int) -> tuple[int, int]:
    """Return a process in the namespaces, and the descriptor whose end ends it."""
    held, release = os.pipe()
    there, arrived = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            process.die_with_parent()
            namespaces.setns(userns, namespaces.CLONE_NEWUSER)
            namespaces.setns(netns, namespaces.CLONE_NEWNET)
            os.dup2(held, 0)
            os.dup2(arrived, 1)
            # The kernel lets others look only at what was executed in this user namespace.
            os.execv("/bin/sh", ["sh", "-c", "echo; read line"])  # noqa: S606
        except OSError:
            pass
        os._exit(1)
    os.close(held)
    os.close(arrived)
    os.read(there, 1)
    os.close(there)
    return pid, release
