"""The namespaces that the first process of a container is in, by podman's names for them."""

from __future__ import annotations

import os

_FILES = {
    "CGROUPNS": "cgroup",
    "IPC": "ipc",
    "MNT": "mnt",
    "NET": "net",
    "PIDNS": "pid",
    "USERNS": "user",
    "UTS": "uts",
}

NAMES = tuple(_FILES)


def of(pid: int) -> dict[str, str]:
    """Return the numbers of the namespaces of a process (namespaces(7)); 0 is none."""
    return {name: _number(f"/proc/{pid}/ns/{file}") if pid else "" for name, file in _FILES.items()}


def _number(path: str) -> str:
    try:
        return os.readlink(path).partition("[")[2].rstrip("]")
    except OSError:
        return ""  # it has just ended, or is not ours to look at
