"""Interfaces, addresses, routes and neighbours of a network namespace: rtnetlink(7).

Each function makes one message; `apply` sends several at once and waits for the kernel's answers.
A socket belongs to the namespace that it was opened in, whoever has it now: by one of another
namespace that one is changed, if we have CAP_NET_ADMIN there.
"""

from __future__ import annotations

import _socket
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NETLINK_ROUTE = 0
_NLMSG_ERROR = 2
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_REPLACE, _NLM_F_EXCL, _NLM_F_CREATE = (
    0x1,
    0x4,
    0x100,
    0x200,
    0x400,
)
_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTM_NEWADDR, _RTM_NEWROUTE, _RTM_NEWNEIGH = 20, 24, 28

_IFF_UP = 1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER = 1, 3, 4, 10
_IFLA_LINKINFO, _IFLA_AF_SPEC, _IFLA_NET_NS_FD = 18, 26, 28
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER, _IFLA_BR_MCAST_SNOOPING = 1, 2, 1, 23
_IFLA_INET6_ADDR_GEN_MODE = 8
_IN6_ADDR_GEN_MODE_NONE = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFA_F_NODAD = 0x02
_RTA_OIF, _RTA_GATEWAY = 4, 5
_RT_TABLE_MAIN, _RTPROT_BOOT, _RTN_UNICAST = 254, 3, 1
_NDA_DST, _NDA_LLADDR = 1, 2
_NUD_NOARP, _NUD_PERMANENT = 0x40, 0x80
_AF_BRIDGE, _NTF_MASTER = 7, 0x04

_HEADER = struct.Struct("=IHHII")


def bridge(name: str, mtu: int, mac: bytes) -> bytes:
    """Make a bridge, and bring it up."""
    info = _attribute(_IFLA_INFO_KIND, b"bridge")
    # Or neighbours would not find each other by IPv6 while nobody asks who listens to what.
    info += _attribute(_IFLA_INFO_DATA, _attribute(_IFLA_BR_MCAST_SNOOPING, b"\0"))
    body = _link(0, _IFF_UP) + _named(name, mtu, mac) + _attribute(_IFLA_LINKINFO, info)
    return _message(_RTM_NEWLINK, _NLM_F_CREATE | _NLM_F_EXCL, body)


def veth(name: str, mtu: int, master: int, peer: tuple[int, str], mac: bytes) -> bytes:
    """Make a pair: `name` as a port of the bridge `master`, and its peer, down, elsewhere.

    `peer` is a descriptor of that network namespace and the name there, `mac` its address.
    """
    space, there = peer
    other = _link(0, 0) + _named(there, mtu, mac)
    other += _attribute(_IFLA_NET_NS_FD, struct.pack("=i", space))
    info = _attribute(_IFLA_INFO_KIND, b"veth")
    info += _attribute(_IFLA_INFO_DATA, _attribute(_VETH_INFO_PEER, other))
    body = _link(0, _IFF_UP) + _named(name, mtu)
    body += _attribute(_IFLA_MASTER, struct.pack("=i", master)) + _attribute(_IFLA_LINKINFO, info)
    return _message(_RTM_NEWLINK, _NLM_F_CREATE | _NLM_F_EXCL, body)


def forward(port: int, mac: bytes) -> bytes:
    """Let a bridge know for good behind which of its ports a link address is (bridge(8), fdb)."""
    # Not NUD_PERMANENT: that is for addresses of the bridge itself.
    body = struct.pack("=BxxxiHBB", _AF_BRIDGE, port, _NUD_NOARP, _NTF_MASTER, 0)
    return _message(
        _RTM_NEWNEIGH, _NLM_F_CREATE | _NLM_F_REPLACE, body + _attribute(_NDA_LLADDR, mac)
    )


def enslave(index: int, master: int) -> bytes:
    """Make an interface a port of a bridge, and bring it up."""
    body = _link(index, _IFF_UP) + _attribute(_IFLA_MASTER, struct.pack("=i", master))
    return _message(_RTM_NEWLINK, 0, body)


def remove(name: str) -> bytes:
    """Remove an interface; of a pair both."""
    return _message(_RTM_DELLINK, 0, _link(0, 0) + _named(name))


def link_up(index: int) -> bytes:
    """Bring an interface up."""
    return _message(_RTM_NEWLINK, 0, _link(index, _IFF_UP))


def set_link(index: int, mtu: int, mac: bytes) -> bytes:
    """Set the MTU and the address of an interface, and let it make no IPv6 address by itself.

    For one that is still down: by a message that brings it up it would make one first.
    """
    body = _attribute(_IFLA_MTU, struct.pack("=I", mtu)) + _attribute(_IFLA_ADDRESS, mac)
    return _message(_RTM_NEWLINK, 0, _link(index, 0) + body + _quiet())


