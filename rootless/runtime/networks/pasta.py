"""What pasta(1) is told."""

from __future__ import annotations

import os

from rootless.netstack.addresses import INTERFACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

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
        own = self._settings.get("extra", [])
        given = {_flag(word) for word in own}
        found = ["--foreground", "--config-net", "--no-netns-quit"]
        for names, words in self._usual(ports):
            if given.isdisjoint(names.split()):
                found += words
        return [*found, *own, "-P", place.ready_path, anchor]

    def _usual(self, ports: list[Port]) -> Iterator[tuple[str, list[str]]]:
        """Yield the options in the place of which a user may put his own, with their names."""
        settings = self._settings
        addresses, gateways = ["-a", settings["guest"]], ["-g", settings["gateway"]]
        if settings["guest6"]:
            addresses += ["-a", settings["guest6"]]
            gateways += ["-g", settings["gateway6"]]
        yield "-q --quiet -d --debug --trace", ["--quiet"]
        yield "-I --ns-ifname", ["-I", INTERFACE]
        yield "-a --address", addresses
        yield "-n --netmask -a --address", ["-n", str(settings["prefix"])]
        yield "-g --gateway", gateways
        yield "--dns-forward", ["--dns-forward", settings["gateway"]]
        if not settings["guest6"]:
            yield "-4 --ipv4-only -6 --ipv6-only", ["-4"]
        if settings.get("mac"):
            yield "--ns-mac-addr", ["--ns-mac-addr", settings["mac"]]
        if not settings["host_loopback"]:
            yield "--no-map-gw --map-host-loopback", ["--no-map-gw"]
        if os.geteuid() == 0:
            yield "--runas", ["--runas", "0:0"]  # nobody may not look at the anchor
        # The address is set already; nobody is to see the other namespace's ports by themselves.
        for name in ("--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra"):
            yield name, [name]
        yield "-T --tcp-ns", ["-T", "none"]
        yield "-U --udp-ns", ["-U", "none"]
        for protocol, names in (("tcp", "-t --tcp-ports"), ("udp", "-u --udp-ports")):
            published = rules(ports, protocol)
            yield "" if published else names, _each(names[:2], published or ["none"])
        yield "-m --mtu", ["-m", str(settings["mtu"])]

    def publish(self, place: Place, ports: list[Port]) -> list[Port]:
        """See Program: all were among the arguments."""
        return ports


def _flag(word: str) -> str:
    """Return the name of the option that a word is, perhaps with its value in the same word."""
    return word.partition("=")[0] if word.startswith("--") else word[:2]


def _each(flag: str, values: list[str]) -> list[str]:
    return [word for value in values for word in (flag, value)]


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
