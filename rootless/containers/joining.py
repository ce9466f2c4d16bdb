"""--network container:ID: into a network that is there already."""

from __future__ import annotations

from rootless.containers.handle import Handle
from rootless.errors import Conflict, NotFound
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.options import Record
    from rootless.store.paths import Paths


def join_network(paths: Paths, record: Record) -> None:
    """Fill in where the network namespace of the other container is now.

    Raises Conflict where that does not run, NotFound where it is gone.
    """
    other_id = record["network"].removeprefix("container:")
    try:
        other = Handle(paths, records.read_record(f"{paths.containers}/{other_id}/config.json"))
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
    for space in record["spec"]["linux"]["namespaces"]:
        if space["type"] == "network":
            space["path"] = f"/proc/{state.values['command_pid']}/ns/net"
    # Its gateway and name servers are ours.
    record["spec"]["rootless"]["network"] = other.record["spec"]["rootless"]["network"]
