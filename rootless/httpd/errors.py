"""How a request ends that is not simply answered."""

from __future__ import annotations


class Gone(Exception):
    """The client closed the connection, or was too slow: nobody hears an answer."""


class Refusal(Exception):
    """An error for the client alone; the server goes on.

    What becomes of it is a matter of the service: the status and the header fields are those of
    the answer, the message is to be its text. Services make kinds of their own.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


def bad_request(why: str) -> Refusal:
    """What is not HTTP as it should be."""
    return Refusal(400, why)


def too_large(limit: int) -> Refusal:
    """A body above its limit."""
    return Refusal(413, f"more than {limit} bytes are not taken")
