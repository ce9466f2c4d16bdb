"""Old name for supervisors of release 0.1, until the release after the next: published ports."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.linux.loop import Loop
    from rootless.netstack.ports import Port


class Listener:
    """Waits for the first who comes: then the stack is needed, and this release goes on."""

    def __init__(self, loop: Loop, port: Port, stack: Callable[[], object]) -> None:
        """Owns the descriptor of the port."""
        self.port = port
        self._loop = loop
        self._stack = stack
        loop.watch(port["fd"], select.POLLIN, self._take)

    def _take(self, _events: int) -> None:
        self._stack()

    def hold(self) -> None:
        """Let those who come wait."""
        self._loop.unwatch(self.port["fd"])

    def close(self) -> None:
        """Publish it no more."""
        self.hold()
        os.close(self.port["fd"])
