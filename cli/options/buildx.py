"""Options of `buildx`."""

from __future__ import annotations

from typing import Annotated

from rootless.cli.options.declare import argument, option, silent

BuilderName = Annotated[str, argument("[NAME]", "A name of a builder; all mean the same.")]
BuilderNames = Annotated[list[str] | None, argument("[NAME...]", "Names of builders.")]
Endpoint = Annotated[str, argument("[ENDPOINT]", "default: this machine.")]
NewBuilder = Annotated[str, option("--name", metavar="NAME", about="What it is called.")]
Driver = Annotated[
    str, option("--driver", metavar="DRIVER", about="docker, docker-container: the same.")
]
Use = Annotated[bool, option("--use", about="Accepted: there is no other.")]
Bootstrap = Annotated[bool, option("--bootstrap", about="Accepted: nothing has to be started.")]
Force = Annotated[bool, option("--force", "-f", about="Accepted: nothing is asked.")]
Ignored = Annotated[list[str] | None, silent("--driver-opt")]
Ignored2 = Annotated[list[str] | None, silent("--platform")]
Ignored3 = Annotated[str, silent("--buildkitd-flags")]
Ignored4 = Annotated[str, silent("--config", "--buildkitd-config")]
