"""What pasta(1) is told."""

from __future__ import annotations

import os

from rootless.netstack.addresses import INTERFACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.netstack.addresses import Settings
    from rootless.netstack.ports import Port
    from rootless.runtime.networks.helper import Place


class Pasta:
    """See `helper.Program`."""

    name = "pasta"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def arguments(self, place: Place, ports: list[Port], anchor: str) -> list[str]:
        """See Program."""
        settings = self._settings
        found = ["--foreground", "--quiet", "--config-net", "--no-netns-quit", "-I", INTERFACE]
        found += ["-a", settings["guest"], "-n", str(settings["prefix"])]
        found += ["-g", settings["gateway"], "--dns-forward", settings["gateway"]]
        if settings["guest6"]:
            found += ["-a", settings["guest6"], "-g", settings["gateway6"]]
        else:
            found.append("-4")
        if settings.get("mac"):
            found += ["--ns-mac-addr", settings["mac"]]
        found += [] if settings["host_loopback"] else ["--no-map-gw"]
        if os.geteuid() == 0:
            found += ["--runas", "0:0"]  # nobody may not look at the anchor
        # The address is set already; nobody is to see the other namespace's ports by themselves.
        found += ["--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra", "-T", "none", "-U", "none"]
        for protocol, flag in (("tcp", "-t"), ("udp", "-u")):
            for given in rules(ports, protocol) or ["none"]:
                found += [flag, given]
        return [*found, "-m", str(settings["mtu"]), "-P", place.ready_path, anchor]

    def publish(self, place: Place, ports: list[Port]) -> list[Port]:
        """See Program: all were among the arguments."""
        return ports


def rules(ports: list[Port], protocol: str) -> list[str]:
    """Return ports as pasta wants them: one on all addresses is one without any."""
    found = []
    ports = [port for port in ports if port["protocol"] == protocol]
    everywhere = {port["host"] for port in ports if port["ip"] == "::"}
    for port in ports:
        rule = f"{port['host']}:{port['container']}"
        if port["host"] not in everywhere:
            found.append(f"{port['ip']}/{rule}")
        elif port["ip"] == "::":
            found.append(rule)
    return found
