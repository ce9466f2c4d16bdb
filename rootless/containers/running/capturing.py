"""network capture: what crosses the link of a container, or a whole network, into a file.

A packet socket (packet(7)) in the container's network namespace sees what the stack and the guest
see, and costs nothing while nobody looks.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import struct

from rootless.errors import Conflict, HostError
from rootless.linux import namespaces
from rootless.netstack.addresses import INTERFACE
from rootless.netstack.pcap import SNAPLEN, Writer
from rootless.runtime.userns import namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from rootless.containers.handle import Handle
    from rootless.networks.collection import Network
    from rootless.store.paths import Paths

_ETH_P_ALL = 3
_SOL_PACKET, _ADD_MEMBERSHIP, _PROMISCUOUS = 263, 1, 1
_BUFFER = 1 << 24
"""Bytes of frames that may wait for us, where the kernel allows as much."""


def capture(paths: Paths, container: Handle, file: BinaryIO) -> int:
    """Write frames to `file` until the container ends, or Ctrl-C; return how many.

    This process does not come back from the user namespace of the containers. Raises Conflict
    where the container does not run or has no private network, HostError.
    """
    state = container.state()
    if not state.running:
        raise Conflict(f"container {container.name} is not running", "start it first")
    if not container.record["spec"]["rootless"]["network"]:
        raise Conflict(f"container {container.name} has no private network to look at")
    pid = state.values["command_pid"]
    name = f"container {container.name}"
    try:
        ended = os.pidfd_open(pid)
        space = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"cannot look at the network of {name}: {error.strerror}") from error
    interface = next((one["interface"] for one in state.networks.values()), INTERFACE)
    return _look(paths, (space, interface, ended), name, file)


def capture_network(paths: Paths, network: Network, file: BinaryIO) -> int:
    """Write what crosses the bridge of a network, until its last container has left; see `capture`.

    Raises Conflict where no container is on it, HostError.
    """
    from rootless.runtime.switch import client, place, wiring

    name = f"network {network.name}"
    try:
        sock = place.connect(place.directory(paths.runtime, network.id))
        if sock is None:
            raise Conflict(f"no container is on {name}", "start one first")
        try:
            _, fds = client.ask(sock, {"space": True})
            ended = os.pidfd_open(_pid_of(sock))
        finally:
            sock.close()
    except OSError as error:
        raise HostError(f"cannot look at {name}: {error.strerror}") from error
    return _look(paths, (fds[0], wiring.BRIDGE, ended), name, file)


def _pid_of(peer: _socket.socket) -> int:
    """Return the pid of who listens at the other end (unix(7), SO_PEERCRED)."""
    credentials = peer.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[0])


_UCRED = struct.Struct("iII")


def _look(paths: Paths, where: tuple[int, str, int], name: str, file: BinaryIO) -> int:
    """Look at an interface; `where` are its namespace, its name, and a pidfd: until that ends."""
    space, interface, ended = where
    try:
        namespace.enter(paths)
        namespaces.setns(space, namespaces.CLONE_NEWNET)
        sock = _socket.socket(_socket.AF_PACKET, _socket.SOCK_RAW, _socket.htons(_ETH_P_ALL))
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_RCVBUF, _BUFFER)
        sock.bind((interface, 0))
        if interface != INTERFACE:  # a bridge shows nothing of what it passes on by itself
            group = struct.pack("iHH8s", _socket.if_nametoindex(interface), _PROMISCUOUS, 0, b"")
            sock.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, group)
    except OSError as error:
        raise HostError(f"cannot look at the network of {name}: {error.strerror}") from error
    try:
        return _record(sock, ended, file)
    finally:
        sock.close()
        os.close(space)
        os.close(ended)


def _record(sock: _socket.socket, ended: int, file: BinaryIO) -> int:
    writer = Writer(file)
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    poll.register(ended, select.POLLIN)
    sock.setblocking(False)
    try:
        while True:
            file.flush()
            ready = [fd for fd, _ in poll.poll()]
            while frame := _next(sock):
                writer.write(frame)
            if ended in ready:
                break
    except KeyboardInterrupt:
        pass  # that is how a capture ends
    file.flush()
    return writer.count


def _next(sock: _socket.socket) -> bytes:
    """Return a frame that waits, empty for none."""
    try:
        return sock.recv(SNAPLEN)
    except BlockingIOError:
        return b""
    except OSError as error:
        if error.errno != errno.ENETDOWN:
            raise
        return b""  # said once, when the interface goes: before the container's end or after
