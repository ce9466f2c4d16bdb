"""The cables of a segment: a bridge in a network namespace, a TAP device as uplink, a pair each.

Nothing is entered for that but once, when the segment is made: sockets of rtnetlink(7) that were
opened inside are used from outside. The owner of a user namespace has all rights in it as long as
he is in its parent (user_namespaces(7)), so we, who stay on the host's side, may do so.
"""

from __future__ import annotations

import _socket
import contextlib
import os

from rootless.linux import namespaces, rtnetlink
from rootless.netstack.addresses import GATEWAY_MAC, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from rootless.runtime.spec import Segment, Wire

BRIDGE, _UPLINK = "bridge0", "uplink"
_BRIDGE_MAC = bytes.fromhex("020000000003")
_UPLINK_MAC = bytes.fromhex("020000000004")
"""The port's own. GATEWAY_MAC, which is behind it, has to be nobody's on the bridge."""

_NO_IPV6 = "/proc/sys/net/ipv6/conf/default/disable_ipv6"


def make(userns: int, segment: Segment) -> tuple[int, int, int]:
    """Make a segment in the user namespace `userns`.

    Return a socket of rtnetlink(7) there, our end of the uplink, and the network namespace.
    Raises OSError.
    """
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        _make(userns, segment, theirs)
    theirs.close()
    from rootless.runtime.switch import messages

    try:
        found = messages.receive(ours)
    finally:
        ours.close()
        os.waitpid(pid, 0)
    if found is None:
        raise OSError(0, "its maker was killed")
    said, fds = found
    if said.get("errno"):
        raise OSError(said["errno"], os.strerror(said["errno"]), said.get("what"))
    netlink, tap, space = fds
    return netlink, tap, space


def _make(userns: int, segment: Segment, theirs: _socket.socket) -> NoReturn:
    """In a child: enter the user namespace, make the rest, hand it out."""
    from rootless.linux import tun
    from rootless.runtime.switch import messages

    try:
        namespaces.setns(userns, namespaces.CLONE_NEWUSER)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        namespaces.unshare(namespaces.CLONE_NEWNET)
        _without_ipv6()
        mtu = segment["mtu"]
        with contextlib.closing(rtnetlink.opened()) as netlink:
            rtnetlink.apply([rtnetlink.bridge(BRIDGE, mtu, _BRIDGE_MAC)], netlink)
            bridge = rtnetlink.index_of(BRIDGE, netlink)
            tap = tun.open_tap(_UPLINK)
            port = rtnetlink.index_of(_UPLINK, netlink)
            rtnetlink.apply(
                [
                    rtnetlink.set_link(port, mtu, _UPLINK_MAC),
                    rtnetlink.enslave(port, bridge),
                    rtnetlink.forward(port, GATEWAY_MAC),
                ],
                netlink,
            )
            space = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            messages.send(theirs, {}, [netlink.fileno(), tap, space])
    except OSError as error:
        messages.send(theirs, {"errno": error.errno or 0, "what": error.filename})
    os._exit(0)


def _without_ipv6() -> None:
    """What has no address of its own is to send nothing of its own."""
    try:
        with open(_NO_IPV6, "w", encoding="ascii") as file:
            file.write("1")
    except OSError:
        pass  # a kernel without IPv6, or an outer container whose /proc/sys is read-only


def plug(
    segment: Segment, netlink: _socket.socket, name: str, wire: Wire, guest: tuple[int, int]
) -> None:
    """Lay a cable `name` to a container, up to an interface of its own. Raises OSError.

    `guest` are the container's network namespace and a socket of rtnetlink(7) there.
    """
    space, inside = guest
    bridge = rtnetlink.index_of(BRIDGE, netlink)
    mac = bytes.fromhex(wire["mac"].replace(":", ""))
    pair = rtnetlink.veth(name, segment["mtu"], bridge, (space, wire["interface"]), mac)
    try:
        rtnetlink.apply([pair], netlink)
    except FileExistsError:  # of a life before this one, whose namespace is still being cleared
        unplug(netlink, name)
        rtnetlink.apply([pair], netlink)
    try:
        _set_up(segment, wire, mac, inside)
    except OSError:
        unplug(netlink, name)
        raise


def _set_up(segment: Segment, wire: Wire, mac: bytes, inside: int) -> None:
    """Give the container's end its addresses. Raises OSError."""
    with contextlib.closing(_socket.socket(fileno=os.dup(inside))) as link:
        index = rtnetlink.index_of(wire["interface"], link)
        rtnetlink.apply(
            [rtnetlink.set_link(index, segment["mtu"], mac), rtnetlink.link_up(index)], link
        )
        address = (wire["ipv4"], segment["prefix"], segment["gateway"])
        rtnetlink.apply(_addressed(index, *address, route=wire["route"]), link)
        if wire["ipv6"]:
            try:
                address = (wire["ipv6"], segment["prefix6"], segment["gateway6"])
                rtnetlink.apply(_addressed(index, *address, route=wire["route"]), link)
            except OSError:
                pass  # a kernel without IPv6, or one that was told to do without


def _addressed(index: int, own: str, prefix: int, gateway: str, *, route: bool) -> list[bytes]:
    found = [rtnetlink.address(index, pack(own), prefix)]
    found.append(rtnetlink.neighbour(index, pack(gateway), GATEWAY_MAC))
    if route:
        found.append(rtnetlink.default_route(index, pack(gateway)))
    return found


def unplug(netlink: _socket.socket, name: str) -> None:
    """Take a cable away, if it is still there."""
    try:
        rtnetlink.apply([rtnetlink.remove(name)], netlink)
    except OSError:
        pass  # it has gone with the container


def cable(container: str) -> str:
    """Return the name of the cable to a container; IFNAMSIZ lets it have 15 bytes."""
    return f"v{container[:14]}"
