"""Short exchanges with servers of the test's own, which answer byte by byte what it wants."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
from servers import self_signed

from rootless.oci.distribution import brief
from rootless.oci.distribution.http import Client, is_loopback, joined
from rootless.oci.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.once

CHUNKED = b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Canned:
    """A server that answers each request of a connection with the next of `answers`."""

    def __init__(self, *answers: bytes, certificate: str = "") -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._socket = context.wrap_socket(self._socket, server_side=True)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except ssl.SSLError:
                continue
            except OSError:
                return
            with contextlib.suppress(OSError):
                self.connections += 1
                with connection:
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        with contextlib.suppress(OSError):
            while self.answers and (request := _request(connection)):
                self.requests.append(request)
                answer = self.answers.pop(0)
                connection.sendall(answer)
                if not answer or b"close" in answer or b"no length" in answer:
                    return

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(4096)):
            return b""
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next((int(x[15:]) for x in head.split(b"\r\n") if x.startswith(b"Content-Length:")), 0)
    while len(rest) < length:
        rest += connection.recv(4096)
    return head + b"\r\n\r\n" + rest


@pytest.fixture
def canned() -> Iterator[Callable[..., Canned]]:
    servers: list[Canned] = []

    def start(*answers: bytes, certificate: str = "") -> Canned:
        servers.append(Canned(*answers, certificate=certificate))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "pause", 0.001)
    monkeypatch.setattr(brief, "ANSWER", 3)


def ask(server: Canned, method: str = "POST", body: bytes = b"") -> tuple[int, bytes]:
    client = Client()
    with client.request(f"http://{server.address}/v2/x?y=z", method=method, body=body) as response:
        return response.status, response.body(5 << 20)


def test_what_is_sent(canned: Callable[..., Canned]) -> None:
    server = canned(OK)
    client = Client()
    url = f"http://{server.address}/v2/x?y=z"
    with client.request(url, {"Authorization": "me"}, method="PUT", body=b"abc") as response:
        assert response.body(10) == b"hi"
        assert response.length == 2
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == b"abc"
    first, *fields = head.decode().split("\r\n")
    assert first == "PUT /v2/x?y=z HTTP/1.1"
    assert sorted(fields) == [
        "Accept-Encoding: identity", "Authorization: me", "Content-Length: 3",
        f"Host: {server.address}", "User-Agent: rootless",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"hi"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + OK, b"hi"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", b""),
        (CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde"),
        (CHUNKED.replace(b"chunked", b"Chunked") + b"1\r\na\r\n0\r\nX: y\r\n\r\n", b"a"),
        (b"HTTP/1.0 200 OK\r\n\r\nno length", b"no length"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it", b"all of it"),
    ],
)  # fmt: skip
def test_bodies(canned: Callable[..., Canned], answer: bytes, body: bytes) -> None:
    assert ask(canned(answer))[1] == body


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n close",
        b"HTTP/1.1 two hundred\r\n\r\n close",
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nclose",
        CHUNKED + b"close\r\n",
        CHUNKED + b"-5\r\nclose\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"close",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 200 + b"close",
    ],
)
def test_what_is_no_answer(canned: Callable[..., Canned], answer: bytes) -> None:
    """Each attempt fails in words; none hangs, none takes more than a bounded header."""
    server = canned(*[answer] * Client.attempts)
    with pytest.raises(HttpError) as caught:
        ask(server)
    assert caught.value.temporary
    assert caught.value.message.startswith(f"http://{server.address}/v2/x: ")
    assert len(server.requests) == Client.attempts


def test_an_endless_answer_is_refused(canned: Callable[..., Canned]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
    with pytest.raises(HttpError, match="longer than 4194304 bytes"):
        server = canned(head + b"x" * (5 << 20) + b"close")
        Client().request(f"http://{server.address}/", method="POST").body(4 << 20)


def test_connections_are_used_again(canned: Callable[..., Canned]) -> None:
    """And made anew where the other side has ended one."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 123\r\n\r\n"
    server = canned(OK, head, OK, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nclose", OK)
    client = Client()
    for method in ("POST", "HEAD", "POST", "POST"):
        client.request(f"http://{server.address}/", method=method).close()
    assert server.connections == 1
    client.request(f"http://{server.address}/", method="POST").close()
    assert server.connections == 2
    assert len(server.requests) == 5


def test_errors_are_told_as_before() -> None:
    with pytest.raises(HttpError) as caught:
        Client().request("http://127.0.0.1:1/v2/x?secret", method="HEAD")
    assert caught.value.message == "cannot reach http://127.0.0.1:1/v2/x: Connection refused"
    with pytest.raises(HttpError, match=r"cannot reach http://no\.invalid/: "):
        Client().request("http://no.invalid/", method="HEAD")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://r.io/v2/x?a=b", ("https", "r.io", 443, "/v2/x?a=b")),
        ("http://r.io:5000/", ("http", "r.io", 5000, "/")),
        ("http://[::1]:5000/x", ("http", "::1", 5000, "/x")),
        ("http://[::1]/x", ("http", "::1", 80, "/x")),
    ],
)
def test_usual_urls(url: str, told: tuple[str, str, int, str]) -> None:
    target = brief.target_of(url)
    assert target is not None
    assert (target.scheme, target.host, target.port, target.path) == told


