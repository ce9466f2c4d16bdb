"""Networks and the containers that are on them: what is shown, kept and removed."""

from __future__ import annotations

from rootless.errors import Conflict, UsageError
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.containers.container import Container
    from rootless.engine import Engine
    from rootless.networks.collection import Network
    from rootless.teller import Teller

BUILTIN = ("bridge", "host", "none")
"""Networks that are there by themselves; `bridge` is the private network of each container."""


def users(engine: Engine, network: Network) -> list[Container]:
    """Return the containers that are on a network, or will be when they start."""
    found = []
    for one in engine.containers.list():
        names = [each["name"] for each in one.record["networks"] if each["kind"] == "named"]
        if network.name in names or network.id in names:
            found.append(one)
    return found


def remove(engine: Engine, network: Network) -> None:
    """Remove a network. Raises Conflict where a container is on it, with their names."""
    if there := users(engine, network):
        names = ", ".join(one.name for one in there)
        raise Conflict(
            f"network {network.name} is used by containers: {names}",
            "remove or disconnect them first",
        )
    engine.networks.remove(network)


# -- what is shown


def documents(engine: Engine, teller: Teller = QUIET) -> list[dict[str, Any]]:
    """Return all networks as `document` has them, by name."""
    made = [_shown(engine, one) for one in engine.networks.list(teller)]
    return sorted([*made, *map(_builtin, BUILTIN)], key=lambda one: str(one["Name"]))


def document(engine: Engine, ref: str) -> dict[str, Any]:
    """Return a network as docker shows it, with more of podman's. Raises NotFound, Conflict."""
    for name in BUILTIN:
        if ref == name or (len(ref) >= 12 and _id_of(name).startswith(ref)):
            return _builtin(name)
    return _shown(engine, engine.networks.get(ref))


def _shown(engine: Engine, network: Network) -> dict[str, Any]:
    record = network.record
    nets = record["subnets"]
    prefixes = [net["subnet"].partition("/")[2] for net in nets] + [""]
    return {
        "Name": record["name"],
        "Id": record["id"],
        "Created": _stamp(record["created"]),
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv4": True,
        "EnableIPv6": record["ipv6"],
        "IPAM": {
            "Driver": "default",
            "Options": {},
            "Config": [
                {
                    "Subnet": net["subnet"],
                    **({"IPRange": net["range"]} if net["range"] else {}),
                    "Gateway": net["gateway"],
                }
                for net in nets
            ],
        },
        "Internal": record["internal"],
        "Attachable": True,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            one["id"]: {
                "Name": one["names"][0],
                "EndpointID": one["id"],
                "MacAddress": one["mac"],
                "IPv4Address": f"{one['ipv4']}/{prefixes[0]}",
                "IPv6Address": f"{one['ipv6']}/{prefixes[1]}" if one["ipv6"] else "",
            }
            for one in engine.networks.members(network)
        },
        "Options": record["options"],
        "Labels": record["labels"],
        "DNSEnabled": record["dns"],
        "DNSServers": record["servers"],
    }


def _builtin(name: str) -> dict[str, Any]:
    config = []
    if name == "bridge":
        from rootless.containers.networks import usual

        settings = usual()
        config = [{"Subnet": f"{settings['gateway']}/{settings['prefix']}"}]
    return {
        "Name": name,
        "Id": _id_of(name),
        "Created": _stamp(0.0),
        "Scope": "local",
        "Driver": {"none": "null"}.get(name, name),
        "EnableIPv4": True,
        "EnableIPv6": name == "bridge",
        "IPAM": {"Driver": "default", "Options": {}, "Config": config},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
        "DNSEnabled": False,
        "DNSServers": [],
    }


def _id_of(name: str) -> str:
    import hashlib

    return hashlib.sha256(name.encode()).hexdigest()  # as podman makes that of its own


def _stamp(moment: float) -> str:
    from rootless.times import utc

    return utc(int(moment))


# -- which


def kept(engine: Engine, shown: list[dict[str, Any]], filters: list[str]) -> list[dict[str, Any]]:
    """Return the networks that pass all filters; of one key any of its values will do.

    Raises UsageError.
    """
    wanted: dict[str, list[str]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or (key not in _FILTERS and key != "dangling"):
            raise UsageError(
                f"no filter of networks: {text!r:.60}", ", ".join([*_FILTERS, "dangling"])
            )
        wanted.setdefault(key, []).append(value)
    for key, values in wanted.items():
        if key == "dangling":
            used = {
                one["name"]
                for container in engine.containers.list()
                for one in container.record["networks"]
            }
            states = [value.lower() in ("true", "1") for value in values]
            shown = [
                one
                for one in shown
                if one["Name"] not in BUILTIN and (one["Name"] not in used) in states
            ]
        else:
            test = _FILTERS[key]
            shown = [one for one in shown if any(test(one, value) for value in values)]
    return shown


def _by_label(shown: dict[str, Any], value: str) -> bool:
    key, equals, text = value.partition("=")
    return key in shown["Labels"] and (not equals or shown["Labels"][key] == text)


def _by_until(shown: dict[str, Any], value: str) -> bool:
    from rootless.times import limit

    return bool(shown["Created"] < _stamp(limit(value, ahead=False)))


_FILTERS = {
    "name": lambda one, value: value in one["Name"],
    "id": lambda one, value: one["Id"].startswith(value),
    "driver": lambda one, value: one["Driver"] == value,
    "scope": lambda one, value: value == "local",
    "type": lambda one, value: (one["Name"] in BUILTIN) == (value == "builtin"),
    "label": _by_label,
    "until": _by_until,
}
