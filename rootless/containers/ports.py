"""Published ports: the host's sockets for them, and how they are shown.

The sockets are bound by the command that starts the container, so that an error is its error;
its supervisor inherits them.
"""

from __future__ import annotations

import _socket
import errno
import os

from rootless.errors import HostError, NotPermitted, named
from rootless.netstack.dns import sockaddr
from rootless.store import records
from rootless.values import is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.containers.request import Publish
    from rootless.netstack.ports import Port
    from rootless.runtime.supervision.notify import Listening

PROTOCOLS = ("tcp", "udp")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what publishing means
_REMAP = 8000
"""What is added to a privileged port by --publish-privileged remap: 80 becomes 8080."""

_TRIES = 20


def exposed(text: str) -> list[Publish]:
    """Return what -P makes of PORT[-END][/PROTOCOL], nothing of an image's that makes no sense."""
    number, slash, protocol = text.partition("/")
    first, dash, last = number.partition("-")
    protocol = protocol.lower() if slash else "tcp"
    last = last if dash else first
    if len(number) > 11 or not (is_number(first) and is_number(last) and protocol in PROTOCOLS):
        return []
    ports = range(int(first), int(last) + 1)
    if not ports or not 0 < ports[0] <= ports[-1] < 65536:
        return []
    return [{"ip": "", "host": 0, "container": port, "protocol": protocol} for port in ports]


def listed(ports: list[Port]) -> list[tuple[str, str]]:
    """Return (container's port, host's address and port) of each, as docker writes them."""
    found = []
    for port in ports:
        ip = f"[{port['ip']}]" if ":" in port["ip"] else port["ip"]
        found.append((f"{port['container']}/{port['protocol']}", f"{ip}:{port['host']}"))
    return found


def summary(ports: list[Port]) -> str:
    """Return all in a line, neighbours as ranges, as docker and podman write them."""
    runs: dict[tuple[str, str], list[list[int]]] = {}
    for port in sorted(ports, key=lambda one: (one["container"], one["ip"], one["host"])):
        host, inside = port["host"], port["container"]
        found = runs.setdefault((port["ip"], port["protocol"]), [])
        if found and (host, inside) == (found[-1][1] + 1, found[-1][3] + 1):
            found[-1][1], found[-1][3] = host, inside
        else:
            found.append([host, host, inside, inside])
    words = []
    for (ip, protocol), found in runs.items():
        shown = f"[{ip}]" if ":" in ip else ip
        for first, last, inside, end in found:
            words.append(f"{shown}:{_span(first, last)}->{_span(inside, end)}/{protocol}")
    return ", ".join(words)


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


class Binding:
    """The sockets of one start."""

    def __init__(self, *, remap: bool) -> None:
        """`remap` is whether a port that needs a privilege is replaced by one that does not."""
        self._remap = remap
        self.ports: list[Port] = []
        self.notes: list[str] = []
        """What was done otherwise than asked for, in words."""
        self.used: set[int] = set()
        """Descriptors from the service manager that are in use now."""

    def open(self, wanted: list[Publish], listening: Listening | None) -> None:
        """Bind all. Raises HostError for the first that is not possible, with none left open."""
        handed = dict(_handed(listening))
        try:
            for publish in wanted:
                self._open(publish, handed)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close what was opened here."""
        for port in self.ports:
            os.close(port["fd"])
        self.ports.clear()

    def _open(self, publish: Publish, handed: dict[tuple[str, int], list[int]]) -> None:
        found = handed.get((publish["protocol"], publish["host"]), [])
        if found:
            for fd in found:
                self.used.add(fd)
                self._add(publish, _socket.socket(fileno=os.dup(fd)))
            return
        for attempt in range(_TRIES):
            try:
                self._bind(publish, publish["host"])
            except OSError as error:
                random = not publish["host"] and error.errno == errno.EADDRINUSE
                if random and attempt + 1 < _TRIES:
                    continue  # free by IPv4 and taken by IPv6
                if error.errno == errno.EACCES and self._remap and 0 < publish["host"] < 1024:
                    publish = self._moved(publish)
                    continue
                raise _error(publish, error) from error
            return

    def _moved(self, publish: Publish) -> Publish:
        port = publish["host"] + _REMAP
        self.notes.append(f"port {publish['host']} needs a privilege: published as {port} instead")
        return {**publish, "host": port}

    def _bind(self, publish: Publish, port: int) -> None:
        """Bind one port, without an address on both IP versions."""
        opened: list[_socket.socket] = []
        try:
            for ip in (publish["ip"],) if publish["ip"] else _EVERYWHERE:
                try:
                    sock = _bound(ip, port, publish["protocol"])
                except OSError as error:
                    missing = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
                    if ip == "::" and opened and error.errno in missing:
                        continue  # a host without IPv6
                    raise
                opened.append(sock)
                port = sock.getsockname()[1]
        except BaseException:
            for sock in opened:
                sock.close()
            raise
        for sock in opened:
            self._add(publish, sock)

    def _add(self, publish: Publish, sock: _socket.socket) -> None:
        ip, port = sock.getsockname()[:2]
        shown: Port = {
            "fd": sock.detach(),
            "ip": ip,
            "host": port,
            "container": publish["container"],
            "protocol": publish["protocol"],
        }
        self.ports.append(shown)


def _bound(ip: str, port: int, protocol: str) -> _socket.socket:
    family = _socket.AF_INET6 if ":" in ip else _socket.AF_INET
    kind = _socket.SOCK_STREAM if protocol == "tcp" else _socket.SOCK_DGRAM
    sock = _socket.socket(family, kind | _socket.SOCK_CLOEXEC)
    try:
        if protocol == "tcp":  # UDP would share the port with others
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        if family == _socket.AF_INET6:
            sock.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
        sock.bind(sockaddr(ip, port))
        if protocol == "tcp":
            sock.listen(4096)
    except BaseException:
        sock.close()
        raise
    return sock


def _handed(listening: Listening | None) -> Iterator[tuple[tuple[str, int], list[int]]]:
    """Yield (protocol, port) and the descriptors that a service manager has bound to it."""
    found: dict[tuple[str, int], list[int]] = {}
    for fd in range(3, 3 + listening["count"]) if listening else ():
        try:
            sock = _socket.socket(fileno=os.dup(fd))
        except OSError:
            continue  # a fifo, or whatever else a manager may hand over
        try:
            if sock.family in (_socket.AF_INET, _socket.AF_INET6):
                protocol = "tcp" if sock.type == _socket.SOCK_STREAM else "udp"
                found.setdefault((protocol, sock.getsockname()[1]), []).append(fd)
        finally:
            sock.close()
    yield from found.items()


def _error(publish: Publish, error: OSError) -> HostError:
    port, protocol = publish["host"], publish["protocol"]
    what = f"cannot publish port {port}/{protocol}"
    where = f" on {publish['ip']}" if publish["ip"] else ""
    if error.errno == errno.EADDRINUSE:
        flag = "t" if protocol == "tcp" else "u"
        return HostError(
            f"{what}: it is in use{where}",
            f"choose another; ss -{flag}lnp sport = {port} shows by whom",
        )
    if error.errno == errno.EACCES:
        first = _first_unprivileged()
        return NotPermitted(
            f"{what}: ports below {first} need a privilege",
            f"use {port + _REMAP}, or {named('publish_privileged')} remap, or as root: "
            f"sysctl net.ipv4.ip_unprivileged_port_start={port}",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return HostError(f"{what}: this machine does not have the address {publish['ip']}")
    return HostError(f"{what}{where}: {error.strerror}", records.remedy(error))


def _first_unprivileged() -> str:
    try:
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return "1024"
