"""network create, rm, exists, connect and disconnect."""

from __future__ import annotations

from rootless.cli import exits, output
from rootless.errors import Error, NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import common
    from rootless.cli.options import containers as several
    from rootless.cli.options import network as opt
    from rootless.engine import Engine
    from rootless.networks.records import Record, Subnet


def network_create(
    engine: Engine,
    name: opt.NewNetwork,
    *,
    disable_dns: opt.DisableDns = False,
    dns: opt.NetworkDns = None,
    driver: opt.Driver = "bridge",
    gateway: opt.Gateway = None,
    ignore: opt.Ignore = False,
    internal: opt.Internal = False,
    ip_range: opt.IpRange = None,
    ipv6: opt.NetworkIpv6 = False,
    label: opt.NetworkLabel = None,
    opt: opt.Opt = None,
    subnet: opt.Subnet = None,
) -> int:
    """Make a network: containers on it find each other by name, and none of another.

    Examples:
        rootless network create backend
        rootless network create --subnet 10.90.7.0/24 --internal closed
        rootless run -d --network backend --name db postgres
    """
    from rootless.cli.commands.volumes.create import pairs

    if driver != "bridge":
        raise UsageError(f"--driver {driver}: there are networks of the driver bridge alone")
    wanted: Record = {
        "id": "",
        "name": name,
        "created": 0.0,
        "subnets": _subnets(subnet or [], gateway or [], ip_range or []),
        "internal": internal,
        "ipv6": ipv6,
        "dns": not disable_dns,
        "servers": dns or [],
        "labels": pairs(label, ""),
        "options": pairs(opt, "opt"),
    }
    made = engine.networks.create(wanted, ignore=ignore)
    output.say(made.id)
    return exits.OK


def _subnets(subnets: list[str], gateways: list[str], ranges: list[str]) -> list[Subnet]:
    """Put gateways and ranges to the subnets in which they are."""
    from rootless.networks.subnets import made

    found = []
    for text in subnets:
        version = ":" in text
        own = [one for one in gateways if (":" in one) == version]
        part = [one for one in ranges if (":" in one) == version]
        found.append(made(text, "".join(own[:1]), "".join(part[:1])))
    versions = {":" in text for text in subnets}
    for one in (*gateways, *ranges):
        if (":" in one) not in versions:
            raise UsageError(f"{one} is in no subnet that was given", "give it with --subnet")
    return found


def network_exists(engine: Engine, network: opt.NetworkName) -> int:
    """End with 0 if there is such a network, else with 1."""
    try:
        engine.networks.get(network)
    except NotFound:
        return exits.FAILED
    return exits.OK


def network_rm(
    engine: Engine,
    networks: opt.SomeNetworks,
    *,
    force: opt.NetworkForce = False,
    time: opt.NetworkTime = None,
) -> int:
    """Remove networks. One that a container is on stays.

    With --force and --time containers go first, as podman has it with --force alone; docker's
    --force leaves them alone.

    Examples:
        rootless network rm backend
        rootless network rm --force --time 10 backend
    """
    from rootless.cli.dialects import choice
    from rootless.system.networks import remove, users

    if time is not None and not force:
        raise UsageError("--time goes with --force only", "what is on a network keeps it")
    goes = force and (time is not None or choice.current().volume_users_go)
    code = exits.OK
    for name in networks:
        try:
            network = engine.networks.get(name)
            for container in users(engine, network) if goes else ():
                container.remove(force=True, timeout=time)
            remove(engine, network)
        except NotFound as error:
            if not force:
                code = output.complain(error)
            continue
        except Error as error:
            code = output.complain(error)
            continue
        output.say(name)
    return code


def network_connect(
    engine: Engine,
    network: opt.NetworkName,
    container: common.Container,
    *,
    alias: opt.MemberAlias = None,
    ip: opt.MemberIp = "",
    ip6: opt.MemberIp6 = "",
    mac_address: opt.MemberMac = "",
) -> int:
    """Bring a container onto a network; one that runs is there at once.

    Examples:
        rootless network connect backend web
        rootless network connect --alias api --ip 10.89.0.9 backend web
    """
    from rootless.containers.running.networking import join
    from rootless.containers.words.networks import networks

    found = engine.networks.get(network)
    wanted = networks(
        {
            "network": [found.name],
            "network_alias": alias or [],
            "ip": ip,
            "ip6": ip6,
            "mac_address": mac_address,
        }
    )
    join(engine.containers, container, found, wanted[0])
    return exits.OK


def network_reload(
    engine: Engine,
    containers: several.SomeContainers = None,
    *,
    all: several.All = False,  # noqa: A002 - the option's name
    latest: several.Latest = False,
) -> int:
    """Accepted for scripts: what podman loads again are rules of a firewall, and there are none.

    Examples:
        rootless network reload --all
    """
    from rootless.cli.commands.containers.choosing import some

    names = some(engine, containers, {"all": all, "latest": latest})
    output.say_lines(engine.containers.get(name).id for name in names)
    return exits.OK


def network_disconnect(
    engine: Engine,
    network: opt.NetworkName,
    container: common.Container,
    *,
    force: opt.NetworkForce = False,
) -> int:
    """Take a container off a network.

    Examples:
        rootless network disconnect backend web
    """
    from rootless.containers.running.networking import leave

    leave(engine.containers, container, engine.networks.get(network), force=force)
    return exits.OK
