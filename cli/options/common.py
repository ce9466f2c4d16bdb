"""Options that commands of several kinds have, and the global ones.

Every option and argument of the command line is declared once, in this folder, for Typer. A
command's signature names them (`detach: opt.Detach = False`). These modules are imported by the
Typer tree alone, for the generator of the tables: commands see them only under
TYPE_CHECKING, so that running one costs no import of typer.
"""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from rootless.cli.options.declare import argument, option


class VersionAsked(Exception):
    """--version was given: nothing else matters."""


def _stop(asked: bool) -> None:
    if asked:
        raise VersionAsked


Root = Annotated[
    str,
    option("--root", metavar="DIR", about="Keep images and containers in DIR. (ROOTLESS_ROOT)"),
]
Debug = Annotated[
    bool,
    option("--debug", "-D", about="Show where an error arose, and how long each step took."),
]
DialectName = Annotated[
    Literal["docker", "podman"],
    option(
        "--dialect",
        metavar="NAME",
        about="Speak as docker (the default) or podman does. (ROOTLESS_DIALECT)",
    ),
]
Version = Annotated[
    bool,
    typer.Option("--version", "-v", help="Show the version.", show_default=False, callback=_stop),
]
ImageName = Annotated[
    str, argument("IMAGE", "Name, name:tag, name@digest or id; `host` is this machine.")
]
Container = Annotated[str, argument("CONTAINER", "Name or id, which may be shortened.")]
Format = Annotated[
    str,
    option("--format", metavar="TEMPLATE", about="json, a Go template, or `table TEMPLATE`."),
]
ShortFormat = Annotated[
    str, option("--format", "-f", metavar="TEMPLATE", about="json, or a Go template.")
]
Filter = Annotated[
    list[str] | None,
    option("--filter", "-f", metavar="KEY=VALUE", about="Only what fits."),
]
NoTrunc = Annotated[bool, option("--no-trunc", about="Do not shorten ids and commands.")]
Quiet = Annotated[bool, option("--quiet", "-q", about="Print ids only.")]
Silent = Annotated[bool, option("--quiet", "-q", about="Do not show progress.")]
Output = Annotated[str, option("--output", "-o", metavar="FILE", about="Instead of stdout.")]
Change = Annotated[
    list[str] | None,
    option("--change", "-c", metavar="LINE", about="A line of a Dockerfile: CMD, ENV, USER, ..."),
]
Message = Annotated[str, option("--message", "-m", metavar="TEXT", about="A note for the history.")]
JsonFormat = Annotated[
    Literal["", "json"], option("--format", metavar="FORMAT", about="json, as podman has it.")
]
Ignore = Annotated[bool, option("--ignore", "-i", about="Do not mind where there is none.")]
Since = Annotated[
    str, option("--since", metavar="TIME", about="Only later lines: 10m, 2h30m, a date or seconds.")
]
Until = Annotated[str, option("--until", metavar="TIME", about="Only earlier lines.")]
