"""ps: the list of containers."""

from __future__ import annotations

from rootless.cli import output
from rootless.errors import Error, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.cli.options import common as opt
    from rootless.containers.container import Container
    from rootless.containers.handle import State
    from rootless.engine import Engine

HEADINGS = {
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Labels": "LABELS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Mounts": "MOUNTS",
    "Names": "NAMES",
    "Networks": "NETWORKS",
    "Ports": "PORTS",
    "RunningFor": "CREATED",
    "Size": "SIZE",
    "State": "STATE",
    "Status": "STATUS",
    "Platform": "PLATFORM",
}
"""What a row has, and how docker heads it."""

FURTHER = {
    "CIDFile": "CIDFILE",
    "Created": "CREATED",
    "CreatedHuman": "CREATED",
    "ExitCode": "EXIT CODE",
    "Exited": "EXITED",
    "ExitedAt": "EXITED AT",
    "ImageID": "IMAGE ID",
    "IsInfra": "IS INFRA",
    "Pid": "PID",
    "Pod": "POD ID",
    "PodName": "POD NAME",
    "Restarts": "RESTARTS",
    "StartedAt": "STARTED AT",
    "UserNS": "USERNS",
}
"""What podman has beyond that; for templates and --sort."""

SORTS = {
    "command": lambda one: [one.record["path"], *one.record["args"]],
    "created": lambda one: one.record["created"],
    "id": lambda one: one.record["id"],
    "image": lambda one: one.record["image"],
    "names": lambda one: one.record["name"],
    "runningfor": lambda one: one.state.started,
    "size": lambda one: _sizes(one.container)[0],
    "status": lambda one: one.state.status,
}
"""podman's keys of --sort."""


