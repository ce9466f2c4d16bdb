"""The processes of a running container, as the host sees them.

A process belongs to it if it is in its mount namespace or its pid namespace, or descends from one
that is: so what `exec` has started is found, and what has made namespaces of its own, too.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def members(init: int, command: int) -> list[int]:
    """Return the pids, parents before their children.

    `init` and `command` are its first process and that of its command, often the same. Our own
    init (`--init`) lets nobody look at its namespaces, since it is not dumpable.
    """
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (parent := parent_of(int(name))) is not None:
            parents[int(name)] = parent
    own = [space for kind in ("mnt", "pid") if (space := _opened(kind, command, init))]
    inside = {pid for pid in parents if any(_space(pid, kind) == there for kind, there, _ in own)}
    for *_, fd in own:
        os.close(fd)
    inside |= {init} & parents.keys()
    return sorted(_with_descendants(inside, parents), key=lambda pid: (_depth(pid, parents), pid))


def left_in(space: int) -> list[int]:
    """Return the pids of processes in the mount namespace with the inode number `space`."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [pid for pid in pids if _space(pid, "mnt") == f"mnt:[{space}]"]


def _with_descendants(inside: set[int], parents: dict[int, int]) -> Iterable[int]:
    while new := {pid for pid, parent in parents.items() if parent in inside and pid not in inside}:
        inside |= new
    return inside


def _depth(pid: int, parents: dict[int, int]) -> int:
    depth = 0
    while pid in parents and depth < 1000:  # pids are read one by one, so there may be a ring
        pid, depth = parents[pid], depth + 1
    return depth


def parent_of(pid: int) -> int | None:
    """Return the parent of a process (proc(5), stat); None where it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
    except OSError:
        return None
    return None if state in (b"Z", b"X") else int(parent)


def _opened(kind: str, *pids: int) -> tuple[str, str, int] | None:
    """Open the namespace of the first process that lets us; None where it is ours.

    Returns its kind, its name and the descriptor. Open it keeps its number for itself: the kernel
    gives that of a namespace which has gone to the next one.
    """
    for pid in pids:
        try:
            fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue  # gone, or somebody else's
        name = f"{kind}:[{os.fstat(fd).st_ino}]"
        if name != _space(os.getpid(), kind):
            return kind, name, fd
        os.close(fd)
        break
    return None


def _space(pid: int, kind: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    except OSError:
        return ""  # gone, or somebody else's