def address(index: int, local: bytes, prefix: int) -> bytes:
    """Give an interface an address of 4 or 16 bytes, IPv6 without duplicate address detection."""
    body = struct.pack("=BBBBi", _family(local), prefix, _IFA_F_NODAD, 0, index)
    body += _attribute(_IFA_LOCAL, local) + _attribute(_IFA_ADDRESS, local)
    return _message(_RTM_NEWADDR, _NLM_F_CREATE | _NLM_F_REPLACE, body)


def default_route(index: int, gateway: bytes) -> bytes:
    """Send all that is not on a link to `gateway`."""
    kind = (_RT_TABLE_MAIN, _RTPROT_BOOT, 0, _RTN_UNICAST)
    body = struct.pack("=BBBBBBBBI", _family(gateway), 0, 0, 0, *kind, 0)
    body += _attribute(_RTA_GATEWAY, gateway) + _attribute(_RTA_OIF, struct.pack("=i", index))
    return _message(_RTM_NEWROUTE, _NLM_F_CREATE | _NLM_F_REPLACE, body)


def neighbour(index: int, host: bytes, mac: bytes) -> bytes:
    """Say for good which link address a host on the link has."""
    body = struct.pack("=BxxxiHBB", _family(host), index, _NUD_PERMANENT, 0, 0)
    body += _attribute(_NDA_DST, host) + _attribute(_NDA_LLADDR, mac)
    return _message(_RTM_NEWNEIGH, _NLM_F_CREATE | _NLM_F_REPLACE, body)


def opened() -> _socket.socket:
    """Return a socket of this network namespace."""
    return _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_ROUTE)


def apply(messages: list[bytes], sock: _socket.socket | None = None) -> None:
    """Have the kernel carry out the messages. Raises OSError for the first that it refuses.

    Without `sock` they are for this network namespace.
    """
    if sock is None:
        own = opened()
        try:
            apply(messages, own)
        finally:
            own.close()
        return
    _forget_answers(sock)
    sock.send(b"".join(messages))
    codes: list[int] = []
    while len(codes) < len(messages):
        codes += [_code(body) for kind, body in _answers(sock) if kind == _NLMSG_ERROR]
    for code in filter(None, codes):
        raise OSError(-code, os.strerror(-code))


def index_of(name: str, sock: _socket.socket) -> int:
    """Return the number of an interface in the namespace of `sock`. Raises OSError."""
    _forget_answers(sock)
    sock.send(_message(_RTM_GETLINK, 0, _link(0, 0) + _named(name)))
    index = 0
    while True:
        for kind, body in _answers(sock):
            if kind == _RTM_NEWLINK:
                index = struct.unpack_from("=i", body, 4)[0]
            elif kind == _NLMSG_ERROR:
                if code := _code(body):
                    raise OSError(-code, os.strerror(-code))
                return index


def _forget_answers(sock: _socket.socket) -> None:
    """Drop what was not read by who had the socket before us, and was killed."""
    while True:
        try:
            sock.recv(1 << 16, _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return


def _answers(sock: _socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of each message of the next datagram."""
    data = sock.recv(1 << 16)
    while data:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def _code(body: bytes) -> int:
    """Return what stands in an acknowledgement: 0, or an errno below zero."""
    return int(struct.unpack_from("=i", body)[0])


def _named(name: str, mtu: int = 0, mac: bytes = b"") -> bytes:
    found = _attribute(_IFLA_IFNAME, name.encode() + b"\0")
    if mtu:
        found += _attribute(_IFLA_MTU, struct.pack("=I", mtu))
    return found + (_attribute(_IFLA_ADDRESS, mac) if mac else b"")


def _quiet() -> bytes:
    """Let an interface make no IPv6 address by itself."""
    mode = _attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes([_IN6_ADDR_GEN_MODE_NONE]))
    return _attribute(_IFLA_AF_SPEC, _attribute(_socket.AF_INET6, mode))


def _link(index: int, flags: int) -> bytes:
    """struct ifinfomsg, with the flags to set."""
    return struct.pack("=BxHiII", _socket.AF_UNSPEC, 0, index, flags, flags)


def _family(host: bytes) -> int:
    return _socket.AF_INET if len(host) == 4 else _socket.AF_INET6


def _message(kind: int, flags: int, body: bytes) -> bytes:
    length = _HEADER.size + len(body)
    return _HEADER.pack(length, kind, _NLM_F_REQUEST | _NLM_F_ACK | flags, 0, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    padding = bytes(-len(value) % 4)
    return struct.pack("=HH", len(value) + 4, kind) + value + padding
