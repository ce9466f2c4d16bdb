"""One line about a container: its state in docker's words, its ports, podman's JSON of it."""

from __future__ import annotations

import time

from rootless import times
from rootless.containers import networks
from rootless.errors import Error
from rootless.teller import QUIET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rootless.containers.container import Container
    from rootless.containers.handle import State
    from rootless.teller import Teller


class Listed:
    """A container in a listing, whose state was read once."""

    def __init__(self, container: Container, state: State) -> None:
        self.container = container
        self.record = container.record
        self.state = state


def listed(containers: Iterable[Container], teller: Teller = QUIET) -> list[Listed]:
    """Read the states of containers; `teller` is told of those that cannot be read."""
    found = []
    for container in containers:
        try:
            found.append(Listed(container, container.state()))
        except Error as error:
            teller.problem(error)
    return found


def status(state: State) -> str:
    """Say what became of a container in docker's words."""
    if state.running:
        text = "Up " + times.duration(_since(state.started))
        if state.status == "paused":
            return f"{text} (Paused)"
        if state.health:
            # docker: only the first is called so
            return f"{text} ({'health: ' if state.health == 'starting' else ''}{state.health})"
        return text
    if state.status in ("exited", "restarting"):
        word = state.status.capitalize()
        return f"{word} ({state.values.get('exit_code', 0)}) {times.ago(state.finished)}"
    return str(state.status).capitalize()


def podman_status(state: State) -> str:
    """Say it in podman's words."""
    if not state.running:
        return status(state)
    if state.status == "paused":
        return "Paused"
    text = f"Up {times.duration(_since(state.started))} ago"
    return f"{text} ({state.health})" if state.health else text


def _since(moment: float) -> float:
    return max(0.0, time.time() - moment)


def podman(listed: Listed) -> dict[str, Any]:
    """Return a container as an element of podman's JSON list."""
    record, state = listed.record, listed.state
    return {
        "AutoRemove": record["rm"],
        "CIDFile": record["request"].get("cidfile", ""),
        "Command": [record["path"], *record["args"]],
        "Created": int(record["created"]),
        "CreatedAt": times.ago(record["created"]),
        "Exited": state.status == "exited",
        "ExitedAt": int(state.finished),
        "ExitCode": state.exit_code,
        "Id": record["id"],
        "Image": record["image"],
        "ImageID": record["image_id"],
        "IsInfra": False,
        "Labels": record["labels"],
        "Mounts": [volume["destination"] for volume in record["volumes"]],
        "Names": [record["name"]],
        "Namespaces": {},
        "Networks": networks.names(record["networks"]),
        "Pid": state.pid,
        "Pod": "",
        "PodName": "",
        "Ports": _podman_ports(state),
        "Restarts": state.restart_count,
        "Size": None,
        "StartedAt": int(state.started),
        "State": state.status,
        "Status": podman_status(state),
    }


def _podman_ports(state: State) -> list[dict[str, Any]] | None:
    return [
        {
            "host_ip": port["ip"],
            "container_port": port["container"],
            "host_port": port["host"],
            "range": 1,
            "protocol": port["protocol"],
        }
        for port in state.ports
    ] or None
