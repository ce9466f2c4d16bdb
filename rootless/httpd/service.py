"""What stands above a connection: whoever knows what the requests mean."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from rootless.httpd.answer import Answer, Streamed, Takeover
    from rootless.httpd.request import Request

    class Service(Protocol):
        """Answers requests. Used by as many threads at once as there are connections."""

        @property
        def headers(self) -> dict[str, str]:
            """Fields of every answer."""
            ...

        def answer(self, request: Request) -> Answer | Streamed | Takeover:
            """Do what is asked. What it raises, but for Gone, is `refuse`d."""
            ...

        def refuse(self, error: Exception, request: Request | None) -> Answer:
            """The answer that stands for an error: a Refusal, or whatever `answer` has raised.

            Without a request it is one that could not be read. Where an answer under way breaks
            off by an error, what is returned is not sent.
            """
            ...

        def note(self, request: Request, status: int, seconds: float) -> None:
            """Told after each answer that was sent, for a log."""
            ...
