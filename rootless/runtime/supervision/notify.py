"""sd_notify(3): a service manager hears how the container does, and hands sockets to it.

    container    the container says itself when it is ready; what it says is passed on
    supervisor   ready when it runs            healthy    ready when its health check succeeds
    ignore       the manager hears nothing

The manager is told the supervisor's pid as MAINPID, for it ends as the container does, with the
same code; but while a command waits for the container, that command's: a manager does not learn how
somebody else's child has ended. What the container says goes through a socket of the supervisor's
own, bound into it, and only what a service may say of itself: nothing about pids and descriptors of
the host.
sd_listen_fds(3): descriptors from 3 on stay where they are, all the way into the container.
"""

from __future__ import annotations

import _socket
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypedDict

    from rootless.linux.loop import Loop

    class Notice(TypedDict):
        """What the supervisor tells the service manager: plain values."""

        mode: str
        """container, supervisor or healthy."""
        manager: str
        """Path of the manager's socket; @ begins an abstract one."""
        fd: int
        """Socket that the container writes to, -1 in other modes."""
        ready: bool
        """Whether READY=1 was sent."""
        main: int
        """What is told as MAINPID, 0 for the supervisor."""

    class Listening(TypedDict):
        """Sockets that were handed to us."""

        count: int
        names: str


FIRST = 3
"""SD_LISTEN_FDS_START."""

SOCKET = "notify.sock"
PLACE = "/run/notify"
"""Where the container finds it; podman's place."""

_PASSED_ON = (
    b"READY", b"RELOADING", b"STOPPING", b"STATUS", b"ERRNO", b"BUSERROR", b"EXIT_STATUS",
    b"MONOTONIC_USEC", b"WATCHDOG", b"EXTEND_TIMEOUT_USEC",
)  # fmt: skip
_LONGEST = 4096


def wanted(mode: str, *, attached: bool) -> Notice | None:
    """Return what is to be told, by the mode and our own environment; None where nobody listens.

    `attached` is whether this process waits for the end of the container.
    """
    manager = os.environ.get("NOTIFY_SOCKET", "")
    if mode == "ignore" or manager[:1] not in ("/", "@"):
        return None
    main = os.getpid() if attached else 0
    return {"mode": mode or "container", "manager": manager, "fd": -1, "ready": False, "main": main}


def listening() -> Listening | None:
    """Return the sockets that were handed to this process; None where there are none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = os.environ.get("LISTEN_FDS", "")
    if not (count.isascii() and count.isdigit()) or not 0 < int(count) < 1000:
        return None
    return {"count": int(count), "names": os.environ.get("LISTEN_FDNAMES", "")}


def without(listening: Listening, used: set[int]) -> Listening | None:
    """Return the sockets that are left beside the `used` ones; None for none.

    They move together from FIRST on, as sd_listen_fds(3) has them, and the used ones are closed.
    """
    last = FIRST + listening["count"]
    left = [fd for fd in range(FIRST, last) if fd not in used]
    for place, fd in enumerate(left, FIRST):
        if place != fd:
            os.dup2(fd, place)
    for fd in range(FIRST + len(left), last):
        os.close(fd)
    names = listening["names"].split(":") if listening["names"] else []
    kept = [name for fd, name in enumerate(names, FIRST) if fd in left]
    return {"count": len(left), "names": ":".join(kept)} if left else None


def listen(directory: str) -> int:
    """Make the socket for the container in `directory`/notify; return its descriptor.

    Raises OSError. The container's users may all write to it, as to the manager's own.
    """
    os.makedirs(f"{directory}/notify", 0o755, exist_ok=True)
    os.chmod(f"{directory}/notify", 0o755)  # noqa: S103 - whatever the umask
    place = os.open(f"{directory}/notify", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            os.unlink(SOCKET, dir_fd=place)
        except FileNotFoundError:
            pass
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        # Through the directory: a name of its own may be longer than a socket address (unix(7)).
        listener.bind(f"/proc/self/fd/{place}/{SOCKET}")
        os.chmod(f"/proc/self/fd/{place}/{SOCKET}", 0o666)  # noqa: S103 - as the manager's own
        return listener.detach()
    finally:
        os.close(place)


class Notifier:
    """Tells the service manager what there is to tell."""

    def __init__(self, loop: Loop, notice: Notice) -> None:
        self._notice = notice
        self._listener = None
        if notice["fd"] >= 0:
            self._listener = _socket.socket(fileno=notice["fd"])
            self._listener.setblocking(False)
            loop.watch(notice["fd"], select.POLLIN, self._pass_on)

    def _pass_on(self, _events: int) -> None:
        assert self._listener is not None  # noqa: S101 - only watched where it is
        try:
            data = self._listener.recv(_LONGEST)
        except OSError:
            return
        lines = [line for line in data.split(b"\n") if line.partition(b"=")[0] in _PASSED_ON]
        if b"READY=1" in lines:
            self.ready(lines)
        elif lines:
            self._send(lines)

    def started(self) -> None:
        """The container runs."""
        if self._notice["mode"] == "supervisor":
            self.ready()
        else:
            self._send([self._main()])

    def healthy(self) -> None:
        """Its health check has succeeded."""
        if self._notice["mode"] == "healthy" and not self._notice["ready"]:
            self.ready()

    def ready(self, lines: list[bytes] | None = None) -> None:
        """It does what it is for."""
        self._notice["ready"] = True
        self._send([self._main(), *(lines or [b"READY=1"])])

    def _main(self) -> bytes:
        return b"MAINPID=%d" % (self._notice["main"] or os.getpid())

    def _send(self, lines: list[bytes]) -> None:
        manager = self._notice["manager"]
        address = "\0" + manager[1:] if manager[0] == "@" else manager
        sender = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            sender.connect(address)
            sender.send(b"\n".join(lines))
        except OSError:
            pass  # it is gone: nobody waits for this
        finally:
            sender.close()
