"""Options of `run` and `create`: what begins with a container, and what ends it."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options.declare import option

BASIC = "Container"

Timeout = Annotated[
    int, option("--timeout", metavar="SECONDS", panel=BASIC, about="Kill it after that time.")
]
Requires = Annotated[
    list[str],
    option("--requires", metavar="CONTAINER,...", panel=BASIC, about="Start these before it."),
]
Rmi = Annotated[
    bool, option("--rmi", panel=BASIC, about="--rm, and its image unless others use it.")
]
InitPath = Annotated[
    str,
    option("--init-path", metavar="FILE", panel=BASIC, about="With --init: a program of ours."),
]
PidFile = Annotated[
    str,
    option("--pidfile", metavar="FILE", panel=BASIC, about="Write the pid of its first process."),
]
SupervisorPidFile = Annotated[
    str,
    option(
        "--conmon-pidfile",
        metavar="FILE",
        panel=BASIC,
        about="Write that of its supervisor, for systemd.",
    ),
]


class LifeAsked(TypedDict, total=False):
    """Beginning and end."""

    timeout: Timeout
    requires: Requires
    rmi: Rmi
    init_path: InitPath
    pidfile: PidFile
    conmon_pidfile: SupervisorPidFile
