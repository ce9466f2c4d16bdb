"""What the store of a test has left running or half made, for tests of bad luck and of kills."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Store


def processes(store: Store) -> dict[int, str]:
    """Return what runs for a store: processes that name it, or have a file or mount of it."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            traces = [(entry / "cmdline").read_text(errors="replace")]
            traces += [(entry / "mountinfo").read_text(errors="replace")]
            traces += [os.readlink(fd) for fd in (entry / "fd").iterdir()]
            if any(store.directory in trace for trace in traces):
                found[int(entry.name)] = traces[0].replace("\0", " ")
    return found


def assert_nothing_left(store: Store) -> None:
    """No process and no mount, and after `ps` no half-made thing."""
    deadline = time.monotonic() + 10
    while left := processes(store):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    store.ok("ps", "-a")
    assert store.directory not in Path("/proc/self/mountinfo").read_text()
    rest = [name for name in os.listdir(f"{store.root}/containers") if name != ".names"]
    assert rest == []


def supervisor(store: Store, name: str = "one") -> int:
    """Return the pid of a container's supervisor."""
    import json

    identity = os.readlink(f"{store.root}/containers/.names/{name}")
    state = Path(f"{store.root}/containers/{identity}/state.json").read_text()
    return int(json.loads(state)["supervisor"])


def kill(pid: int) -> None:
    """Kill a process, and wait until it has ended: until then it has its locks."""
    process = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [])
    finally:
        os.close(process)


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(one for child in below for one in family(int(child)))]