class Listed:
    """A container in a listing, whose state is read once."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.record = container.record

    def readable(self) -> bool:
        """Whether its state can be read; what forbids it is told, and the rest still listed."""
        try:
            self.state: State = self.container.state()
        except Error as error:
            output.complain(error)
            return False
        return True


COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


def ps(
    engine: Engine,
    *,
    all: opt.All = False,  # noqa: A002 - the option's name
    filter: opt.Filter = None,  # noqa: A002 - the option's name
    format: opt.Format = "",  # noqa: A002 - the option's name
    last: opt.Last = -1,
    latest: opt.Latest = False,
    no_trunc: opt.NoTrunc = False,
    noheading: opt.NoHeading = False,
    quiet: opt.Quiet = False,
    size: opt.Size = False,
    sort: opt.Sort = "",
) -> int:
    """List containers.

    Filters: `name=TEXT`, `id=START`, `status=created|running|paused|restarting|exited`,
    `label=KEY[=VALUE]`, `label!=KEY`, `health=healthy|unhealthy|starting|none`, `ancestor=IMAGE`,
    `exited=CODE`, `volume=NAME`, `network=NAME`, `expose=PORT`, `restart-policy=POLICY`,
    `before=`, `since=CONTAINER`, `until=TIME`.

    `--format json` prints a line for each container as docker does, `--format podman` one list as
    `podman ps --format json` does; templates know the names of both.

    Examples:
        rootless ps -a
        rootless ps -q --filter label=project=web
        rootless ps --format 'table {{.Names}}\\t{{.Status}}'
        rootless ps -a --format '{{json .}}'
    """
    containers = engine.containers
    found = [one for one in map(Listed, containers.list()) if one.readable()]
    for problem in containers.problems:
        output.complain(problem)
    stated = False
    if filter:
        from rootless.cli.commands.containers.filters import filtered

        found, stated = filtered(engine, found, filter)
    if latest:
        last = 1
    if last >= 0:
        found = found[:last]
    elif not all and not stated:
        found = [one for one in found if one.state.active]
    if quiet and not format:
        output.say_lines(one.record["id"][: None if no_trunc else 12] for one in found)
        return 0
    if sort:
        found.sort(key=_sort_key(sort))
    size = size or ".Size" in format
    rows = [_row(one, full=no_trunc, size=size) for one in found]
    if format == "podman":
        output.say_json(output.pretty([_podman(one) for one in found]))
        return 0
    columns = (*COLUMNS, "Size") if size else COLUMNS
    headings = {**HEADINGS, **FURTHER}
    output.show(rows, "" if format == "docker" else format, headings, columns, bare=noheading)
    return 0


def _sort_key(name: str) -> Any:
    if name not in SORTS:
        raise UsageError(f"--sort: unknown key {name!r}", "one of " + ", ".join(SORTS))
    return SORTS[name]


def _row(listed: Listed, *, full: bool, size: bool) -> output.Row:
    record, state = listed.record, listed.state
    labels = record["labels"]
    command = " ".join([record["path"], *record["args"]])
    mounts = [volume["name"] or volume["source"] for volume in record["volumes"]]
    row = output.Row(
        {
            "Command": output.quote(command if full else output.shorten(command, 20)),
            "CreatedAt": output.when(record["created"]),
            "ID": record["id"] if full else record["id"][:12],
            "Image": record["image"],
            "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
            "LocalVolumes": str(sum(volume["type"] == "volume" for volume in record["volumes"])),
            "Mounts": ",".join(m if full else output.shorten(m, 15) for m in mounts),
            "Names": record["name"],
            "Networks": record["network"],
            "Platform": "",
            "Ports": _ports(state) if state.ports else "",
            "RunningFor": output.ago(record["created"]),
            "Size": _size(listed.container) if size else "0B",
            "State": state.status,
            "Status": _status(state),
        }
    )
    row.methods = {"Label": lambda key: labels.get(key, "")}
    row.further = {
        "CIDFile": record["asked"].get("cidfile", ""),
        "Created": output.ago(record["created"]),
        "CreatedHuman": output.ago(record["created"]),
        "ExitCode": state.exit_code,
        "Exited": state.status == "exited",
        "ExitedAt": int(state.finished),
        "ImageID": record["image_id"] if full else record["image_id"][:12],
        "IsInfra": False,
        "Pid": state.pid,
        "Pod": "",
        "PodName": "",
        "Restarts": state.restart_count,
        "StartedAt": int(state.started),
        "UserNS": record["spec"]["rootless"]["userns"],
    }
    return row


def _podman(listed: Listed) -> dict[str, Any]:
    """Return a container as an element of podman's JSON list."""
    record, state = listed.record, listed.state
    return {
        "AutoRemove": record["rm"],
        "CIDFile": record["asked"].get("cidfile", ""),
        "Command": [record["path"], *record["args"]],
        "Created": int(record["created"]),
        "CreatedAt": output.ago(record["created"]),
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
        "Networks": [] if record["network"] in ("none", "host") else [record["network"]],
        "Pid": state.pid,
        "Pod": "",
        "PodName": "",
        "Ports": _podman_ports(state),
        "Restarts": state.restart_count,
        "Size": None,
        "StartedAt": int(state.started),
        "State": state.status,
        "Status": _status(state),
    }


def _ports(state: State) -> str:
    from rootless.containers.ports import summary

    return summary(state.ports)


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


def _status(state: State) -> str:
    """Say what became of a container in docker's words."""
    if state.running:
        text = "Up " + output.duration(_since(state.started))
        if state.status == "paused":
            return f"{text} (Paused)"
        if state.health:
            # docker: only the first is called so
            return f"{text} ({'health: ' if state.health == 'starting' else ''}{state.health})"
        return text
    if state.status in ("exited", "restarting"):
        word = state.status.capitalize()
        return f"{word} ({state.values.get('exit_code', 0)}) {output.ago(state.finished)}"
    return str(state.status).capitalize()


def _since(moment: float) -> float:
    import time

    return max(0.0, time.time() - moment)


def _sizes(container: Container) -> tuple[int, int]:
    from rootless.system.sizes import container_size

    return container_size(container)


def _size(container: Container) -> str:
    written, whole = _sizes(container)
    return f"{output.size(written)} (virtual {output.size(whole)})"
