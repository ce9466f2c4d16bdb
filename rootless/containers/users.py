"""Who needs a container: who has its network (--network container:NAME), or --requires it.

Each leaves a mark in the directory of the other before it is made, so a removal need not read the
records of all. A mark of one that is gone means nothing.
"""

from __future__ import annotations

import os

from rootless.errors import Conflict, NotFound, StoreError, named
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

_MARKS = "users"


class InUse(Conflict):
    """Another container needs this one."""


def note(paths: Paths, used: str, user: str) -> None:
    """Leave the mark of the container `user` with the container `used`; both are ids.

    Raises NotFound where that is gone, StoreError.
    """
    directory = f"{paths.containers}/{used}"
    try:
        try:
            os.mkdir(f"{directory}/{_MARKS}", 0o700)  # never the container's own directory
        except FileExistsError:
            pass  # it has others
        os.close(os.open(f"{directory}/{_MARKS}/{user}", os.O_CREAT | os.O_CLOEXEC, 0o600))
    except FileNotFoundError:
        raise NotFound(f"no such container: {used[:12]}") from None
    except OSError as error:
        raise StoreError(
            f"cannot note the use of container {used[:12]}: {error.strerror}", records.remedy(error)
        ) from error


def is_there(paths: Paths, used: str) -> bool:
    """Whether the container `used` is there still, now that one that needs it is stored.

    Waits for the end of a removal under way. One that begins later finds the mark, for it looks
    at the marks under the same lock.
    """
    directory = f"{paths.containers}/{used}"
    try:
        held = records.lock(directory, shared=True)
    except FileNotFoundError:
        return False
    if held is not None:
        os.close(held)
    return os.path.isdir(directory)


def users(paths: Paths, used: str) -> list[str]:
    """Return the ids of the containers that need the container `used`."""
    try:
        marks = os.listdir(f"{paths.containers}/{used}/{_MARKS}")
    except OSError:
        return []  # nobody has ever
    return [user for user in sorted(marks) if os.path.isdir(f"{paths.containers}/{user}")]


def refuse_use(paths: Paths, used: str, name: str) -> None:
    """Raise InUse where another container needs the one with this id and name."""
    if not (found := users(paths, used)):
        return
    if len(found) == 1:
        what = f"container {found[0][:12]} needs it"
    else:
        what = f"containers {', '.join(user[:12] for user in found)} need it"
    raise InUse(
        f"cannot remove container {name}: {what}",
        f"remove that first, or take both away with {named('depend')}"
        if len(found) == 1
        else f"remove those first, or take all away with {named('depend')}",
    )
