"""The events of containers, with the attributes that docker gives them."""

from __future__ import annotations

from rootless.store import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.record import Record


def tell(root: str, record: Record, action: str, **attributes: str) -> None:
    """Record what happened to a container: its labels, its image and its name go with it."""
    events.record(
        root, "container", action, record["id"], record["name"], {**about(record), **attributes},
        durable=not record["rm"] and not action.startswith("exec"),
    )  # fmt: skip


def later(root: str, record: Record, action: str, **attributes: str) -> events.Later:
    """Prepare the record of what will happen inside the container, where nobody finds the file."""
    about_it = {
        "id": record["id"],
        "name": record["name"],
        "attributes": {**about(record), **attributes},
    }
    return events.Later(root, {"kind": "container", "action": action, **about_it})


def about(record: Record) -> dict[str, str]:
    """Return the attributes that all events of a container have."""
    return {**record["labels"], "image": record["image"], "name": record["name"]}
