"""ps: the list of containers."""

from __future__ import annotations

from rootless import times
from rootless.cli import output
from rootless.cli.dialects import choice
from rootless.cli.teller import Teller
from rootless.containers import networks
from rootless.containers.summary import listed, podman, status
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.cli.options import common
    from rootless.cli.options import containers as opt
    from rootless.containers.container import Container
    from rootless.containers.handle import State
    from rootless.containers.summary import Listed
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
    "AutoRemove": "AUTO REMOVE",
    "Cgroup": "CGROUP",
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
    "User": "USER",
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

SPACES = ("CGROUPNS", "IPC", "MNT", "NET", "PIDNS", "USERNS", "UTS")
"""What podman calls the namespaces of a row."""

COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


def ps(
    engine: Engine,
    *,
    all: opt.All = False,  # noqa: A002 - the option's name
    filter: common.Filter = None,  # noqa: A002 - the option's name
    format: common.Format = "",  # noqa: A002 - the option's name
    last: opt.Last = -1,
    latest: opt.Latest = False,
    no_trunc: common.NoTrunc = False,
    noheading: opt.NoHeading = False,
    quiet: common.Quiet = False,
    size: opt.Size = False,
    sort: opt.Sort = "",
    external: opt.External = False,
    ns: opt.Spaces = False,
    sync: opt.Sync = False,
    watch: opt.Watch = 0,
) -> int:
    """List containers.

    Filters: `name=TEXT`, `id=START`, `status=created|running|paused|restarting|exited`,
    `label=KEY[=VALUE]`, `label!=KEY`, `health=healthy|unhealthy|starting|none`, `ancestor=IMAGE`,
    `exited=CODE`, `volume=NAME`, `network=NAME`, `expose=PORT`, `restart-policy=POLICY`,
    `before=`, `since=CONTAINER`, `until=TIME`.

    `--format json` prints a line for each container as docker does, `--format podman` one list as
    `podman ps --format json` does; templates know the names of both. --ns shows
    namespaces, which are `.CGROUPNS`, `.IPC`, `.MNT`, `.NET`, `.PIDNS`, `.USERNS`, `.UTS`.

    Examples:
        rootless ps -a
        rootless ps -q --filter label=project=web
        rootless ps --format 'table {{.Names}}\\t{{.Status}}'
        rootless ps -a --format '{{json .}}'
    """

    def once() -> int:
        found = _wanted(engine, filter, all, 1 if latest else last)
        if quiet and not format:
            output.say_lines(one.record["id"][: None if no_trunc else 12] for one in found)
            return 0
        if not choice.current().newest_first:
            found.reverse()
        if sort:
            found.sort(key=_sort_key(sort))
        wanted = size or ".Size" in format
        _show(found, format, full=no_trunc, bare=noheading, size=wanted, ns=ns)
        return 0

    if watch:
        from rootless.cli.commands.watching import again

        return again(watch, once)
    return once()


def _show(
    found: list[Listed], template: str, *, full: bool, bare: bool, size: bool, ns: bool
) -> None:
    dialect = choice.current()
    if template == "podman" or (dialect.arrays and dialect.template(template) == "json"):
        every = [{**podman(one), "Image": dialect.image(one)} for one in found]
        output.say_json(output.pretty(every))
        return
    template = "" if template == "docker" else template
    plain = template in output.TABLE and not ns
    rows = [_row(one, full=full, size=size, plain=plain) for one in found]
    columns: tuple[str, ...] = (*COLUMNS, "Size") if size else COLUMNS
    headings = {**HEADINGS, **FURTHER}
    if ns or any(f".{name}}}" in template for name in SPACES):
        columns = ("ID", "Names", "Pid", *_add_spaces(rows, headings))
    output.show(rows, template, headings, columns, bare=bare)


def _wanted(engine: Engine, filters: list[str] | None, every: bool, last: int) -> list[Listed]:
    """Return what is to be listed; `last` counts containers, -1 is none of that."""
    teller = Teller()
    found = listed(engine.containers.list(teller), teller)
    stated = False
    if filters:
        from rootless.containers.filters import Filters

        fit = Filters(filters, engine.containers, engine.images)
        found, stated = fit.keep(found), fit.name_a_state
    if last >= 0:
        return found[:last]
    return found if every or stated else [one for one in found if one.state.active]


def _add_spaces(rows: list[output.Row], headings: dict[str, str]) -> tuple[str, ...]:
    """Add its namespaces to each row, and return their columns."""
    from rootless.containers.running import spaces

    for row in rows:
        row.further.update(spaces.of(row.further["Pid"]))
    headings |= {name: name for name in spaces.NAMES}
    return spaces.NAMES


def _sort_key(name: str) -> Any:
    if name not in SORTS:
        raise UsageError(f"--sort: unknown key {name!r}", "one of " + ", ".join(SORTS))
    return SORTS[name]


def _row(one: Listed, *, full: bool, size: bool, plain: bool) -> output.Row:
    """Return a line of the list; `plain` with what the table has: there may be hundreds."""
    record, state = one.record, one.state
    command = " ".join([record["path"], *record["args"]])
    row = output.Row(
        {
            "Command": output.quote(command if full else output.shorten(command, 20)),
            "ID": record["id"] if full else record["id"][:12],
            "Image": record["image"],
            "Names": record["name"],
            "Ports": _ports(state) if state.ports else "",
            "RunningFor": times.ago(record["created"]),
            "Size": _size(one.container) if size else "0B",
            "Status": status(state),
        }
    )
    if not plain:
        row = _whole(row, one, full=full)
    choice.current().container(row, one, full=full)
    return row


def _whole(row: output.Row, one: Listed, *, full: bool) -> output.Row:
    """Return a line with what only templates and JSON show, too."""
    record, state = one.record, one.state
    labels = record["labels"]
    mounts = [volume["name"] or volume["source"] for volume in record["volumes"]]
    row |= {
        "CreatedAt": times.when(record["created"]),
        "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        "LocalVolumes": str(sum(volume["type"] == "volume" for volume in record["volumes"])),
        "Mounts": ",".join(m if full else output.shorten(m, 15) for m in mounts),
        "Networks": ",".join(networks.mode([one]) for one in record["networks"]),
        "Platform": "",
        "State": state.status,
    }
    row = output.Row(sorted(row.items()))
    row.methods = {"Label": lambda key: labels.get(key, "")}
    row.further = {
        "AutoRemove": record["rm"],
        "Cgroup": "",
        "CIDFile": record["request"].get("cidfile", ""),
        "Created": row["RunningFor"],
        "CreatedHuman": row["RunningFor"],
        "ExitCode": state.exit_code,
        "Exited": state.status == "exited",
        "ExitedAt": int(state.finished),
        "ImageID": record["image_id"] if full else record["image_id"][:12],
        "IsInfra": False,
        "Namespaces": {},
        "Pid": state.pid,
        "Pod": "",
        "PodName": "",
        "Restarts": state.restart_count,
        "StartedAt": int(state.started),
        "User": record["user"],
        "UserNS": record["spec"]["rootless"]["userns"],
    }
    return row


def _ports(state: State) -> str:
    from rootless.containers.ports import summary

    return summary(state.ports)


def _sizes(container: Container) -> tuple[int, int]:
    from rootless.containers.sizes import container_size

    return container_size(container)


def _size(container: Container) -> str:
    written, whole = _sizes(container)
    return f"{output.size(written)} (virtual {output.size(whole)})"
