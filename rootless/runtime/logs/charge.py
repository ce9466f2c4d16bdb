"""A log as its supervisor holds it, and what takes the output."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypedDict

    class LogCharge(TypedDict):
        """A log as its supervisor holds it: plain values, so that they outlive execve(2)."""

        driver: str
        """json-file, k8s-file, journald, none or passthrough."""
        path: str
        fd: int
        """The open file or socket, -1 without one."""
        max_size: int
        """Bytes of one file, 0 for no limit."""
        max_file: int
        """How many files there are at most, the growing one among them."""
        compress: bool
        fields: dict[str, str]
        """What goes with each message to the journal, or with each record of a json-file."""

    class Writer(Protocol):
        """What takes the output."""

        def write(self, stream: int, data: bytes) -> None:
            """Take a piece of stream 1 or 2. Never raises."""

        def finish(self) -> None:
            """Take it that nothing more comes."""
