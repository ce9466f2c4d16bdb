"""--network container:ID: into a network that is there already."""

from __future__ import annotations

from rootless.containers import networks
from rootless.containers.handle import Handle
from rootless.containers.record import read
from rootless.errors import Conflict, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.record import Record
    from rootless.runtime.spec import Namespace
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
