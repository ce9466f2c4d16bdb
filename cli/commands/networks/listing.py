"""network ls and inspect."""

from __future__ import annotations

from rootless.cli import exits, output
from rootless.cli.dialects import choice
from rootless.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.cli.options import common, containers
    from rootless.cli.options import network as opt
    from rootless.engine import Engine

HEADINGS = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv4": "IPV4",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
    "CreatedAt": "CREATED AT",
}
COLUMNS = ("ID", "Name", "Driver", "Scope")


def network_ls(
    engine: Engine,
    *,
    filter: common.Filter = None,  # noqa: A002 - the option's name
    format: common.Format = "",  # noqa: A002 - the option's name
    no_trunc: common.NoTrunc = False,
    noheading: containers.NoHeading = False,
    quiet: opt.NetworkQuiet = False,
) -> int:
    """List networks: those that were made, and those that are there by themselves.

    Filters: `name=TEXT`, `id=ID`, `label=KEY[=VALUE]`, `driver=NAME`, `type=custom|builtin`,
    `dangling=true|false`, `until=TIME`, `scope=local`.

    Examples:
        rootless network ls
        rootless network ls --filter label=project=shop --format '{{.Name}}'
    """
    from rootless.cli.teller import Teller
    from rootless.system.networks import documents, kept

    teller = Teller()
    found = kept(engine, documents(engine, teller), filter or [])
    size = None if no_trunc else 12
    if quiet and not format:
        output.say_lines(one["Id"][:size] for one in found)
    else:
        output.show([_row(one, size) for one in found], format, HEADINGS, COLUMNS, bare=noheading)
    return exits.FAILED if teller.problems else exits.OK


def _row(shown: dict[str, Any], size: int | None) -> output.Row:
    labels = shown["Labels"]
    row = output.Row(
        {
            "CreatedAt": shown["Created"],
            "Driver": shown["Driver"],
            "ID": shown["Id"][:size],
            "IPv4": "true",
            "IPv6": str(shown["EnableIPv6"]).lower(),
            "Internal": str(shown["Internal"]).lower(),
            "Labels": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
            "Name": shown["Name"],
            "Scope": shown["Scope"],
        }
    )
    row.methods = {"Label": lambda key: labels.get(key, "")}
    return row


def network_inspect(
    engine: Engine,
    networks: opt.SomeNetworks,
    *,
    format: common.ShortFormat = "",  # noqa: A002 - the option's name
    verbose: opt.NetworkVerbose = False,
) -> int:
    """Show networks as JSON, with the containers that are on them now.

    Examples:
        rootless network inspect backend
        rootless network inspect -f '{{range .Containers}}{{.Name}} {{end}}' backend
    """
    from rootless.system.networks import document

    del verbose  # docker shows services of a swarm by it
    dialect = choice.current()
    found, missing = [], []
    for name in networks:
        try:
            found.append(document(engine, name))
        except Error as error:
            missing.append(error)
    if format and not (dialect.template(format) == "json" and dialect.arrays):
        for one in found:
            output.show_one(one, format)
    else:
        output.say_json(output.pretty(found))
    code = exits.OK
    for problem in missing:
        code = output.complain(problem)
    return code
