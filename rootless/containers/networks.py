"""The networks that a container is attached to.

none         no network
host         the host's
container    that of another container, which has to run when this one starts
ns           the namespace at a path
private      one of its own, behind our stack in user mode
pasta, slirp4netns    one of its own, behind another program
named        a network that was made, with a name
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rootless.netstack.addresses import Settings
    from rootless.runtime.spec import Attachment, PrivateNetwork

HELPERS = ("pasta", "slirp4netns")
"""Programs that make a network in the place of our own stack (runtime.networks.helper)."""

OWN = ("private", *HELPERS, "named")
"""Kinds that are the container's own, with ports to be published."""

KINDS = ("none", "host", "container", "ns", *OWN)


def resolved(wanted: list[Attachment], id_of: Callable[[str], str]) -> list[Attachment]:
    """Return the networks of a new container: the usual one where none is wanted.

    `id_of` returns the id of the container of a name; what it raises goes through.
    """
    if not wanted:
        from rootless.containers.request import attachment

        return [attachment("private", settings=usual())]
    found: list[Attachment] = []
    for one in wanted:
        if one["kind"] == "container":
            found.append({**one, "name": id_of(one["name"])})
        elif one["kind"] in OWN and one["kind"] != "named" and one["settings"] is None:
            found.append({**one, "settings": usual()})
        else:
            found.append(one)
    return found


def usual() -> Settings:
    """Return the settings of a private network of which nothing was said."""
    from rootless.netstack import addresses

    return addresses.parse("")


_UNKNOWN: Settings = {
    "guest": "",
    "gateway": "",
    "prefix": 0,
    "guest6": "",
    "gateway6": "",
    "prefix6": 0,
    "mtu": 0,
    "host_loopback": False,
}
"""What is known of a network with a name before the container starts: see `joining`."""


def has_named(networks: Iterable[Attachment]) -> bool:
    """Whether one of them is a network with a name."""
    return any(one["kind"] == "named" for one in networks)


def nothing() -> Attachment:
    """Return what a container is on that has left all networks."""
    from rootless.containers.request import attachment

    return attachment("none")


def kind(networks: Iterable[Attachment]) -> str:
    """Return the kind of the network that the container's namespace is made for."""
    return next(iter(networks))["kind"]


def mode(networks: Iterable[Attachment]) -> str:
    """Return docker's NetworkMode: a kind, container:ID, or ns:PATH."""
    first = next(iter(networks))
    if first["kind"] == "named":
        return first["name"]
    return f"{first['kind']}:{first['name']}" if first["name"] else first["kind"]


def names(networks: Iterable[Attachment]) -> list[str]:
    """Return what podman calls the networks: nothing for none and the host's."""
    return [mode([one]) for one in networks if one["kind"] not in ("none", "host")]


def behind_stack(networks: Iterable[Attachment], *, needed: bool) -> PrivateNetwork | None:
    """Return what the runtime is told of a network of the container's own, None without one.

    `needed` is whether nothing is to start without it.
    """
    for one in networks:
        if one["kind"] == "named":
            return {"settings": _UNKNOWN, "helper": "", "names": "", "needed": True, "wires": []}
        settings = one["settings"]
        if one["kind"] not in OWN or settings is None:
            continue
        if one["mac"]:
            settings = {**settings, "mac": one["mac"]}
        names = settings["gateway"]
        if one["kind"] == "slirp4netns":
            from rootless.netstack import addresses

            names = addresses.after(names)
        helper = one["kind"] if one["kind"] in HELPERS else ""
        return {"settings": settings, "helper": helper, "names": names, "needed": needed}
    return None
