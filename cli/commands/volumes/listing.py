"""volume ls and inspect."""

from __future__ import annotations

from rootless.cli import exits, output
from rootless.cli.dialects import choice
from rootless.errors import Error, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.cli.options import common, containers
    from rootless.cli.options import volumes as opt
    from rootless.engine import Engine
    from rootless.volumes.collection import Volume

HEADINGS = {
    "Availability": "AVAILABILITY",
    "Driver": "DRIVER",
    "Group": "GROUP",
    "Labels": "LABELS",
    "Links": "LINKS",
    "Mountpoint": "MOUNTPOINT",
    "Name": "VOLUME NAME",
    "Scope": "SCOPE",
    "Size": "SIZE",
    "Status": "STATUS",
    "CreatedAt": "CREATED AT",
    "Options": "OPTIONS",
    "MountCount": "MOUNT COUNT",
    "NeedsCopyUp": "NEEDS COPY UP",
    "NeedsChown": "NEEDS CHOWN",
    "Anonymous": "ANONYMOUS",
}
COLUMNS = ("Driver", "Name")


def volume_ls(
    engine: Engine,
    *,
    filter: common.Filter = None,  # noqa: A002 - the option's name
    format: common.Format = "",  # noqa: A002 - the option's name
    noheading: containers.NoHeading = False,
    quiet: opt.VolumeQuiet = False,
) -> int:
    """List volumes.

    Filters: `name=TEXT`, `label=KEY[=VALUE]`, `label!=KEY[=VALUE]`, `dangling=true|false`,
    `opt=KEY[=VALUE]`, `since=VOLUME`, `until=TIME`, `driver=local`, `scope=local`.

    Examples:
        rootless volume ls
        rootless volume ls -q --filter dangling=true
        rootless volume ls --format '{{.Name}} {{.Mountpoint}}'
    """
    quiet = quiet and not format
    if not filter and (quiet or format in output.TABLE):
        _list(engine.volumes.names(sweep=True), quiet=quiet, bare=noheading)
        return exits.OK
    from rootless.cli.teller import Teller

    teller = Teller()
    found = engine.volumes.list(teller)
    if filter:
        from rootless.system.volumes.users import Users
        from rootless.volumes.filters import Filters

        found = Filters(filter, engine.volumes, Users(engine.paths).used).keep(found)
    if quiet or format in output.TABLE:
        _list([one.name for one in found], quiet=quiet, bare=noheading)
    else:
        _show(engine, found, format, bare=noheading)
    return exits.FAILED if teller.problems else exits.OK


def _list(names: list[str], *, quiet: bool, bare: bool) -> None:
    """Print names, or what the table has beside them: no record is read for it."""
    if quiet:
        output.say_lines(names)
    elif names or choice.current().empty_tables:  # podman prints nothing where there is nothing
        head = [] if bare else [[HEADINGS[name] for name in COLUMNS]]
        output.say_table([*head, *(["local", name] for name in names)])


def _show(engine: Engine, found: list[Volume], template: str, *, bare: bool) -> None:
    from rootless.system.volumes.users import document, mounts

    counts = mounts(engine) if found else {}
    rows = [_row(document(one, counts.get(one.name, 0))) for one in found]
    output.show(rows, template, HEADINGS, COLUMNS, bare=bare)


def _row(shown: dict[str, Any]) -> output.Row:
    labels = choice.current().volume(shown)["Labels"] or {}
    unknown = dict.fromkeys(("Availability", "Group", "Links", "Size", "Status"), "N/A")
    row = output.Row(
        {
            **unknown,
            "Driver": shown["Driver"],
            "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
            "Mountpoint": shown["Mountpoint"],
            "Name": shown["Name"],
            "Scope": shown["Scope"],
        }
    )
    row.methods = {"Label": lambda key: labels.get(key, "")}
    further = ("CreatedAt", "Options", "MountCount", "NeedsCopyUp", "NeedsChown")
    row.further = {name: shown[name] for name in further}
    row.further["Anonymous"] = shown.get("Anonymous", False)
    choice.current().volume_row(row, shown)
    return row


def volume_inspect(
    engine: Engine,
    volumes: opt.SomeVolumes = None,
    *,
    all: opt.EveryVolume = False,  # noqa: A002 - the option's name
    format: common.ShortFormat = "",  # noqa: A002 - the option's name
) -> int:
    """Show all that is known of volumes: in docker's shape, with what podman has beyond it.

    Examples:
        rootless volume inspect data
        rootless volume inspect -f '{{.Mountpoint}}' data
    """
    from rootless.system.volumes.users import document, mounts

    if bool(volumes) == all:
        raise UsageError("which volume?", "name some, or say --all")
    dialect = choice.current()
    counts = mounts(engine)
    found, missing = [], []
    for name in engine.volumes.names() if all else volumes or ():
        try:
            found.append(dialect.volume(document(engine.volumes.get(name), counts.get(name, 0))))
        except Error as error:
            missing.append(error)
    whole = dialect.template(format) == "json" and dialect.arrays
    if format and not whole:
        for one in found:
            output.show_one(dialect.volume_shaped(one), format)
    else:
        output.say_json(output.pretty(found))
    code = exits.OK
    for problem in missing:
        code = output.complain(problem)
    return code
