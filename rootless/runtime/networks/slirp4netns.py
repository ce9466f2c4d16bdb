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
        found.append(f"--macaddress={settings.get('mac') or GUEST_MAC.hex(':')}")
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
            reason = _ask(place.api, {"execute": "add_hostfwd", "arguments": arguments})
            if reason:
                raise LaunchError(f"slirp4netns cannot publish port {port['host']}: {reason}")
        return published


def _ask(path: str, question: dict[str, object]) -> str:
    """Return why it does not do what it is asked to, "" where it does."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.connect(path)
        sock.sendall(jsonio.dump_bytes(question))
        sock.shutdown(_socket.SHUT_WR)
        answer = jsonio.loads(sock.recv(_MOST))
        return str(answer["error"]["desc"]) if "error" in answer else ""
    except OSError:
        return "it does not answer, it may have ended"
    except (ValueError, TypeError, KeyError):
        return "it answers what nobody understands"
    finally:
        sock.close()