@pytest.mark.parametrize(
    "url",
    [
        "http://me:pw@r.io/x", "ftp://r.io/x", "http://r.io", "http://r.io:port/", "http:///x",
        "http://r.io:99999/", "http://r.io/a b", "http://r.io/\r\nX: y", "http://r.io/#x",
        "http://r.io/\xe4", "http://r.io?x/y", "/v2/x", "http://r.io\\@evil/x", "",
        "http://[x/", "http://[]/", "http://::1/", "http://:5/",
    ],
)  # fmt: skip
def test_unusual_urls_are_left_to_others(url: str) -> None:
    assert brief.target_of(url) is None


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://else.where/u?x", "https://else.where/u?x"),
        ("/v2/u", "http://r.io/v2/u"),
        ("u?_state=1", "http://r.io/v2/u?_state=1"),
    ],
)
def test_locations(location: str, url: str) -> None:
    assert joined("http://r.io/v2/x", location) == url


def test_a_location_that_is_none() -> None:
    with pytest.raises(HttpError, match="names no URL"):
        joined("http://r.io/v2/x", "http://[x/")


def test_loopback() -> None:
    names = ("localhost", "LOCALHOST:1", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "[::1]")
    assert all(map(is_loopback, names))
    assert not any(map(is_loopback, ("r.io", "r.io:127", "localhost.evil.io", "[::2]:1", "")))


@pytest.mark.needs("openssl")
def test_tls(
    canned: Callable[..., Canned], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verified unless told otherwise; and who speaks it is told from who does not."""
    certificate = self_signed(tmp_path, "127.0.0.1")
    server = canned(OK, OK, certificate=certificate)
    port = int(server.address.rpartition(":")[2])
    url = f"https://{server.address}/"
    assert brief.speaks_tls("127.0.0.1", port) is True
    with pytest.raises(HttpError, match="certificate") as caught:
        Client().request(url, method="HEAD")
    assert caught.value.no_tls
    assert server.requests == []
    assert Client(verify=False).request(url, method="POST").body(9) == b"hi"
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    assert Client().request(url, method="POST").body(9) == b"hi"


def test_who_speaks_no_tls(canned: Callable[..., Canned]) -> None:
    answers = {b"HTTP/1.1 400 Bad Request\r\n\r\n close": False, b"what? close": None}
    for answer, told in answers.items():
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]

            def serve(answer: bytes = answer, listening: socket.socket = listening) -> None:
                connection, _ = listening.accept()
                with connection:
                    assert b"\n" in connection.recv(4096), "a server that reads lines sees none"
                    connection.sendall(answer)

            thread = threading.Thread(target=serve)
            thread.start()
            assert brief.speaks_tls("127.0.0.1", port) is told
            thread.join()
    assert brief.speaks_tls("127.0.0.1", 1) is None
