"""Who is at the other end of a connection, so that nobody has more than his share.

By his address, or on this machine by his user: the kernel tells whose a unix socket is, and whose
one of loopback (/proc/net/tcp, proc(5)). A user's subordinate ids (subuid(5)) are he himself, and
so is a network of IPv6, since whoever has one address there has 2^64.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

MAX_TABLE = 16 << 20
"""Bytes of the kernel's table of sockets that are read."""

_CREDENTIALS = struct.Struct("=iII")
"""struct ucred of unix(7): process, user, group."""


class Client:
    """The other end of a connection. Raises OSError where it is gone."""

    def __init__(self, connection: socket.socket) -> None:
        self.peer = peer_of(connection)
        """Whom it counts for."""
        local = connection.family == socket.AF_UNIX
        self.address: str = "unix" if local else connection.getpeername()[0]
        """Where it is, for a log."""


def peer_of(connection: socket.socket) -> str:
    """Return whom a connection counts for. Raises OSError where it is gone."""
    if connection.family == socket.AF_UNIX:
        _, uid, _ = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        return f"user {_owner(uid)}"
    there, here = _place(connection.getpeername()), _place(connection.getsockname())
    address = there[0]
    if address.is_loopback or address == here[0]:
        user = _user_of(there, here)
        return f"user {user}" if user >= 0 else str(address)
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _place(name: tuple[str, int]) -> tuple[IPv4Address | IPv6Address, int]:
    """An address of a socket, as it goes over the wire."""
    address = ipaddress.ip_address(name[0].partition("%")[0])
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address, name[1]


def _user_of(
    there: tuple[IPv4Address | IPv6Address, int], here: tuple[IPv4Address | IPv6Address, int]
) -> int:
    """The user whose socket is bound to `there` and connected to `here`; -1 for none."""
    wanted = {(_written(*there, wide=wide), _written(*here, wide=wide)) for wide in (False, True)}
    for table in ("tcp", "tcp6"):
        try:
            with open(f"/proc/net/{table}", "rb") as file:
                lines = file.read(MAX_TABLE).splitlines()
        except OSError:
            continue
        for line in lines[1:]:
            fields = line.split(None, 8)
            if len(fields) > 7 and (fields[1].decode(), fields[2].decode()) in wanted:
                return _owner(int(fields[7]))
    return -1


def _written(address: IPv4Address | IPv6Address, port: int, *, wide: bool) -> str:
    """An address as the kernel's tables have it: words of 32 bits in the machine's own order.

    With `wide` as an IPv6 one: a socket of that kind may speak IPv4, too.
    """
    data = address.packed
    if wide and len(data) == 4:
        data = bytes(10) + b"\xff\xff" + data
    words = struct.unpack(f">{len(data) // 4}I", data)
    order = "<" if sys.byteorder == "little" else ">"
    return f"{struct.pack(f'{order}{len(words)}I', *words).hex().upper()}:{port:04X}"


def _owner(uid: int) -> int:
    """The user that a subordinate id belongs to; any other is its own."""
    try:
        with open("/etc/subuid", encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_TABLE).splitlines()
    except OSError:
        return uid
    for line in lines:
        name, _, span = line.partition(":")
        first, _, count = span.partition(":")
        if first.isdecimal() and count.isdecimal() and 0 <= uid - int(first) < int(count):
            return _uid(name)
    return uid


def _uid(name: str) -> int:
    import pwd

    if name.isdecimal():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return -1
