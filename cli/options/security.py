"""Options of `run` and `create`: users, namespaces, and what the container may do."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from rootless.cli.options.declare import option

USERS = "Users and namespaces"

User = Annotated[
    str,
    option("--user", "-u", metavar="USER[:GROUP]", panel=USERS, about="Names or numbers."),
]
GroupAdd = Annotated[
    list[str],
    option("--group-add", metavar="GROUP", panel=USERS, about="Further group, or keep-groups."),
]
Userns = Annotated[
    str,
    option(
        "--userns",
        metavar="MODE",
        panel=USERS,
        about="host, nomap, or keep-id[:uid=N,gid=N,shared].",
    ),
]
Pid = Annotated[str, option("--pid", metavar="MODE", panel=USERS, about="private or host.")]
Ipc = Annotated[str, option("--ipc", metavar="MODE", panel=USERS, about="private or host.")]
Uts = Annotated[str, option("--uts", metavar="MODE", panel=USERS, about="private or host.")]
Cgroupns = Annotated[
    str, option("--cgroupns", metavar="MODE", panel=USERS, about="private or host.")
]
SECURITY = "Security and limits"

Privileged = Annotated[
    bool, option("--privileged", panel=SECURITY, about="All that the user may do, no masks.")
]
Device = Annotated[
    list[str],
    option("--device", metavar="SRC[:DST]", panel=SECURITY, about="Show a device of the host."),
]
CapAdd = Annotated[
    list[str],
    option("--cap-add", metavar="CAP", panel=SECURITY, about="Add a capability, or ALL."),
]
CapDrop = Annotated[
    list[str],
    option("--cap-drop", metavar="CAP", panel=SECURITY, about="Drop a capability, or ALL."),
]
SecurityOpt = Annotated[
    list[str],
    option(
        "--security-opt",
        metavar="OPT",
        panel=SECURITY,
        about="seccomp=FILE|unconfined, no-new-privileges, unmask=PATHS.",
    ),
]
SeccompPolicy = Annotated[
    Literal["default", "image"],
    option(
        "--seccomp-policy",
        metavar="POLICY",
        panel=SECURITY,
        about="default, or image: the profile in a label of the image. (default)",
    ),
]
Ulimit = Annotated[
    list[str],
    option("--ulimit", metavar="NAME=SOFT[:HARD]", panel=SECURITY, about="Set a limit."),
]
Sysctl = Annotated[
    list[str],
    option("--sysctl", metavar="NAME=VALUE", panel=SECURITY, about="Set a kernel parameter."),
]

OomScoreAdj = Annotated[
    int,
    option(
        "--oom-score-adj",
        metavar="NUMBER",
        panel=SECURITY,
        about="To 1000: how soon the kernel kills it without memory.",
    ),
]
Personality = Annotated[
    str,
    option("--personality", metavar="DOMAIN", panel=SECURITY, about="LINUX, or LINUX32: 32 bits."),
]


class UsersAsked(TypedDict, total=False):
    """Its users and namespaces."""

    user: User
    group_add: GroupAdd
    userns: Userns
    pid: Pid
    ipc: Ipc
    uts: Uts
    cgroupns: Cgroupns


class SecurityAsked(TypedDict, total=False):
    """What it may do."""

    privileged: Privileged
    device: Device
    cap_add: CapAdd
    cap_drop: CapDrop
    security_opt: SecurityOpt
    seccomp_policy: SeccompPolicy
    ulimit: Ulimit
    sysctl: Sysctl
    oom_score_adj: OomScoreAdj
    personality: Personality
