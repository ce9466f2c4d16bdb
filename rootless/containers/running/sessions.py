"""The commands that `exec` has started: a small record of each, for as long as the container runs.

    exec/<id>.json    {"id", "command", "user", "tty", "pid", "running", "exit_code", ...}

Written when the command starts, and again by whoever waits for it. That is the joiner, a process
inside the container's namespaces, which can name no file of the host: it holds this one open.
"""

from __future__ import annotations

import os
import time

from rootless.errors import StoreError
from rootless.oci import jsonio
from rootless.store import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.runtime.spec import Process


class Session:
    """One command: its record, and the open file that holds it."""

    def __init__(self, directory: str, process: Process) -> None:
        """`directory` is the container's own."""
        self.id = os.urandom(32).hex()
        self.fd = -1
        """-1 where the disk is full or read-only, which keeps nobody from looking inside."""
        self._record = {
            "id": self.id,
            "command": process["args"],
            "user": process["user"].get("username", ""),
            "tty": bool(process.get("terminal")),
        }
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            os.makedirs(f"{directory}/exec", 0o700, exist_ok=True)
            self.fd = os.open(f"{directory}/exec/{self.id}.json", flags, 0o600)
        except OSError:
            pass

    def note(self, pid: int, exit_code: int | None) -> None:
        """Write down that it runs, or with an exit code that it has ended."""
        self._record |= {"pid": pid, "running": exit_code is None, "exit_code": exit_code}
        self._record["started" if exit_code is None else "finished"] = time.time()
        data = jsonio.dump_bytes(self._record)
        try:
            if self.fd >= 0:
                os.pwrite(self.fd, data, 0)
                os.ftruncate(self.fd, len(data))
        except OSError:
            pass  # a full disk


def running(directory: str) -> list[str]:
    """Return the ids of the commands that still run."""
    found = []
    for name in _names(directory):
        try:
            session = records.read_record(f"{directory}/exec/{name}")
        except (OSError, StoreError):
            continue  # gone, or being written just now
        if session.get("running"):
            found.append(name.removesuffix(".json"))
    return found


def forget(directory: str) -> None:
    """Remove the records of an earlier run."""
    for name in _names(directory):
        try:
            os.unlink(f"{directory}/exec/{name}")
        except OSError:
            pass  # somebody else was faster


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(f"{directory}/exec")
    except OSError:
        return []
