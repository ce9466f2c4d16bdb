"""A registry that answers without end, in lengths that are none, or leads to where nobody may go.

Each is an error with a name, after a bounded number of bytes, whoever of the two HTTP clients
speaks: `brief`, or urllib3 over http.client.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import resource
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from rootless.oci.distribution import brief, registry
from rootless.oci.distribution.credentials import Credentials
from rootless.oci.distribution.http import Client, joined
from rootless.oci.distribution.registry import Repository
from rootless.oci.distribution.upload import Whole, bring
from rootless.oci.errors import HttpError, RegistryError, Unauthorized
from rootless.oci.reference import parse
from tests.oci.servers import Answer, Server, self_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.once

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MOST = 64 << 20
"""Bytes that a test sends before it takes an answer for endless."""

DIGEST = "sha256:" + "0" * 64
SECRET = Credentials("me", "secret")


class Endless:
    """A server that sends pieces to whoever comes, until he goes; `sent` is the most to one."""

    def __init__(self, pieces: Callable[[], Iterable[bytes]]) -> None:
        self._pieces = pieces
        self.sent = self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection, contextlib.suppress(OSError):
                connection.settimeout(30)
                hello = connection.recv(65536)
                if hello[:1] == b"\x16":  # whoever tries TLS first
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    continue
                sent = 0
                for piece in self._pieces():
                    connection.sendall(piece)
                    sent += len(piece)
                    self.sent = max(self.sent, sent)
                    if sent > MOST:
                        break

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def endless() -> Iterator[Callable[..., Endless]]:
    servers: list[Endless] = []

    def start(*pieces: bytes, again: bytes = b"") -> Endless:
        """A server of `pieces`, and then of `again` without end."""
        tail = itertools.repeat(again * 100) if again else ()
        servers.append(Endless(lambda: itertools.chain(pieces, tail)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(answer: Callable[[str, dict[str, str]], Answer], certificate: str = "") -> Server:
        servers.append(Server(answer, certificate=certificate))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "pause", 0.001)


def ask(address: str, method: str) -> bytes:
    with Client().request(f"http://{address}/v2/x", method=method) as response:
        return response.body(1 << 20)


# -- answers without end, and lengths that are none

ENDLESS = {
    "provisional": ((), b"HTTP/1.1 100 Continue\r\n\r\n", "provisional answers without end"),
    "early hints": ((), b"HTTP/1.1 100 Continue\r\nLink: x\r\n\r\n", "provisional answers"),
    "headers": ((HEAD,), b"X-Y: z\r\n", "header|got more than 100 headers"),
    "one header": ((HEAD, b"X: "), b"x" * 1000, "header"),
    "status": ((b"HTTP/1.1 200 ",), b"x" * 1000, "header|status line|Status line|status_line"),
    "negative chunk": ((CHUNKED, b"-5\r\n"), b"x" * 1000, "a chunk has no length"),
    "chunk line": ((CHUNKED,), b"1" * 1000, "a chunk has no length|breaks off"),
    "body": ((HEAD, b"\r\n"), b"x" * 1000, "longer than 1048576 bytes"),
    "chunks": ((CHUNKED,), b"30\r\n" + b"x" * 48 + b"\r\n", "longer than 1048576 bytes"),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("kind", ENDLESS)
def test_an_answer_without_end_is_an_error(
    endless: Callable[..., Endless], kind: str, method: str
) -> None:
    first, again, words = ENDLESS[kind]
    server = endless(*first, again=again)
    with pytest.raises(HttpError, match=words) as caught:
        ask(server.address, method)
    assert server.address in caught.value.message
    assert server.sent < MOST, "it read all that was sent"
    assert server.connections <= Client.attempts


def test_trailers_without_end(endless: Callable[..., Endless]) -> None:
    """The body is here by then: whether that is an error is the client's, not the server's end."""
    server = endless(CHUNKED, b"2\r\nhi\r\n0\r\n", again=b"A: b\r\n")
    assert ask(server.address, "POST") == b"hi"
    with pytest.raises(HttpError, match="trailers do not end"):
        ask(server.address, "GET")
    assert server.sent < MOST


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "fields",
    [
        "Content-Length: -2",
        "Content-Length: +2",
        "Content-Length: 0x2",
        "Content-Length: 0_2",
        "Content-Length: 2, 2",
        "Content-Length: 2 2",
        "Content-Length: \N{SUPERSCRIPT TWO}",
        "Content-Length: " + "2" * 5000,
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 2",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
    ],
)
def test_a_length_that_can_be_read_in_two_ways(
    endless: Callable[..., Endless], fields: str, method: str
) -> None:
    """RFC 9112, 6.3 and 11.2: int() takes signs, underscores and much else that is no length."""
    server = endless(HEAD + fields.encode("latin-1") + b"\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    with pytest.raises(HttpError, match=r"Content-Length|in two ways|Content-Length contained"):
        ask(server.address, method)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("length", ["+2", "0x2", "1_0", "-0", "\N{SUPERSCRIPT TWO}", "", "1" * 40])
def test_chunks_whose_length_only_int_takes(
    endless: Callable[..., Endless], length: str, method: str
) -> None:
    server = endless(CHUNKED + length.encode("latin-1") + b"\r\nhi\r\n0\r\n\r\n")
    with pytest.raises(HttpError, match="a chunk has no length"):
        ask(server.address, method)


def test_a_pull_from_an_endless_registry(cli: Store, endless: Callable[..., Endless]) -> None:
    """The whole command: an error in one line, in bounded memory, and nothing is left."""
    bound = (1 << 30, 1 << 30)
    for first, again in (((), b"HTTP/1.1 100 Continue\r\n\r\n"), ((CHUNKED, b"-5\r\n"), b"x")):
        server = endless(*first, again=again)
        done = cli(
            "pull", "-q", "--tls-verify=false", f"{server.address}/x:1",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, bound),
        )  # fmt: skip
        assert done.returncode == 1
        assert done.stderr.count("\n") <= 2
        assert "Traceback" not in done.stderr
        assert server.address in done.stderr
    assert cli.ok("images", "-aq") == ""


# -- lists without end


def repository(server: Server) -> Repository:
    return Repository(parse(f"{server.address}/x"), credentials=SECRET)


LISTS: dict[str, tuple[str, Callable[[Repository], object]]] = {
    "tags": ("tags", lambda there: list(there.tags())),
    "catalogue": ("repositories", lambda there: list(there.catalogue())),
    "referrers": ("manifests", lambda there: there.referrers(DIGEST)),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_whose_link_leads_to_itself(serve: Callable[..., Server], kind: str) -> None:
    key, ask_for = LISTS[kind]

    def answer(path: str, _: dict[str, str]) -> Answer:
        return 200, {"Link": '</v2/x?last=a>; rel="next"'}, json.dumps({key: ["a"]}).encode()

    server = serve(answer)
    with pytest.raises(RegistryError, match=f"{server.address} lists .* without end"):
        ask_for(repository(server))
    assert len(server.seen) == 2


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_pages_without_end(
    serve: Callable[..., Server], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_PAGES", 10)
    key, ask_for = LISTS[kind]
    count = itertools.count()

    def answer(path: str, _: dict[str, str]) -> Answer:
        number = next(count)
        link = {"Link": f'</v2/x?last={number}>; rel="next"'}
        return 200, link, json.dumps({key: [f"a{number}"]}).encode()

    server = serve(answer)
    with pytest.raises(RegistryError, match="without end"):
        ask_for(repository(server))
    assert len(server.seen) == 10


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_large_pages_is_bounded_in_bytes(serve: Callable[..., Server], kind: str) -> None:
    key, ask_for = LISTS[kind]
    page = json.dumps({key: ["x" * (3 << 20)]}).encode()
    count = itertools.count()

    def answer(path: str, _: dict[str, str]) -> Answer:
        return 200, {"Link": f'</v2/x?last={next(count)}>; rel="next"'}, page

    server = serve(answer)
    with pytest.raises(RegistryError, match="without end"):
        ask_for(repository(server))
    assert len(server.seen) * len(page) < registry.MAX_LISTED + 2 * len(page)


def test_redirects_and_tokens_without_end(serve: Callable[..., Server]) -> None:
    count = itertools.count()

    def answer(path: str, headers: dict[str, str]) -> Answer:
        if path.startswith("/token"):
            return 200, {"Content-Length": str(1 << 30)}, b'{"token": "' + b"x" * (5 << 20)
        if path.startswith("/v2/x/manifests/1"):
            realm = f'Bearer realm="http://{server.address}/token",service="x"'
            return 401, {"WWW-Authenticate": realm}, b""
        return 307, {"Location": f"/v2/x/manifests/r{next(count)}"}, b""

    server = serve(answer)
    with pytest.raises(RegistryError, match="longer than 1048576 bytes"):
        repository(server).manifest("1")
    server.seen.clear()
    with pytest.raises(RegistryError, match="more than 5 redirects"):
        repository(server).manifest("2")
    assert len(server.seen) == 6


# -- what is sent, and where to


class Plain:
    """A listener without TLS on the same machine, which hears what is sent in clear."""

    def __init__(self, serve: Callable[..., Server]) -> None:
        self.server = serve(lambda path, headers: (401, {}, b""))
        self.url = f"http://{self.server.address}"


@pytest.fixture
def plain(serve: Callable[..., Server]) -> Plain:
    return Plain(serve)


def leading(serve: Callable[..., Server], kind: str, where: str, pem: str) -> Server:
    """A registry with TLS that leads to `where`, "" for itself by http, in one of its headers."""

    def answer(path: str, headers: dict[str, str]) -> Answer:
        there = where or f"http://{server.address}"
        if "authorization" not in headers:
            realm = f"{there}/token" if kind == "realm" else "x"
            scheme = "Bearer" if kind == "realm" else "Basic"
            return 401, {"WWW-Authenticate": f'{scheme} realm="{realm}"'}, b""
        if kind == "upload" and path.endswith("/blobs/uploads/"):
            return 202, {"Location": f"{there}{path}1"}, b""
        if kind == "upload on the way" and "/blobs/uploads/" in path:
            begun = path.endswith("/blobs/uploads/")
            return 202, {"Location": f"{path}1" if begun else f"{there}{path}2"}, b""
        if kind == "redirect":
            return 307, {"Location": f"{there}{path}"}, b""
        return 404, {}, b""

    server = serve(answer, pem)
    return server


@pytest.mark.parametrize("kind", ["upload", "upload on the way", "redirect", "realm"])
def test_nothing_is_sent_to_a_weaker_scheme(
    serve: Callable[..., Server], plain: Plain, tmp_path: Path, kind: str
) -> None:
    """A registry with TLS that leads to http, as one behind a careless proxy does: passwords and
    images would cross the network in clear. Also to the same host and port, which count for TLS."""
    pem = self_signed(tmp_path, "127.0.0.1")
    for where in (plain.url, plain.url.upper().replace("HTTP", "Http"), ""):
        server = leading(serve, kind, where, pem)
        there = Repository(parse(f"{server.address}/x"), tls_verify=False, credentials=SECRET)
        content = Whole(DIGEST, 1 << 20, lambda start: iter([b"x" * (1 << 20)]))
        with pytest.raises(RegistryError, match=r"not https|without TLS"):
            bring(there, content, "")
    assert plain.server.seen == []


def test_locations_keep_to_tls() -> None:
    for location in ("http://r.io/u", "HTTP://r.io/u", "ftp://r.io/u", "//[x", "http:///u"):
        with pytest.raises(HttpError):
            joined("https://r.io/v2/x", location)
    assert joined("https://r.io/v2/x", "https://else.io/u") == "https://else.io/u"
    assert joined("https://r.io/v2/x", "//else.io/u") == "https://else.io/u"
    assert joined("http://localhost/v2/x", "http://else.io/u") == "http://else.io/u"


def test_the_next_page_is_asked_of_the_registry(serve: Callable[..., Server], plain: Plain) -> None:
    """Whatever host a Link names (RFC 8288): only what is behind its ? counts."""

    def answer(path: str, _: dict[str, str]) -> Answer:
        more = "last=a" not in path
        link = {"Link": f'<{plain.url}/v2/x/tags/list?last=a>; rel="next"'} if more else {}
        return 200, link, json.dumps({"tags": ["a" if more else "b"]}).encode()

    server = serve(answer)
    assert list(repository(server).tags()) == ["a", "b"]
    assert plain.server.seen == []


@pytest.mark.parametrize("status", [307, 308])
def test_a_refresh_token_follows_no_redirect(serve: Callable[..., Server], status: int) -> None:
    """With OAuth 2 it is in the body, which 307 and 308 send along."""
    thief = serve(lambda path, headers: (200, {}, b'{"token": "x"}'))

    def answer(path: str, headers: dict[str, str]) -> Answer:
        if path.startswith("/token"):
            return status, {"Location": f"http://{thief.address}/token"}, b""
        realm = f'Bearer realm="http://{server.address}/token",service="x"'
        return 401, {"WWW-Authenticate": realm}, b""

    server = serve(answer)
    there = Repository(
        parse(f"{server.address}/x"), credentials=Credentials("", "", "identity-token")
    )
    with pytest.raises(RegistryError, match="not to have the password"):
        there.manifest("1")
    assert thief.seen == []


def test_who_is_redirected_to_may_not_ask_for_the_password(serve: Callable[..., Server]) -> None:
    """A storage service that a blob is redirected to answers with a challenge of its own."""

    def steal(path: str, headers: dict[str, str]) -> Answer:
        if path.startswith("/token"):
            return 200, {}, b'{"token": "x"}'
        realm = f'Bearer realm="http://{thief.address}/token",service="x"'
        return 401, {"WWW-Authenticate": realm}, b""

    thief = serve(steal)
    server = serve(lambda path, headers: (307, {"Location": f"http://{thief.address}{path}"}, b""))
    with pytest.raises(Unauthorized):
        repository(server).blob(DIGEST)
    assert [path for path, headers in thief.seen if "authorization" in headers] == []
    assert not any(path.startswith("/token") for path, _ in thief.seen)


def test_numbers_are_digits_alone() -> None:
    good = {"0": 0, "007": 7, "9" * 18: 10**18 - 1}
    assert {text: brief.number(text) for text in good} == good
    for bad in ("", "-1", "+1", "1_0", " 1", "1 ", "0x1", "1e3", "1" * 19, "\u0661", "\u00b2"):
        assert brief.number(bad) == -1, bad
