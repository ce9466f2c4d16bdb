"""A cgroup (version 2) for a container, where the one we are in may be divided by this user.

systemd gives services of the user's manager and delegated scopes to the user; a login session's
own scope belongs to root. Nothing here needs a controller: only freezing, which every cgroup can.
See cgroups(7), and "Freezer" in the kernel's cgroup-v2.rst.
"""

from __future__ import annotations

import os
import select

ROOT = "/sys/fs/cgroup"

_MOST = 1 << 20
"""Steps into and out of cgroups that a removal takes, should somebody go on making them."""


def find() -> str:
    """Return the directory of our own cgroup where we may divide it, else ""."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            paths = [line[3:].strip() for line in file if line.startswith("0::")]
    except OSError:
        return ""
    # Beside those of version 1 it has a directory of its own (systemd's "hybrid" mode).
    root = ROOT if os.path.exists(f"{ROOT}/cgroup.procs") else f"{ROOT}/unified"
    directory = f"{root}{paths[0]}".rstrip("/") if paths else root
    usable = directory != root and os.access(f"{directory}/cgroup.procs", os.W_OK)
    return directory if usable and os.access(directory, os.W_OK) else ""


def make(name: str, pid: int) -> str:
    """Put the process `pid` into a new cgroup below ours; return its directory, "" without one."""
    parent = find()
    if not parent:
        return ""
    path = f"{parent}/rootless-{name}"
    try:
        os.mkdir(path)
        with open(f"{path}/cgroup.procs", "w", encoding="utf-8") as file:
            file.write(str(pid))
    except OSError:
        remove(path)
        return ""
    return path


def freeze(path: str, frozen: bool) -> bool:
    """Freeze or thaw all processes of a cgroup and wait until they are; False where it cannot."""
    try:
        with open(f"{path}/cgroup.freeze", "w", encoding="utf-8") as file:
            file.write(str(int(frozen)))
        with open(f"{path}/cgroup.events", encoding="utf-8") as events:
            poll = select.poll()
            poll.register(events, select.POLLPRI)
            while f"frozen {int(frozen)}" not in events.read():
                poll.poll(1000)
                events.seek(0)
    except OSError:
        return False
    return True


def remove(path: str) -> None:
    """Remove a cgroup with those that the container has made in it; one in use is left alone."""
    try:
        _remove_below(path)
    except OSError:
        pass  # it is gone, or somebody moves cgroups about
    _remove_one(path, None)


def _remove_below(path: str) -> None:
    """Remove the cgroups in one, however deep they are (`descent`). Raises OSError."""
    from rootless.oci.descent import OPEN, WINDOW, Directory

    stack, names = [Directory(os.open(path, OPEN))], [path]
    below = [_directories(stack[0].fd)]
    try:
        for _ in range(_MOST):
            if below[-1]:
                name = below[-1].pop()
                try:
                    stack.append(Directory(os.open(name, OPEN, dir_fd=stack[-1].fd)))
                except OSError:
                    continue
                names.append(name)
                below.append(_directories(stack[-1].fd))
                if len(stack) > WINDOW:
                    stack[-1 - WINDOW].rest()
            elif len(stack) > 1:
                stack[-2].resume(stack[-1].fd)
                stack.pop().close()
                below.pop()
                _remove_one(names.pop(), stack[-1].fd)
            else:
                break
    finally:
        for level in stack:
            level.close()


def _directories(fd: int) -> list[str]:
    try:
        with os.scandir(fd) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _remove_one(path: str, dir_fd: int | None) -> None:
    try:
        os.rmdir(path, dir_fd=dir_fd)  # its files go with it
    except OSError:
        pass
