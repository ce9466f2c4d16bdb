"""The supervisor's end of a private network: the user-mode stack, loaded with the first packet.

A container that has said nothing yet, or no more for a while, costs a descriptor.
"""

from __future__ import annotations

import _socket
import select

from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.linux.loop import Loop
    from rootless.netstack.addresses import Settings
    from rootless.netstack.names import Zone
    from rootless.netstack.ports import Listener, Port
    from rootless.netstack.stack import Stack


_FAMILIES = (_socket.AF_INET, _socket.AF_INET6)
_PROTOCOLS = {(True, _socket.SOCK_STREAM): "tcp", (True, _socket.SOCK_DGRAM): "udp"}


def read_wish(payload: bytes, passed: list[int]) -> tuple[list[Port], list[tuple[int, str]]]:
    """Return what a PORTS frame (see `streams`) adds, with its sockets, and what it removes.

    Raises ValueError where it is anything else.
    """
    try:
        wish = jsonio.loads(payload)
        removed = [(_number(port), str(protocol)) for port, protocol in wish["remove"]]
        added: list[Port] = []
        for port, fd in zip(wish["add"], passed, strict=True):
            sock = _socket.socket(fileno=fd)
            found = _PROTOCOLS.get((sock.family in _FAMILIES, sock.type))
            sock.detach()
            if found is None or found != port["protocol"]:
                raise ValueError
            added.append(
                {
                    "fd": fd,
                    "ip": str(port["ip"]),
                    "host": _number(port["host"]),
                    "container": _number(port["container"]),
                    "protocol": found,
                }
            )
    except (ValueError, TypeError, KeyError, RecursionError, OSError) as error:
        raise ValueError("no wish for ports") from error
    return added, removed


def _number(value: object) -> int:
    if not isinstance(value, int) or not 0 < value < 1 << 16:
        raise ValueError
    return value


def preload() -> None:
    """Load the stack, for whoever forks many supervisors that will need it."""
    from rootless.netstack import stack as _stack  # noqa: F401


class Uplink:
    """The stack, if there is a network and something to do."""

    def __init__(self, loop: Loop, fd: int, settings: Settings | None, ports: list[Port]) -> None:
        """`fd` is the link, -1 without one; it stays the caller's. Owns those of the ports."""
        self._loop = loop
        self._fd = fd
        self._settings = settings
        self._stack: Stack | None = None
        self.on_wake: Callable[[], None] = lambda: None
        """Called when the stack is loaded."""
        self.on_need: Callable[[], None] = lambda: None
        """Called before it is."""
        self.find_zone: Callable[[], Zone | None] = lambda: None
        """Returns the names that are known here, if there are any."""
        if fd >= 0:
            loop.watch(fd, select.POLLIN, self._wake)
        self._listeners: list[Listener] = []
        if ports:
            from rootless.netstack.ports import Listener

            self._listeners = [Listener(loop, port, self.stack) for port in ports]

    @property
    def is_idle(self) -> bool:
        """Whether all that there is to know is in the kernel."""
        return self._stack is None or self._stack.is_idle

    def _wake(self, events: int) -> None:
        self.stack().receive(events)

    def stack(self) -> Stack:
        """Return the stack, which is made when it is needed first."""
        if self._stack is None:
            self.on_need()
            from rootless.linux import files
            from rootless.netstack.dns import Servers
            from rootless.netstack.stack import Stack

            assert self._settings is not None  # noqa: S101 - there is a link
            self._stack = Stack(self._loop, self._fd, self._settings, Servers())
            # Each connection is a file of ours; a quarter of them is for all else.
            self._stack.limit(files.allow_many() * 3 // 4)
            self.look_again()
            self.on_wake()
        return self._stack

    def look_again(self) -> None:
        """The names may be others now."""
        guest = self._stack.guest() if self._stack is not None else None
        if guest is not None:
            guest.zone = self.find_zone()

    def publish(self, port: Port) -> None:
        """Publish a further port. Owns its descriptor."""
        from rootless.netstack.ports import Listener

        self._listeners.append(Listener(self._loop, port, self.stack))

    def withdraw(self, container: int, protocol: str) -> None:
        """Publish a port of the container no more; its connections stay."""
        for listener in list(self._listeners):
            port = listener.port
            if (port["container"], port["protocol"]) == (container, protocol):
                listener.close()
                self._listeners.remove(listener)

    def unpublish(self) -> None:
        """Publish nothing any more. Until then who comes waits: the container may start again."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    @property
    def ports(self) -> list[Port]:
        """What is published now."""
        return [listener.port for listener in self._listeners]

    def rest(self) -> None:
        """Hold no more files than others: this process starts anew."""
        if self._stack is not None:
            from rootless.linux import files

            files.allow_as_before()

    def close(self) -> None:
        """The container has ended."""
        for listener in self._listeners:
            listener.hold()
        if self._stack is not None:
            self._stack.close()
            self.rest()
            self._stack = None
        elif self._fd >= 0:
            self._loop.unwatch(self._fd)
