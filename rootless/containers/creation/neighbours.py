"""What a new container has of others beside a network: their volumes, and links to them."""

from __future__ import annotations

from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rootless.containers.creation.create import Neighbours
    from rootless.containers.record import Record
    from rootless.containers.request import Link, Request
    from rootless.runtime.spec import Attachment
    from rootless.volumes.mounts import Volume

    Get = Callable[[str], Record]
    """Returns the record of the container that a name or id means. May raise NotFound."""

ADDRESS = "127.0.0.1"
"""Of a linked container, which has the same network."""

_NOT_LENT = ("HOME", "PATH", "HOSTNAME", "TERM")
"""Variables of a container that mean nothing elsewhere."""


def look(near: Neighbours, request: Request, get: Get) -> None:
    """Look up of whom the request wants volumes and links.

    Raises UsageError, and what `get` raises.
    """
    found: dict[str, Volume] = {}
    for wish in request["volumes_from"]:
        for item in lent(get(wish["container"])):
            rw = item["rw"] and not wish["ro"]
            found[item["destination"]] = item if rw == item["rw"] else _read_only(item)
    near.volumes = list(found.values())
    for link in request["links"]:
        other = get(link["container"])
        if _place(near.networks, "", get) != _place(other["networks"], other["id"], get):
            raise UsageError(
                f"{named('links')} {link['container']}: there is no network in common with it",
                f"use its network: {named('networks')} container:{link['container']}",
            )
        near.hosts.append([ADDRESS, link["alias"], *_names(other, link)])
        near.environment += _told(link["alias"], other, request["name"])


def lent(record: Record) -> Iterator[Volume]:
    """Yield what a container lends to others: its mounts, but docker's --tmpfs and images.

    podman does not lend images either.
    """
    memory = {item["destination"] for item in record["request"]["tmpfs"]}
    for item in record["volumes"]:
        if item["destination"] not in memory and item["type"] != "image":
            yield {**item, "copy_up": False, "chown": False}


def _read_only(item: Volume) -> Volume:
    words = [word for word in item["options"] if word != "rw"]
    kind = "bind" if "bind" in words else "rbind"
    recursive = ["ro", "rro"] if kind == "rbind" and item["type"] != "tmpfs" else ["ro"]
    return {**item, "rw": False, "mode": "ro", "options": [*words, *recursive]}


def _place(attached: list[Attachment], own: str, get: Get) -> tuple[str, str]:
    """Return what two containers have in common where they have the same network namespace."""
    first = attached[0]
    if first["kind"] == "container":
        other = get(first["name"])
        return _place(other["networks"], other["id"], get)
    if first["kind"] in ("host", "ns"):
        return first["kind"], first["name"]
    return "own", own


def _names(other: Record, link: Link) -> list[str]:
    """Further names of a linked container, as docker writes them: by id and by name."""
    return [name for name in (other["id"][:12], other["name"]) if name != link["alias"]]


def _told(alias: str, other: Record, own: str) -> Iterator[list[str]]:
    """Yield docker's variables of a link: where the other's ports are, and its environment."""
    from rootless.containers import ports

    prefix = alias.upper().replace("-", "_").replace(".", "_")
    yield [f"{prefix}_NAME", f"/{own}/{alias}" if own else f"/{alias}"]
    exposed = [port for text in other["exposed"] for port in ports.exposed(text)]
    exposed += other["ports"]
    known = {(port["protocol"] != "tcp", port["container"], port["protocol"]) for port in exposed}
    for number, (_, port, protocol) in enumerate(sorted(known)):
        place, name = f"{protocol}://{ADDRESS}:{port}", f"{prefix}_PORT_{port}_{protocol.upper()}"
        if number == 0:
            yield [f"{prefix}_PORT", place]
        yield [name, place]
        yield [f"{name}_ADDR", ADDRESS]
        yield [f"{name}_PORT", str(port)]
        yield [f"{name}_PROTO", protocol]
    for text in other["spec"]["process"]["env"]:
        name, _, value = text.partition("=")
        if name not in _NOT_LENT:
            yield [f"{prefix}_ENV_{name}", value]
