"""Options of `run` and `create`: the network."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options.declare import option

NETWORK = "Network"

Network = Annotated[
    str,
    option(
        "--network",
        "--net",
        metavar="MODE",
        panel=NETWORK,
        about="private[:cidr=,mtu=,ipv6=,host-loopback=,buffers=], none, host, ... (private)",
    ),
]
Domainname = Annotated[
    str,
    option("--domainname", metavar="NAME", panel=NETWORK, about="What follows its host name."),
]
Publish = Annotated[
    list[str],
    option(
        "--publish",
        "-p",
        metavar="[IP:][HOST:]PORT[/PROTO]",
        panel=NETWORK,
        about="Make a port, or PORT-PORT, reachable from outside.",
    ),
]
PublishAll = Annotated[
    bool,
    option("--publish-all", "-P", panel=NETWORK, about="All ports that are exposed."),
]
Expose = Annotated[
    list[str],
    option(
        "--expose", metavar="PORT[/PROTO]", panel=NETWORK, about="For -P, besides the image's own."
    ),
]
PublishPrivileged = Annotated[
    str,
    option(
        "--publish-privileged",
        metavar="WAY",
        panel=NETWORK,
        about="A port below 1024: error, or remap, 80 to 8080. (error)",
    ),
]
Dns = Annotated[
    list[str],
    option(
        "--dns",
        metavar="IP",
        panel=NETWORK,
        about="Name server; none for the image's file. (the host's)",
    ),
]
DnsSearch = Annotated[
    list[str],
    option("--dns-search", metavar="DOMAIN", panel=NETWORK, about="Search domain; . for none."),
]
DnsOption = Annotated[
    list[str],
    option("--dns-option", "--dns-opt", metavar="OPT", panel=NETWORK, about="See resolv.conf(5)."),
]
Hostname = Annotated[
    str, option("--hostname", "-h", metavar="NAME", panel=NETWORK, about="By default the id.")
]
MacAddress = Annotated[
    str,
    option("--mac-address", metavar="MAC", panel=NETWORK, about="Of its own network's interface."),
]
AddHost = Annotated[
    list[str],
    option(
        "--add-host",
        metavar="HOST:IP",
        panel=NETWORK,
        about="A line of /etc/hosts; the IP host-gateway is this machine's.",
    ),
]
Link = Annotated[
    list[str],
    option(
        "--link",
        metavar="CONTAINER[:NAME]",
        panel=NETWORK,
        about="Know another container in the same network by NAME.",
    ),
]
NoHosts = Annotated[
    bool, option("--no-hosts", panel=NETWORK, about="Leave the image's /etc/hosts alone.")
]


class NetworkAsked(TypedDict, total=False):
    """Its network."""

    network: Network
    publish: Publish
    publish_all: PublishAll
    expose: Expose
    publish_privileged: PublishPrivileged
    dns: Dns
    dns_search: DnsSearch
    dns_option: DnsOption
    hostname: Hostname
    mac_address: MacAddress
    domainname: Domainname
    add_host: AddHost
    link: Link
    no_hosts: NoHosts
