"""The events of containers, with the attributes that docker gives them."""

from __future__ import annotations

from rootless.store import events

STOPPING = "kill: stop"
"""What a signal is called that a stop sends: docker tells of it as of any, podman does not."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.containers.record import Record


def tell(root: str, record: Record, action: str, **attributes: str) -> None:
    """Record what happened to a container: its labels, its image and its name go with it.

    What is only on the way to something else, such as a stop, is synced with that.
    """
    durable = not record["rm"] and not action.startswith("exec") and action != STOPPING
    events.record(root, _happened(record, action, attributes), durable=durable)


def tell_network(root: str, action: str, network: Any, container: str) -> None:
    """Record that a container has come onto a network, or has left it."""
    attributes = {"container": container, "name": network["name"], "type": "bridge"}
    event = events.happened("network", action, network["id"], network["name"], attributes)
    events.record(root, event)


def later(root: str, record: Record, action: str, **attributes: str) -> events.Later:
    """Prepare the record of what will happen inside the container, where nobody finds the file."""
    return events.Later(root, _happened(record, action, attributes))


def about(record: Record) -> dict[str, str]:
    """Return the attributes that all events of a container have."""
    return {**record["labels"], "image": record["image"], "name": record["name"]}


def _happened(record: Record, action: str, attributes: dict[str, str]) -> dict[str, Any]:
    every = {**about(record), **attributes}
    event = events.happened("container", action, record["id"], record["name"], every)
    return {**event, "image_name": record.get("image_name", "")}
