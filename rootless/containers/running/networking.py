"""network connect and disconnect: a container comes onto a network with a name, or leaves one.

Its record says so for the next start. Where it runs, its supervisor does it at once.
"""

from __future__ import annotations

import os

from rootless.containers import events, joining, networks
from rootless.containers.record import write
from rootless.containers.running.calling import tell
from rootless.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.containers.collection import Containers
    from rootless.networks.collection import Network
    from rootless.runtime.spec import Attachment

_WITHOUT = ("host", "container", "ns", "none", "pasta", "slirp4netns")
"""Kinds of network beside which there is no other."""


def join(containers: Containers, ref: str, network: Network, wanted: Attachment) -> None:
    """Bring a container onto a network, as `wanted` says.

    Raises Conflict where it is there, or where its network is not its own, LaunchError where the
    network does not take it, HostError.
    """
    container = containers.get(ref)
    held = container.lock()
    try:
        container = containers.get(container.id)  # as it is now
        record = container.record
        if any(_is(one, network) for one in record["networks"]):
            raise Conflict(f"container {container.name} is already connected to {network.name}")
        kind = networks.kind(record["networks"])
        if kind in _WITHOUT:
            raise Conflict(
                f"container {container.name} cannot be connected to {network.name}: its network is "
                f"{networks.mode(record['networks'])}"
            )
        state = container.state(locked=True)
        if state.running:
            there = state.values.get("networks", {})
            wire = joining.wire(containers.paths, record, wanted, _free(record, there), {})
            leads = any(one.get("route") for one in there.values()) or kind == "private"
            wire["route"] = not wire["segment"]["internal"] and not leads
            tell(container, {"attach": wire, "runtime": containers.paths.runtime})
        elif kind == "private":
            raise Conflict(
                f"container {container.name} does not run, and has a private network",
                "start it first, or make it anew on that network",
            )
        record["networks"] = [*record["networks"], wanted]
        write(container.directory, record)
    finally:
        os.close(held)
    events.tell_network(containers.paths.root, "connect", network.record, container.id)


def leave(containers: Containers, ref: str, network: Network, *, force: bool = False) -> None:
    """Take a container off a network. Raises Conflict where it is not there, HostError."""
    container = containers.get(ref)
    held = container.lock()
    try:
        container = containers.get(container.id)
        record = container.record
        kept = [one for one in record["networks"] if not _is(one, network)]
        if len(kept) == len(record["networks"]):
            if force:
                return
            raise Conflict(f"container {container.name} is not connected to network {network.name}")
        if container.state(locked=True).running:
            tell(container, {"detach": network.id})
        record["networks"] = kept or [networks.nothing()]
        write(container.directory, record)
    finally:
        os.close(held)
    events.tell_network(containers.paths.root, "disconnect", network.record, container.id)


def _is(one: Attachment, network: Network) -> bool:
    return one["kind"] == "named" and one["name"] in (network.name, network.id)


def _free(record: Any, there: dict[str, Any]) -> str:
    """Return a name of an interface that the container does not have."""
    taken = {one["interface"] for one in there.values()}
    if networks.kind(record["networks"]) == "private":
        taken.add("eth0")
    return next(name for number in range(1000) if (name := f"eth{number}") not in taken)
