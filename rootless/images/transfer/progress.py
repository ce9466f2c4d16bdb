"""How long work says how far it is. The command line draws it; the engine never prints."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import Protocol

    class Progress(Protocol):
        """Told of pieces of work (`key`), from any thread."""

        def begin(self, key: str, what: str, total: int) -> None:
            """Work `key` begins: `what` for people, its size in bytes or -1."""

        def advance(self, key: str, count: int) -> None:
            """`count` more bytes are done."""

        def end(self, key: str, result: str) -> None:
            """The work is done: `done`, `exists`, ..."""

    # Progress that is set up only when there is work to show.
    Shown = Callable[[], AbstractContextManager[Progress | None]]


class Silent:
    """Progress for nobody."""

    def begin(self, key: str, what: str, total: int) -> None:
        """Say nothing."""

    def advance(self, key: str, count: int) -> None:
        """Say nothing."""

    def end(self, key: str, result: str) -> None:
        """Say nothing."""
