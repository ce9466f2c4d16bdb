"""Into networks that are there already: that of another container, and those with names."""

from __future__ import annotations

from rootless.containers import etc, networks
from rootless.containers.handle import Handle
from rootless.containers.record import read
from rootless.errors import Conflict, LaunchError, NotFound
from rootless.runtime.switch.table import settings_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.containers.record import Record
    from rootless.runtime.spec import Attachment, Namespace, Wire
    from rootless.store.paths import Paths


def joined(paths: Paths, record: Record) -> Record:
    """Return the record with the place where the network of the other container is now.

    Its gateway, name servers and names of the host are ours. Raises Conflict where that does not
    run, NotFound where it is gone.
    """
    other_id = record["networks"][0]["name"]
    try:
        other = Handle(paths, read(f"{paths.containers}/{other_id}"))
    except FileNotFoundError:
        raise NotFound(
            f"container {record['name']} uses the network of {other_id[:12]}, which is gone"
        ) from None
    state = other.state()
    if not state.running:
        raise Conflict(
            f"cannot join the network of container {other.name}: it is not running",
            "start it first",
        )
    spec, path = record["spec"], f"/proc/{state.values['command_pid']}/ns/net"
    spaces = spec["linux"]["namespaces"]
    kept: list[Namespace] = [space for space in spaces if space["type"] != "network"]
    owner = _owner(paths, other.record)
    private = owner["spec"]["rootless"]["network"]
    on_host = networks.kind(owner["networks"]) == "host"
    if not on_host:  # nobody may enter the machine's own from a user namespace: it is ours already
        kept.append({"type": "network", "path": path})
    spec = {
        **spec,
        "linux": {**spec["linux"], "namespaces": kept},
        "rootless": {**spec["rootless"], "network": private},
    }
    return {
        **record,
        "spec": spec,
        "networks": owner["networks"] if on_host else record["networks"],
    }


def _owner(paths: Paths, record: Record) -> Record:
    """Return the record of the container whose network that of `record` is, its own perhaps."""
    while networks.kind(record["networks"]) == "container":
        try:
            record = read(f"{paths.containers}/{record['networks'][0]['name']}")
        except FileNotFoundError:
            break  # of a release that let it go
    return record


# -- networks with names


def attached(paths: Paths, record: Record, before: dict[str, Any]) -> Record:
    """Return the record with its networks as they are now, to be started.

    `before` is what its state says of the networks in its last life. Raises LaunchError where one
    was removed, StoreError.
    """
    wires = [
        wire(paths, record, one, f"eth{number}", before)
        for number, one in enumerate(record["networks"])
        if one["kind"] == "named"
    ]
    ways = [one for one in wires if not one["segment"]["internal"]]
    spec = record["spec"]
    network = spec["rootless"]["network"]
    first = (ways or wires)[0]["segment"]
    if network is None or not network["settings"]["guest"]:
        for one in ways[:1]:
            one["route"] = True
        network = {"settings": settings_of(first), "helper": "", "names": "", "needed": True}
    network = {
        **network,
        "names": first["gateway"],
        "wires": wires,
        "called": etc.own_names(record),
    }
    return {
        **record,
        "spec": {**spec, "rootless": {**spec["rootless"], "network": network}},
    }


def wire(
    paths: Paths, record: Record, one: Attachment, interface: str, before: dict[str, Any]
) -> Wire:
    """Return a container's place on one of its networks. Raises LaunchError, StoreError."""
    from rootless.networks.collection import Networks

    try:
        network = Networks(paths).get(one["name"])
    except NotFound:
        raise LaunchError(
            f"network {one['name']} not found", "it was removed after the container was made"
        ) from None
    known = before.get(network.name, {})
    servers = record["dns"]["servers"]
    return {
        "segment": network.segment(),
        "interface": one.get("interface") or interface,
        "names": names(record, one),
        "ipv4": one["ipv4"],
        "ipv6": one["ipv6"],
        "mac": one["mac"],
        "before": [known.get("ipv4", ""), known.get("ipv6", "")],
        "route": False,
        "servers": [] if servers == ["none"] else servers,
    }


def names(record: Record, one: Attachment) -> list[str]:
    """Return the names of a container on a network, as docker has them; the first is its own."""
    return [
        *dict.fromkeys([record["name"], *one["aliases"], record["id"][:12], record["hostname"]])
    ]
