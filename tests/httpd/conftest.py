"""What the tests of httpd share: a connection to the echo service, and the service as a program."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]  # for the helpers beside this file

from echo import Echo  # noqa: E402 - found through the path set above

from rootless.httpd.connection import serve_connection  # noqa: E402 - the same
from rootless.httpd.peers import Client  # noqa: E402 - the same


class Talk:
    """A connection whose other end is served by a thread of this process."""

    def __init__(self, *, tcp: bool = False) -> None:
        self.said: list[str] = []
        self.service = Echo(self.said.append)
        if tcp:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                self.sock = socket.create_connection(listener.getsockname())
                theirs, _ = listener.accept()
        else:
            self.sock, theirs = socket.socketpair()
        self.sock.settimeout(20)
        self.to_close: bool | None = None
        """What serve_connection has returned."""
        self._thread = threading.Thread(target=self._serve, args=(theirs,))
        self._thread.start()

    def _serve(self, theirs: socket.socket) -> None:
        self.to_close = serve_connection(theirs, self.service, Client(theirs))
        if self.to_close:
            theirs.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def until(self, end: bytes) -> bytes:
        """Read until something comes, or to the end."""
        got = b""
        while not got.endswith(end) and (data := self.sock.recv(1)):
            got += data
        return got

    def rest(self) -> bytes:
        """Read to the end, and close."""
        with self.sock:
            return b"".join(iter(lambda: self.sock.recv(1 << 16), b""))

    def over(self) -> list[str]:
        """Wait until the service is done with the connection; what it has said."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.said

    def close(self) -> None:
        self.sock.close()
        self.over()


@pytest.fixture
def talk() -> Iterator[Callable[..., Talk]]:
    """A function that begins a connection."""
    begun: list[Talk] = []

    def begin(*, tcp: bool = False) -> Talk:
        begun.append(Talk(tcp=tcp))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


class Program:
    """echo.py, running; `where` is what it says of itself first."""

    def __init__(
        self, *arguments: str, before: tuple[str, ...] = (), pass_fds: tuple[int, ...] = ()
    ) -> None:
        line = [*before, sys.executable, str(HERE / "echo.py"), *arguments]
        self.ended = False
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, pass_fds=pass_fds, text=True)

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def stop(self) -> int:
        """End it; its exit code."""
        self.ended = True
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def program() -> Iterator[Callable[..., Program]]:
    """A function that starts echo.py."""
    started: list[Program] = []

    def start(*arguments: str, **options: Any) -> Program:
        started.append(Program(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        if not one.ended:
            one.stop()


@pytest.fixture
def place() -> Iterator[str]:
    """A directory that nobody else can write to, and with a short name (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="httpd-") as directory:
        yield directory
