"""The supervisor's side: come onto a segment, start its switch where none runs, mend it."""

from __future__ import annotations

import _socket
import contextlib
import os
import select

from rootless.errors import LaunchError
from rootless.linux import process
from rootless.runtime.switch import messages, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterable
    from typing import Any, NoReturn, TypedDict

    from rootless.netstack.ports import Port
    from rootless.runtime.spec import Segment, Wire
    from rootless.runtime.switch.table import Address

    class Plug(TypedDict):
        """What a supervisor holds of a segment: plain values, so that they outlive execve(2)."""

        wire: Wire
        address: Address
        directory: str
        """Of the segment's switch."""
        fd: int
        """The connection to it."""
        netlink: int
        tap: int
        space: int
        """The segment, which lives on when its switch is killed."""
else:
    import _signal

_PATIENCE = 30.0
"""Seconds for an answer; it takes milliseconds."""


class Guest:
    """A container that comes onto segments."""

    def __init__(self, container: str, home: tuple[str, int], runtime: str) -> None:
        """`container` is its id, `runtime` the runtime directory.

        `home` is our identity mode and the user namespace of that.
        """
        self.container = container
        self._mode, self._userns = home
        self._runtime = runtime

    def attach(self, wire: Wire, netns: int, netlink: int) -> Plug:
        """Bring the container onto a segment; `netns` and `netlink` are its own.

        Raises LaunchError, whose text says why it cannot be.
        """
        segment = wire["segment"]
        try:
            directory = place.directory(self._runtime, segment["id"])
            sock = self._connect(segment, directory, None)
            wish = {"attach": wire, "id": self.container}
            said, fds = ask(sock, wish, [netns, netlink])
        except OSError as error:
            raise LaunchError(
                f"cannot start network {segment['name']}: {error.strerror or error}",
                "rootless doctor says more",
            ) from error
        if "error" in said:
            sock.close()
            raise LaunchError(f"network {segment['name']}: {said['error']}")
        return {
            "wire": wire,
            "address": said["address"],
            "directory": directory,
            "fd": sock.detach(),
            "netlink": fds[0],
            "tap": fds[1],
            "space": fds[2],
        }

    def mend(self, plug: Plug) -> None:
        """Come to a new switch of the same segment, whose own was killed. Raises OSError."""
        if plug["fd"] >= 0:  # else this is not the first try
            os.close(plug["fd"])
            plug["fd"] = -1
        os.makedirs(plug["directory"], 0o700, exist_ok=True)
        sock = self._connect(plug["wire"]["segment"], plug["directory"], plug)
        wish = {"attach": plug["wire"], "id": self.container, "known": plug["address"]}
        said, fds = ask(sock, wish)
        for fd in fds:
            os.close(fd)
        if "error" in said:
            raise OSError(0, said["error"])
        plug["fd"] = sock.detach()

    def _connect(self, segment: Segment, directory: str, left: Plug | None) -> _socket.socket:
        """Connect to the switch of a segment; start it where none runs, see `_start`."""
        with place.locked(directory):
            sock = place.connect(directory)
            return self._start(segment, directory, left) if sock is None else sock

    def _start(self, segment: Segment, directory: str, left: Plug | None) -> _socket.socket:
        """Start a switch, with what another has left of the segment, and connect to it.

        It is to be nobody's child: this process ends its own with the container.
        """
        listener = place.listen(directory)
        reading, writing = os.pipe()
        process.set_subreaper(wanted=False)
        try:
            middle = os.fork()
            if middle == 0:
                self._become(segment, listener, left, writing)
            os.close(writing)
            process.reap(middle)
            failed = os.read(reading, 4096).decode(errors="replace")
        finally:
            process.set_subreaper()
            os.close(reading)
            listener.close()
        if failed:
            place.forget(directory)
            raise OSError(0, failed)
        sock = place.connect(directory)
        if sock is None:
            raise OSError(0, "its process was killed")
        return sock

    def _become(
        self, segment: Segment, listener: _socket.socket, left: Plug | None, writing: int
    ) -> NoReturn:
        """In a child: fork once more, and be the switch in the grandchild."""
        try:
            if os.fork():
                os._exit(0)
            os.setsid()
            _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)
            for number in process.HANGUPS:
                _signal.signal(number, _signal.SIG_IGN)
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
            from rootless.runtime.switch import switch, wiring
            from rootless.runtime.userns.namespace import Membership
            from rootless.runtime.userns.worker import close_others

            kept = {0, 1, 2, listener.fileno(), writing}
            if left is None:
                netlink, tap, space = wiring.make(self._userns, segment)
            else:
                netlink, tap, space = left["netlink"], left["tap"], left["space"]
            close_others(kept | {netlink, tap, space, self._userns})
            # As long as it is there, containers come into the user namespace of the segment: from
            # another nobody could lay a cable.
            membership = Membership(self._runtime, self._mode, self._userns).path
            os.close(writing)
            switch.begin(
                {
                    "version": switch.VERSION,
                    "directory": place.directory(self._runtime, segment["id"]),
                    "segment": segment,
                    "members": [],
                    "listener": listener.detach(),
                    "netlink": netlink,
                    "tap": tap,
                    "space": space,
                    "userns": self._userns,
                    "membership": membership,
                }
            )
        except BaseException as error:  # noqa: BLE001 - nothing may return to the caller's stack
            reason = getattr(error, "strerror", "") or str(error)
            try:
                os.write(
                    writing, f"{getattr(error, 'filename', '') or ''} {reason}".strip().encode()
                )
            except OSError:
                pass  # it has begun: nobody reads that any more
        finally:
            os._exit(1)


def ask(
    sock: _socket.socket, wish: dict[str, Any], fds: Iterable[int] = ()
) -> tuple[dict[str, Any], list[int]]:
    """Say something to a switch and return its answer. Raises OSError."""
    messages.send(sock, wish, fds)
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    if not poll.poll(_PATIENCE * 1000):
        raise TimeoutError(0, "its process does not answer")
    found = messages.receive(sock)
    if found is None:
        raise OSError(0, "its process was killed")
    return found


def close(plug: Plug) -> None:
    """Leave a segment, by hanging up."""
    for fd in (plug["fd"], plug["netlink"], plug["tap"], plug["space"]):
        if fd >= 0:
            os.close(fd)


def publish(plug: Plug, ports: list[Port]) -> None:
    """Have ports published; the descriptors stay ours. Raises OSError."""
    with contextlib.closing(_socket.socket(fileno=os.dup(plug["fd"]))) as sock:
        for start in range(0, len(ports), messages.FILES):
            some = ports[start : start + messages.FILES]
            shown = [{**port, "fd": -1} for port in some]
            _expect(ask(sock, {"publish": shown}, [port["fd"] for port in some]))


def withdraw(plug: Plug, ports: list[tuple[int, str]]) -> None:
    """Have ports published no more. Raises OSError."""
    with contextlib.closing(_socket.socket(fileno=os.dup(plug["fd"]))) as sock:
        _expect(ask(sock, {"withdraw": ports}))


def rename(plug: Plug, names: list[str]) -> None:
    """Have the container known by other names. Raises OSError."""
    with contextlib.closing(_socket.socket(fileno=os.dup(plug["fd"]))) as sock:
        _expect(ask(sock, {"names": names}))
    plug["wire"]["names"] = names


def _expect(answer: tuple[dict[str, Any], list[int]]) -> None:
    if "error" in answer[0]:
        raise OSError(0, answer[0]["error"])
