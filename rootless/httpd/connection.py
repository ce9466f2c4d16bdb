"""One connection, from its first request to its end, in a thread or in a process of its own."""

from __future__ import annotations

import socket
import time

from rootless.httpd.answer import Framing, Streamed, Takeover
from rootless.httpd.errors import Gone, Refusal, bad_request
from rootless.httpd.request import Request
from rootless.httpd.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from rootless.httpd.answer import Answer
    from rootless.httpd.peers import Client
    from rootless.httpd.service import Service

    class Keeper(Protocol):
        """Who holds many connections, and wants to know which of them may be closed."""

        def rests(self, connection: socket.socket) -> None:
            """It is between two requests: closing it harms nobody."""
            ...

        def goes_on(self, connection: socket.socket) -> bool:
            """A request has begun, or the connection has ended. False if it was closed before."""
            ...

        def needs(self, connection: socket.socket) -> bool:
            """Whether it is to end with the request that is being answered."""
            ...

        def gives_away(self, connection: socket.socket) -> None:
            """It is a service's from here on, and must not be closed."""
            ...


KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""A client whose machine is gone is noticed after two minutes (tcp(7)), if nothing is sent."""


class Alone:
    """The Keeper of a connection that has a process for itself."""

    def rests(self, connection: socket.socket) -> None:
        """Nobody else would close it."""

    def goes_on(self, connection: socket.socket) -> bool:
        """Nobody else has closed it."""
        return True

    def needs(self, connection: socket.socket) -> bool:
        """Nobody else waits for its place."""
        return False

    def gives_away(self, connection: socket.socket) -> None:
        """Nobody else would close it."""


def serve_connection(
    connection: socket.socket, service: Service, client: Client, keeper: Keeper | None = None
) -> bool:
    """Serve requests until client or service end it. Returns whether the caller is to close it.

    That is not so when a service has taken it over. Under TLS the handshake is done before. A
    client that is gone, or too slow, is the end and no error.
    """
    dialogue = _Dialogue(connection, service, client, keeper or Alone())
    try:
        if connection.family != socket.AF_UNIX:
            _prepare(connection)
        while dialogue.next():
            pass
        if not dialogue.taken:
            dialogue.stream.linger()
    except (Gone, OSError):
        pass
    return not dialogue.taken


def _prepare(connection: socket.socket) -> None:
    """Send what is written at once, and find out when the client's machine is gone."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


class _Dialogue:
    """Requests and answers of one connection."""

    def __init__(
        self, connection: socket.socket, service: Service, client: Client, keeper: Keeper
    ) -> None:
        self.stream = Stream(connection)
        self.taken = False
        """Whether the connection is a service's."""
        self._service = service
        self._client = client
        self._keeper = keeper

    def next(self) -> bool:
        """Serve a request; False where the connection has come to its end. Raises Gone."""
        request = self._request()
        if request is None:
            return False
        begun = time.monotonic()
        try:
            reply = self._service.answer(request)
            if isinstance(reply, Takeover):
                self._clear_the_way(request)
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001 - one request's fault is not the server's
            reply = self._service.refuse(error, request)
        if isinstance(reply, Takeover):
            self._give_away(request, reply)
            keep = False
        else:
            keep = self._send(request, reply)
        self._service.note(request, reply.status, time.monotonic() - begun)
        if keep:
            # A body that nobody wanted is read so that the next request is found behind it.
            request.body.drain()
            keep = not self._keeper.needs(self.stream.socket)
        return keep

    def _request(self) -> Request | None:
        """Wait for a request; None where there is to be none. Raises Gone."""
        sock = self.stream.socket
        self._keeper.rests(sock)
        try:
            self.stream.wait()
        finally:
            kept = self._keeper.goes_on(sock)
        if not kept:
            return None
        try:
            return Request(self.stream, self.stream.head(), self._client)
        except Refusal as refused:
            answer = self._service.refuse(refused, None)
            answer.send(self.stream, Framing(self._service.headers))
            return None

    def _send(self, request: Request, reply: Answer | Streamed) -> bool:
        """Send an answer; whether the connection is for more. Raises Gone."""
        sock = self.stream.socket
        if isinstance(reply, Streamed):
            request.body.invite()  # while the answer is under way it would be too late
        framing = Framing(
            self._service.headers,
            keep=request.keep and request.body.small and not self._keeper.needs(sock),
            head_only=request.method == "HEAD",
            chunked=not request.http_1_0,
        )
        try:
            reply.send(self.stream, framing)
        except Gone:
            raise
        except Exception as error:  # of what a service does while it streams
            self._service.refuse(error, request).close()
            raise Gone from error
        return framing.keep

    def _clear_the_way(self, request: Request) -> None:
        """Read the rest of a body before what comes after HTTP. Raises Gone, Refusal."""
        if not request.body.small:
            raise bad_request("a body is in the way of what is to come after it")
        request.body.drain()

    def _give_away(self, request: Request, takeover: Takeover) -> None:
        """Let a service have the connection. Raises Gone where the client has gone before."""
        takeover.send(self.stream, Framing(self._service.headers), request)
        sock = self.stream.socket
        self._keeper.gives_away(sock)
        self.taken = True
        sock.settimeout(None)
        try:
            takeover.take(sock, self.stream.rest())
        except (Gone, ConnectionError):
            sock.close()
        except Exception as error:  # noqa: BLE001 - one session's fault is not the server's
            sock.close()
            self._service.refuse(error, request).close()
