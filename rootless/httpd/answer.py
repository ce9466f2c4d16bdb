"""What a service answers: a body that is here, one that is made piece by piece, or the connection
itself for what comes after HTTP.
"""

from __future__ import annotations

import os
from email.utils import formatdate
from http import HTTPStatus

from rootless.httpd.stream import IDLE_TIME, PIECE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from rootless.httpd.request import Request
    from rootless.httpd.stream import Stream


BARE = (204, 304)
"""Statuses whose answers end with their head, whatever it says (RFC 9112, 6.3)."""

LENGTH = "content-length"


class Framing:
    """How an answer goes over its connection, whatever it is."""

    def __init__(
        self,
        headers: dict[str, str],
        *,
        keep: bool = False,
        head_only: bool = False,
        chunked: bool = True,
    ) -> None:
        self.headers = headers
        """Fields of every answer of the service, where the answer has none of that name."""
        self.keep = keep
        """Whether the connection is for further requests."""
        self.head_only = head_only
        self.chunked = chunked
        """Whether the client knows chunks; one that does not reads until the end."""

    def head(self, status: int, fields: dict[str, str], phrase: str = "") -> bytes:
        """The head of an answer, with its empty line."""
        all_fields = _joined({"Date": formatdate(usegmt=True)}, self.headers, fields)
        lines = [f"HTTP/1.1 {status} {phrase or _phrase(status)}"]
        lines += [f"{name}: {_clean(value)}" for name, value in all_fields.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def final(self, fields: dict[str, str]) -> dict[str, str]:
        """Fields with word of the connection's end, if that comes after the answer."""
        return fields if self.keep else _joined(fields, {"Connection": "close"})


class Answer:
    """A response. Its body may be `count` bytes of `file`, a descriptor that `send` closes.

    The statuses 204 and 304 have no body.
    """

    def __init__(
        self,
        status: int,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        *,
        file: int = -1,
        offset: int = 0,
        count: int = 0,
    ) -> None:
        self.status = status
        self.headers = headers or {}
        self.body = body
        self._file, self._offset = file, offset
        self.length = count if file >= 0 else len(body)

    def send(self, stream: Stream, framing: Framing) -> None:
        """Send it. Raises Gone."""
        try:
            bare = self.status in BARE
            length = {} if bare else {"Content-Length": str(self.length)}
            fields = _joined(self.headers, length)
            head = framing.head(self.status, framing.final(fields))
            if framing.head_only or bare or self._file < 0:
                stream.send(head, b"" if framing.head_only or bare else self.body)
                return
            stream.send(head)
            stream.send_file(self._file, self._offset, self.length)
        finally:
            self.close()

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Streamed:
    """A response whose body `write` makes, piece by piece, while the client reads.

    `write` runs where the request was answered, may read the request's body meanwhile, and does
    not run for HEAD. Raises it, the answer breaks off, so that the client sees that it is not whole
    (one of HTTP/1.0 cannot see it).
    """

    def __init__(
        self,
        status: int,
        headers: dict[str, str] | None,
        write: Callable[[Writer], None],
        *,
        patience: float | None = IDLE_TIME,
    ) -> None:
        self.status = status
        self.headers = headers or {}
        self._write = write
        self._patience = patience
        """Seconds that the client may take for a piece, or be silent in the middle of its body;
        None where it may stop for long, as a pager does."""

    def send(self, stream: Stream, framing: Framing) -> None:
        """Send it. Raises Gone, and what `write` raises."""
        # A length beside chunks would be a second word on where the body ends.
        own = {name: value for name, value in self.headers.items() if name.lower() != LENGTH}
        fields = framing.final(own)
        if framing.chunked:
            fields = _joined(fields, {"Transfer-Encoding": "chunked"})
        stream.send(framing.head(self.status, fields))
        if framing.head_only:
            return
        stream.allow(self._patience)
        self._write(Writer(stream, chunked=framing.chunked))
        stream.allow(IDLE_TIME)
        if framing.chunked:
            stream.send(b"0\r\n\r\n")


class Writer:
    """Where the body of a Streamed answer goes."""

    def __init__(self, stream: Stream, *, chunked: bool) -> None:
        self._stream = stream
        self._chunked = chunked

    def write(self, data: bytes) -> None:
        """Send it, at once. Raises Gone when the client has gone, or takes too long."""
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            if self._chunked:
                self._stream.send(f"{len(piece):x}\r\n".encode(), piece, b"\r\n")
            else:
                self._stream.send(piece)

    def wait(self, *fds: int, timeout: float | None = None) -> list[int]:
        """Wait until one of `fds` can be read; those that can, none after `timeout` seconds.

        Raises Gone as soon as the client has gone, though nothing is written. Over TCP that is
        also who ends his sending after the request, as no client of HTTP does.
        """
        return self._stream.watch(fds, timeout)


class Takeover:
    """The end of HTTP on a connection, which is `take`'s from there on, as docker's attach wants.

    A client that asks for `protocol` by Upgrade is told of the switch (101); others get the
    status 200 and no length. Then `take` is called with the socket, which has no time limit, and
    with what was read of it already. It runs where the request was answered, but may give the
    socket to others and return; it closes the socket, then or later. Nobody else does. Where the
    client has gone, or has sent a long body that nobody read, it is not called.

    A client may end its sending and still read, which is an end of file here, and so may `take`
    by shutdown(2); over TLS only the former.
    """

    def __init__(
        self,
        take: Callable[[socket.socket, bytes], None],
        headers: dict[str, str] | None = None,
        *,
        protocol: str = "tcp",
    ) -> None:
        self.take = take
        self.headers = headers or {}
        self.protocol = protocol
        self.status = 101

    def send(self, stream: Stream, framing: Framing, request: Request) -> None:
        """Send the head. Raises Gone."""
        if self.protocol.lower() in (word.strip() for word in request.upgrade.split(",")):
            switch = {"Connection": "Upgrade", "Upgrade": self.protocol}
            head = framing.head(101, _joined(self.headers, switch), "UPGRADED")
        else:
            self.status = 200
            head = framing.head(200, self.headers)
        stream.send(head)


def _joined(*parts: dict[str, str]) -> dict[str, str]:
    """Fields of which the later ones take the place of those before, in capitals or not."""
    found = {name.lower(): (name, value) for part in parts for name, value in part.items()}
    return dict(found.values())


def _phrase(status: int) -> str:
    """What a status is called; nothing for one that has no name (RFC 9112, 4)."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _clean(value: str) -> str:
    """A header's value: what a manifest says of itself must not become a header of its own."""
    return "".join(c for c in value if c.isascii() and c.isprintable())
