"""What slirp4netns(1) is told: at its start, and of ports by the socket that it listens on."""

from __future__ import annotations

import _socket

from rootless.errors import LaunchError
from rootless.netstack.addresses import GUEST_MAC, INTERFACE, pack, unpack
from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.netstack.addresses import Settings
    from rootless.netstack.ports import Port
    from rootless.runtime.networks.helper import Place

_MOST = 4096
"""Bytes of an answer."""


class Slirp4netns:
    """See `helper.Program`."""

    name = "slirp4netns"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def arguments(self, place: Place, ports: list[Port], anchor: str) -> list[str]:
        """See Program."""
        settings = self._settings
        found = ["--configure", f"--mtu={settings['mtu']}", f"--ready-fd={place.ready}"]
        first = int.from_bytes(pack(settings["gateway"]), "big") - 2
        found.append(f"--cidr={unpack(first.to_bytes(4, 'big'))}/{settings['prefix']}")
        found.append(f"--macaddress={GUEST_MAC.hex(':')}")
        found += ["--enable-ipv6"] if settings["guest6"] else []
        found += [] if settings["host_loopback"] else ["--disable-host-loopback"]
        found += [f"--api-socket={place.api}", "--enable-seccomp"]
        return [*found, anchor, INTERFACE]

    def publish(self, place: Place, ports: list[Port]) -> list[Port]:
        """See Program. It has no ports of IPv6."""
        published = [port for port in ports if ":" not in port["ip"]]
        for port in published:
            arguments = {
                "proto": port["protocol"],
                "host_addr": port["ip"],
                "host_port": port["host"],
                "guest_addr": self._settings["guest"],
                "guest_port": port["container"],
            }
            answer = _ask(place.api, {"execute": "add_hostfwd", "arguments": arguments})
            if "error" in answer:
                raise LaunchError(
                    f"slirp4netns cannot publish port {port['host']}: {answer['error']['desc']}"
                )
        return published


def _ask(path: str, question: dict[str, object]) -> dict[str, dict[str, str]]:
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.connect(path)
        sock.sendall(jsonio.dump_bytes(question))
        sock.shutdown(_socket.SHUT_WR)
        answer: dict[str, dict[str, str]] = jsonio.loads(sock.recv(_MOST))
    finally:
        sock.close()
    return answer
