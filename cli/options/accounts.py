"""Options of `run` and `create`: who is known inside by a name."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options.declare import option
from rootless.cli.options.security import USERS

Passwd = Annotated[
    bool,
    option("--passwd", panel=USERS, about="Give users without a name one there. (default: true)"),
]
PasswdEntry = Annotated[
    str,
    option(
        "--passwd-entry",
        metavar="LINE",
        panel=USERS,
        about="For such a user, with $USERNAME, $UID, $GID, $NAME, $HOME.",
    ),
]
GroupEntry = Annotated[
    str,
    option(
        "--group-entry",
        metavar="LINE",
        panel=USERS,
        about="For such a group, with $GROUPNAME, $GID, $USERLIST.",
    ),
]
HostUser = Annotated[
    list[str],
    option("--hostuser", metavar="USER", panel=USERS, about="Make a user of this machine known."),
]

UidMap = Annotated[
    list[str],
    option(
        "--uidmap",
        metavar="INSIDE:FROM[:N]",
        panel=USERS,
        about="Have these ids; FROM 0 is you, 1 your first subordinate id.",
    ),
]
GidMap = Annotated[
    list[str],
    option("--gidmap", metavar="INSIDE:FROM[:N]", panel=USERS, about="The same for groups."),
]
SubUidName = Annotated[
    str,
    option("--subuidname", metavar="USER", panel=USERS, about="Yourself: as --userns nomap."),
]
SubGidName = Annotated[
    str,
    option("--subgidname", metavar="USER", panel=USERS, about="Yourself: as --userns nomap."),
]


class AccountsAsked(TypedDict, total=False):
    """Who has a name inside."""

    passwd: Passwd
    passwd_entry: PasswdEntry
    group_entry: GroupEntry
    hostuser: HostUser
    uidmap: UidMap
    gidmap: GidMap
    subuidname: SubUidName
    subgidname: SubGidName
