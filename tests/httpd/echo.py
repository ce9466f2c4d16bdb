"""A small service that shows what a connection can do; as a program it serves until SIGTERM.

    echo.py unix PATH [MOST SHARE] | tcp HOST | tls CERTIFICATE KEY | systemd | fork PATH

It prints where it listens, and then a line for each answer, and for each client that has gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from rootless.httpd import listeners, server, tls
from rootless.httpd.answer import Answer, Streamed, Takeover, Writer
from rootless.httpd.connection import serve_connection
from rootless.httpd.errors import Gone, Refusal
from rootless.httpd.peers import Client
from rootless.httpd.server import Server

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from rootless.httpd.request import Request

MOST = 1 << 20


class Echo:
    """`GET /hello`, `POST /whole`, `POST /echo`, `GET /events`, `POST /attach`, ..."""

    headers = {"Server": "echo"}

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self.wakes: int | None = None
        """A descriptor that `/events` waits for as well."""

    def answer(self, request: Request) -> Answer | Streamed | Takeover:
        do = getattr(self, f"_{request.path[1:]}", None)
        if do is None:
            raise Refusal(404, f"nothing at {request.path}", {"X-Why": "path"})
        done: Answer | Streamed | Takeover = do(request)
        return done

    def refuse(self, error: Exception, request: Request | None) -> Answer:
        if isinstance(error, Refusal):
            return Answer(error.status, error.headers, error.message.encode())
        self._say(f"failed {error!r}")
        return Answer(500, None, b"failed")

    def note(self, request: Request, status: int, seconds: float) -> None:
        self._say(f"{request.client.address} {request.method} {request.target} {status}")

    def _hello(self, request: Request) -> Answer:
        return Answer(200, {"Content-Type": "text/plain"}, b"hello")

    def _who(self, request: Request) -> Answer:
        return Answer(200, None, f"{request.client.peer} {os.getpid()}".encode())

    def _unread(self, request: Request) -> Answer:
        return Answer(200, None, b"unread")

    def _none(self, request: Request) -> Answer:
        return Answer(204, {"X-Odd": "a\r\nSet-Cookie: b"})

    def _whole(self, request: Request) -> Answer:
        return Answer(200, None, request.body.whole(MOST))

    def _fail(self, request: Request) -> Answer:
        raise ValueError("a mistake")

    def _file(self, request: Request) -> Answer:
        fd = os.open(request.query["path"], os.O_RDONLY | os.O_CLOEXEC)
        offset = int(request.query.get("offset", 0))
        return Answer(200, file=fd, offset=offset, count=os.fstat(fd).st_size - offset)

    def _echo(self, request: Request) -> Streamed:
        """What comes goes back, at once."""

        def write(out: Writer) -> None:
            while data := request.body.read():
                out.write(data)

        return Streamed(200, None, write)

    def _flood(self, request: Request) -> Streamed:
        """More than anybody takes."""
        patience = float(request.query["patience"]) if "patience" in request.query else None

        def write(out: Writer) -> None:
            try:
                while True:
                    out.write(bytes(1 << 20))
            except Gone:
                self._say("flood gone")
                raise

        return Streamed(200, None, write, patience=patience)

    def _events(self, request: Request) -> Streamed:
        """A line for each byte that `wakes` has."""

        def write(out: Writer) -> None:
            out.write(b"begin\n")
            waits = () if self.wakes is None else (self.wakes,)
            try:
                while ready := out.wait(*waits, timeout=30):
                    data = os.read(ready[0], 1)
                    if not data:
                        return
                    out.write(b"event " + data + b"\n")
            except Gone:
                self._say("events gone")
                raise

        return Streamed(200, {"Content-Type": "text/plain"}, write, patience=None)

    def _broken(self, request: Request) -> Streamed:
        def write(out: Writer) -> None:
            out.write(b"half")
            raise ValueError("a mistake in the middle")

        return Streamed(200, None, write)

    def _attach(self, request: Request) -> Takeover:
        """After HTTP: lines in upper case, and how much it was when the client has ended."""
        asked = request.body.whole(MOST) if "body" in request.query else b""

        def take(sock: socket.socket, early: bytes) -> None:
            with sock:
                sock.sendall(asked)
                shout(sock, early)

        return Takeover(take, {"Content-Type": "application/vnd.docker.raw-stream"})

    def _handed(self, request: Request) -> Takeover:
        """The same, in another thread."""

        def take(sock: socket.socket, early: bytes) -> None:
            threading.Thread(target=shout, args=(sock, early), daemon=True).start()

        return Takeover(take)

    def _greet(self, request: Request) -> Takeover:
        """After HTTP the service speaks, and goes."""

        def take(sock: socket.socket, early: bytes) -> None:
            with sock:
                sock.sendall(b"and no HTTP any more\n")

        return Takeover(take)

    def _mistaken(self, request: Request) -> Takeover:
        def take(sock: socket.socket, early: bytes) -> None:
            raise ValueError("a mistake at the end")

        return Takeover(take)


def shout(sock: socket.socket, early: bytes) -> None:
    """Send what comes in upper case, and at its end how much it was."""
    count = 0
    while data := early or sock.recv(1 << 16):
        early = b""
        count += len(data)
        sock.sendall(data.upper())
    sock.sendall(f"{count} bytes".encode())


def fork_for_each(listener: socket.socket, service: Echo) -> None:
    """A front end that has a process for each connection, and no thread at all."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them (wait(2))
    while True:
        connection, _ = listener.accept()
        with connection:
            if not os.fork():
                listener.close()
                serve_connection(connection, service, Client(connection))
                os._exit(0)


def main(kind: str, *where: str) -> None:
    service = Echo(lambda line: print(line, flush=True))
    if kind in ("unix", "fork"):
        with listeners.unix(where[0]) as listener:
            if kind == "fork":
                print(where[0], flush=True)
                fork_for_each(listener, service)
            if where[1:]:
                server.MOST, server.SHARE = int(where[1]), int(where[2])
            Server(service, [listener]).run(lambda: print(where[0], flush=True))
    elif kind == "systemd":
        handed = listeners.handed_over(os.environ)
        left = sorted(name for name in os.environ if name.startswith("LISTEN_"))
        named = " ".join(f"{name}={one.fileno()}" for name, one in handed)
        inherited = [name for name, one in handed if os.get_inheritable(one.fileno())]
        said = f"{named} {left} {inherited}"
        Server(service, [one for _, one in handed]).run(lambda: print(said, flush=True))
    else:
        listener = listeners.tcp("127.0.0.1" if kind == "tls" else where[0], 0)
        port = listener.getsockname()[1]
        made = tls.context(*where) if kind == "tls" else None
        Server(service, [listener], made).run(lambda: print(port, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
