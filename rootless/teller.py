"""How long work says how far it is, and whatever has something to say says it.

A Teller is passed to whatever takes long, warns or asks. The engine never prints: the command line
draws bars, an API writes JSON, a library user may want silence (`QUIET`, the default everywhere).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from rootless.oci.errors import Error

    class Teller(Protocol):
        """Told of pieces of work (`key`) from any thread, of all else from the caller's own."""

        def begin(self, key: str, what: str, total: int) -> None:
            """Work `key` begins: `what` for people, its size in bytes or -1."""

        def advance(self, key: str, count: int) -> None:
            """`count` more bytes are done."""

        def end(self, key: str, result: str) -> None:
            """The work is done: `done`, `exists`, ..."""

        def note(self, text: str) -> None:
            """What was asked for is done in another way than a user may expect."""

        def warning(self, text: str, *, more: int = 0) -> None:
            """Something is wrong with what was read, and was got over.

            `more` is how many others of the kind are not told one by one.
            """

        def problem(self, error: Error) -> None:
            """One of several objects could not be dealt with; the others go on."""

        def choose(self, short: str, candidates: Sequence[str]) -> str:
            """Return which of the candidates a short name means; "" for: none was chosen."""


class Quiet:
    """A teller for nobody."""

    def begin(self, key: str, what: str, total: int) -> None:
        """Say nothing."""

    def advance(self, key: str, count: int) -> None:
        """Say nothing."""

    def end(self, key: str, result: str) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def warning(self, text: str, *, more: int = 0) -> None:
        """Say nothing."""

    def problem(self, error: Error) -> None:
        """Say nothing."""

    def choose(self, short: str, candidates: Sequence[str]) -> str:
        """Choose none."""
        return ""


QUIET = Quiet()
