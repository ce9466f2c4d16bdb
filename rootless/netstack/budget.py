"""The memory that all connections of a guest share: what waits in it, and how much more may.

One connection may keep LIMIT bytes in each direction, but a thousand that nobody reads may not.
What a window has promised cannot be taken back (RFC 9293, 3.8.6), so a guest is told little at
first where there are many connections, and LIMIT once much has gone through: then somebody reads.
Those that nobody reads thus never had much, and there is room for those that go on.

Where all that is not enough, because a great many stop in full flow, three quarters are the end:
from there on each keeps a small share and takes no more, not even what it had promised. The guest
sends it again, as after a loss. The rest is for these shares, which are never nothing, so that no
connection waits for another.
"""

from __future__ import annotations

LIMIT = 1 << 20
"""Bytes of a connection in each direction that we keep: 1 MiB."""

PROOF = 8 << 20
"""Bytes after which a connection counts as read.

More than the buffers of the host's kernel take of one that nobody reads (tcp(7), tcp_wmem).
"""

_EACH = 4096
"""Bytes that a connection itself takes, without anything that waits."""


class Budget:
    """One guest's."""

    __slots__ = ("_shared", "connections", "room", "share")

    def __init__(self, size: int) -> None:
        """`size` is in bytes, for what waits in both directions."""
        self.room = size // 4 * 3
        """Bytes until each connection is restricted to its share; may be less than none."""
        self._shared = size // 16
        self.share = 0
        """Bytes that each connection may keep in each direction, whatever the others do."""
        self.connections = size // _EACH
        """As many there may be."""
        self.divide(1)

    def divide(self, connections: int) -> None:
        """Share it among so many connections, or one more than none."""
        self.share = min(LIMIT, self._shared // (connections or 1))

    def limit(self) -> int:
        """Return the bytes that a connection which goes on may keep in each direction.

        A part of what is free, so that several may grow at once: "Dynamic queue length thresholds
        for shared-memory packet switches", Choudhury and Hahne, 1998.
        """
        return max(self.share, min(LIMIT, self.room >> 4))
