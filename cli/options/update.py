"""Options of update: what of those of `run` can be changed later."""

from __future__ import annotations

from typing import Annotated

from rootless.cli.options import run, security  # noqa: TC001 - Typer evaluates the hints
from rootless.cli.options.declare import argument, option
from rootless.cli.options.health import HealthAsked

Updated = Annotated[list[str], argument("CONTAINER...", "Names or ids, which may be shortened.")]
NoMore = Annotated[list[str], option("--unsetenv", metavar="KEY", about="Take a variable away.")]


class UpdateAsked(HealthAsked, total=False):
    """What update is asked for, beside its own."""

    restart: run.Restart
    env: run.Env
    unsetenv: NoMore
    ulimit: security.Ulimit
