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


class AccountsAsked(TypedDict, total=False):
    """Who has a name inside."""

    passwd: Passwd
    passwd_entry: PasswdEntry
    group_entry: GroupEntry
    hostuser: HostUser
