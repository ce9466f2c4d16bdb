"""--uidmap, --gidmap, --subuidname and --subgidname: which ids a container has."""

from __future__ import annotations

import os

from rootless.errors import UsageError, named
from rootless.values import is_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.request import Fields
    from rootless.containers.words.asked import Asked

_RANGE = "it is INSIDE:FROM[:COUNT]; FROM 0 is you, from 1 on are your subordinate ids"


def parse(asked: Asked) -> Fields:
    """Return the maps, of which the one that is missing is as the other (podman).

    A name of /etc/subuid means all ids of its ranges and not the user's own: what nomap is. Raises
    UsageError.
    """
    given = [option for option in ("uidmap", "gidmap") if asked.get(option)]
    names = [option for option in ("subuidname", "subgidname") if asked.get(option)]
    if names and (given or asked.get("userns")):
        other = given[0] if given else "userns"
        raise UsageError(f"{named(names[0])} and {named(other)} exclude each other")
    if names:
        for option in names:
            _refuse_others(option, str(asked.get(option)))
        return {"userns": {"mode": "nomap", "uid": None, "gid": None, "shared": False}}
    uids = [_range(text, "uidmap") for text in _texts(asked.get("uidmap", []))]
    gids = [_range(text, "gidmap") for text in _texts(asked.get("gidmap", []))]
    return {"uidmap": uids or gids, "gidmap": gids or uids}


def _texts(given: list[str]) -> list[str]:
    return ",".join(given).split(",") if given else []


def _range(text: str, option: str) -> list[int]:
    words = text.split(":")
    good = all(is_number(word) and int(word[:11]) <= 0x7FFFFFFF for word in words)
    if len(words) not in (2, 3) or not good:
        raise UsageError(f"{named(option)}: invalid range {text!r}", _RANGE)
    numbers = [int(word) for word in words]
    return numbers if len(numbers) == 3 else [*numbers, 1]


def _refuse_others(option: str, name: str) -> None:
    """Raise UsageError for a name that is not the caller's own."""
    import pwd

    own = {str(os.getuid())}
    try:
        own.add(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        pass  # a uid without a name
    if name not in own:
        raise UsageError(
            f"{named(option)} {name}: without root only one's own subordinate ids can be had",
            f"name yourself, or use {named('userns')} keep-id or nomap",
        )
