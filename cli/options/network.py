"""Options about networks: those of `run` and `create`, and of the group `network`."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options.declare import argument, option

NETWORK = "Network"

Network = Annotated[
    list[str],
    option(
        "--network",
        "--net",
        metavar="NAME[:ip=,alias=,...]|MODE",
        panel=NETWORK,
        about="One that was made, or private[:cidr=,mtu=,...], none, host, ... (private)",
    ),
]
NetworkAlias = Annotated[
    list[str],
    option("--network-alias", metavar="NAME", panel=NETWORK, about="A further name there."),
]
Ip = Annotated[
    str, option("--ip", metavar="IP", panel=NETWORK, about="Its address in a network with a name.")
]
Ip6 = Annotated[str, option("--ip6", metavar="IP", panel=NETWORK, about="The same of IPv6.")]
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

NewNetwork = Annotated[str, argument(metavar="NAME", about="Its name.")]
NetworkName = Annotated[str, argument(metavar="NETWORK", about="Name or id.")]
SomeNetworks = Annotated[list[str], argument(metavar="NETWORK...", about="Names or ids.")]
Driver = Annotated[str, option("--driver", "-d", metavar="NAME", about="bridge, the only one.")]
Subnet = Annotated[
    list[str] | None, option("--subnet", metavar="CIDR", about="Its subnet, one each of v4 and v6.")
]
Gateway = Annotated[list[str] | None, option("--gateway", metavar="IP", about="The way out of it.")]
IpRange = Annotated[
    list[str] | None,
    option("--ip-range", metavar="CIDR", about="What of the subnet containers get addresses of."),
]
Internal = Annotated[bool, option("--internal", about="Lead nowhere outside.")]
NetworkIpv6 = Annotated[bool, option("--ipv6", about="Have a subnet of IPv6 as well.")]
NetworkDns = Annotated[
    list[str] | None,
    option("--dns", metavar="IP", about="Who knows names that are no container's."),
]
DisableDns = Annotated[bool, option("--disable-dns", about="Know no names of containers.")]
NetworkLabel = Annotated[
    list[str] | None, option("--label", metavar="KEY=VALUE", about="Write this on it.")
]
Opt = Annotated[list[str] | None, option("--opt", "-o", metavar="KEY=VALUE", about="mtu=..., ...")]
Ignore = Annotated[bool, option("--ignore", about="One that is there already will do.")]
NetworkForce = Annotated[bool, option("--force", "-f", about="Do not complain of none.")]
NoAsking = Annotated[bool, option("--force", "-f", about="Do not ask first.")]
MemberAlias = Annotated[
    list[str] | None, option("--alias", metavar="NAME", about="A further name there.")
]
MemberIp = Annotated[str, option("--ip", metavar="IP", about="Its address there.")]
MemberIp6 = Annotated[str, option("--ip6", metavar="IP", about="The same of IPv6.")]
MemberMac = Annotated[str, option("--mac-address", metavar="MAC", about="Its link address there.")]
NetworkTime = Annotated[
    int | None,
    option("--time", "-t", metavar="SECONDS", about="Until what is on it is killed."),
]
NetworkVerbose = Annotated[bool, option("--verbose", "-v", about="Accepted: all is shown.")]
NetworkQuiet = Annotated[bool, option("--quiet", "-q", about="Names, or ids, alone.")]


class NetworkAsked(TypedDict, total=False):
    """Its network."""

    network: Network
    network_alias: NetworkAlias
    ip: Ip
    ip6: Ip6
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
