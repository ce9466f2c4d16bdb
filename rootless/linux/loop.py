"""An event loop: epoll(7) and timers."""

from __future__ import annotations

import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


_NEVER = float("inf")
_LONGEST = 1 << 30
"""Milliseconds, which epoll_wait(2) counts in an int: a timer of next month takes two waits."""


class Loop:
    """Descriptors and what is called when epoll(7) reports events for them; and timers.

    The events are those of poll(2), whose numbers epoll shares.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._epoll = select.epoll()
        self._always: dict[int, int] = {}
        self._timers: dict[int, tuple[float, Callable[[], None]]] = {}
        self._due = _NEVER
        self._last = 0
        self.spins = 0
        """How often to look again for events before going to sleep (busy polling)."""

    def watch(self, fd: int, events: int, handler: Callable[[int], None]) -> None:
        """Call `handler` with the events that are reported for `fd`, from now on."""
        known = fd in self._handlers
        self._handlers[fd] = handler
        try:
            if known and fd not in self._always:
                self._epoll.modify(fd, events)
                return
        except FileNotFoundError:
            pass  # it was closed meanwhile, and its number is another file's now
        try:
            self._epoll.register(fd, events)
        except PermissionError:  # a plain file, or /dev/null: never has one to wait for it
            self._always[fd] = events

    def unwatch(self, fd: int) -> None:
        """Stop watching `fd`."""
        if self._handlers.pop(fd, None) is not None:
            if self._always.pop(fd, None) is not None:
                return
            try:
                self._epoll.unregister(fd)
            except OSError:
                pass  # it is closed already

    def at(self, moment: float, action: Callable[[], None]) -> int:
        """Call `action` once at `moment` (time.monotonic); return what `cancel` takes."""
        self._last += 1
        self._timers[self._last] = (moment, action)
        self._due = min(self._due, moment)
        return self._last

    def cancel(self, timer: int) -> None:
        """Forget a timer, which may have rung already."""
        if self._timers.pop(timer, None) is not None:
            self._plan()

    def _plan(self) -> None:
        self._due = min((moment for moment, _ in self._timers.values()), default=_NEVER)

    def turn(self, timeout: int | None) -> int:
        """Handle what is reported within `timeout` milliseconds; return how much it was."""
        if self._timers:
            until = max(0, int((self._due - time.monotonic()) * 1000) + 1)
            timeout = min(until, _LONGEST if timeout is None else timeout)
        if self._always:
            timeout = 0
        ready = self._wait(timeout)
        if self._always:
            ready += [(fd, events) for fd, events in self._always.items() if events]
        for fd, events in ready:
            if (handler := self._handlers.get(fd)) is not None:
                handler(events)
        return len(ready) + (self._ring() if self._timers else 0)

    def _wait(self, timeout: int | None) -> list[tuple[int, int]]:
        for _ in range(self.spins):
            if ready := self._epoll.poll(0):
                return ready
        return self._epoll.poll(None if timeout is None else timeout / 1000)

    def _ring(self) -> int:
        now = time.monotonic()
        if now < self._due:
            return 0
        due = [timer for timer, (moment, _) in self._timers.items() if moment <= now]
        for timer in due:
            if (entry := self._timers.pop(timer, None)) is not None:
                entry[1]()
        self._plan()
        return len(due)
