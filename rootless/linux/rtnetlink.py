"""Interfaces, addresses, routes and neighbours of this network namespace: rtnetlink(7).

Each function makes one message; `apply` sends several at once and waits for the kernel's answers.
"""

from __future__ import annotations

import _socket
import os
import struct

_NETLINK_ROUTE = 0
_NLMSG_ERROR = 2
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_REPLACE, _NLM_F_CREATE = 0x1, 0x4, 0x100, 0x400
_RTM_NEWLINK, _RTM_NEWADDR, _RTM_NEWROUTE, _RTM_NEWNEIGH = 16, 20, 24, 28

_IFF_UP = 1
_IFLA_ADDRESS, _IFLA_MTU, _IFLA_AF_SPEC = 1, 4, 26
_IFLA_INET6_ADDR_GEN_MODE = 8
_IN6_ADDR_GEN_MODE_NONE = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_IFA_F_NODAD = 0x02
_RTA_OIF, _RTA_GATEWAY = 4, 5
_RT_TABLE_MAIN, _RTPROT_BOOT, _RTN_UNICAST = 254, 3, 1
_NDA_DST, _NDA_LLADDR = 1, 2
_NUD_PERMANENT = 0x80

_HEADER = struct.Struct("=IHHII")


def link_up(index: int) -> bytes:
    """Bring an interface up."""
    return _message(_RTM_NEWLINK, 0, _link(index, _IFF_UP))


def set_link(index: int, mtu: int, mac: bytes) -> bytes:
    """Set the MTU and the address of an interface, and let it make no IPv6 address by itself.

    For one that is still down: by a message that brings it up it would make one first.
    """
    mode = _attribute(_IFLA_INET6_ADDR_GEN_MODE, bytes([_IN6_ADDR_GEN_MODE_NONE]))
    body = _attribute(_IFLA_MTU, struct.pack("=I", mtu)) + _attribute(_IFLA_ADDRESS, mac)
    body += _attribute(_IFLA_AF_SPEC, _attribute(_socket.AF_INET6, mode))
    return _message(_RTM_NEWLINK, 0, _link(index, 0) + body)


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


def apply(messages: list[bytes]) -> None:
    """Have the kernel carry out the messages. Raises OSError for the first that it refuses."""
    sock = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, _NETLINK_ROUTE)
    try:
        sock.send(b"".join(messages))
        missing = len(messages)
        while missing:
            missing -= _read_answers(sock.recv(65536))
    finally:
        sock.close()


def _read_answers(data: bytes) -> int:
    """Return how many acknowledgements there are in a datagram. Raises OSError for a refusal."""
    count = 0
    while data:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        if kind == _NLMSG_ERROR:
            code = struct.unpack_from("=i", data, _HEADER.size)[0]
            if code:
                raise OSError(-code, os.strerror(-code))
            count += 1
        data = data[(length + 3) & ~3 :]
    return count


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
