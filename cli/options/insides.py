"""Options of `run` and `create` that name the insides of docker and podman, and control groups.

What becomes of them is in `commands.containers.insides`.
"""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options.declare import option

INSIDES = "Of docker's and podman's insides"

Runtime = Annotated[
    str, option("--runtime", metavar="NAME", panel=INSIDES, about="runc, crun: there is one here.")
]
Cgroups = Annotated[
    str,
    option(
        "--cgroups",
        metavar="MODE",
        panel=INSIDES,
        about="enabled, split, no-conmon, disabled: all the same here.",
    ),
]
CgroupParent = Annotated[
    str,
    option("--cgroup-parent", metavar="GROUP", panel=INSIDES, about="Refused: see systemd-run(1)."),
]
CgroupConf = Annotated[
    list[str],
    option(
        "--cgroup-conf",
        metavar="KEY=VALUE",
        panel=INSIDES,
        about="Refused: limits come with a later version.",
    ),
]
DeviceCgroupRule = Annotated[
    list[str],
    option(
        "--device-cgroup-rule",
        metavar="RULE",
        panel=INSIDES,
        about="Refused: nobody but root has such rules.",
    ),
]
Gpus = Annotated[
    str,
    option("--gpus", metavar="GPUS", panel=INSIDES, about="Refused: see --device."),
]
OomKillDisable = Annotated[
    bool, option("--oom-kill-disable", panel=INSIDES, about="Accepted: it is of cgroups v1.")
]


class InsidesAsked(TypedDict, total=False):
    """What of them is asked for."""

    runtime: Runtime
    cgroups: Cgroups
    cgroup_parent: CgroupParent
    cgroup_conf: CgroupConf
    device_cgroup_rule: DeviceCgroupRule
    gpus: Gpus
    oom_kill_disable: OomKillDisable
