"""What the processes of a container use: added up from /proc, which needs no cgroup of its own."""

from __future__ import annotations

import os
import time

from rootless.netstack.addresses import INTERFACE
from rootless.runtime.supervision.members import members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.handle import Handle

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")


class Usage:
    """One look. Counts since the start of the processes, in bytes and seconds."""

    def __init__(self, container: Handle) -> None:
        """A container that does not run uses nothing."""
        self.at = time.monotonic()
        self.cpu = 0.0
        """Seconds of the processor."""
        self.memory = 0
        """Resident bytes; what processes share counts for each."""
        self.read = self.written = 0
        """From and to disks."""
        self.processes = 0
        self.received = self.sent = (0, 0)
        """(bytes, packets) on the container's own interface."""
        self.started = 0.0
        """When they were started; 0 where none runs."""
        state = container.state()
        if state.running:
            self.started = state.started
            for pid in members(state.pid, state.values["command_pid"]):
                self._add(pid)
            self._read_interface(state.values["command_pid"])

    def _add(self, pid: int) -> None:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            self.processes += int(fields[17])
            self.cpu += (int(fields[11]) + int(fields[12])) / _TICKS
            self.memory += int(fields[21]) * _PAGE
            with open(f"/proc/{pid}/io", encoding="utf-8") as text:
                io = dict(line.rstrip("\n").split(": ") for line in text)
            self.read += int(io["read_bytes"])
            self.written += int(io["write_bytes"])
        except OSError:
            pass  # it has ended, or lets nobody look

    def _read_interface(self, pid: int) -> None:
        """proc(5), /proc/net/dev: what is received comes first."""
        try:
            with open(f"/proc/{pid}/net/dev", encoding="utf-8") as file:
                for line in file:
                    name, _, numbers = line.partition(":")
                    if name.strip() == INTERFACE:
                        counts = [int(word) for word in numbers.split()]
                        self.received = (counts[0], counts[1])
                        self.sent = (counts[8], counts[9])
        except OSError:
            pass  # it has ended

    def cpu_since(self, before: Usage) -> float:
        """Return the share of one processor since an earlier look, in percent."""
        return 100 * max(0.0, self.cpu - before.cpu) / max(self.at - before.at, 1e-6)


def total_memory() -> int:
    """Return the bytes of memory of this machine: the limit of who has none of his own."""
    return os.sysconf("SC_PHYS_PAGES") * _PAGE
