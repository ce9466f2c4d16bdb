"""The content of a blob over a bad line: what breaks off goes on, and what lies is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from archives import digest
from servers import Server

from rootless.oci import reference
from rootless.oci.distribution.http import Client
from rootless.oci.distribution.registry import Repository
from rootless.oci.distribution.remote import Download
from rootless.oci.errors import HttpError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from servers import Answer

pytestmark = pytest.mark.once

CONTENT = os.urandom(500_000)
HALF = len(CONTENT) // 2


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """A function that starts a registry, which answers a request for a blob from some byte on."""
    monkeypatch.setattr(Client, "pause", 0.001)
    servers: list[Server] = []

    def begin(answer: Callable[[int], Answer]) -> Server:
        def whole(path: str, headers: dict[str, str]) -> Answer:
            first = headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-")
            return answer(int(first))

        servers.append(Server(whole))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


def part(first: int, end: int = len(CONTENT), length: int = -1) -> Answer:
    """The content from `first` on, cut off at `end`."""
    said = f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}"
    size = len(CONTENT) - first if length < 0 else length
    headers = {"Content-Length": str(size), "Content-Range": said}
    return 206 if first else 200, headers, CONTENT[first:end]


def download(server: Server, start: int = 0, size: int = len(CONTENT)) -> Download:
    repository = Repository(reference.parse(f"{server.address}/a/b"))
    return Download(repository, digest(CONTENT), size, start)


def content(stream: Download) -> bytes:
    try:
        return b"".join(iter(lambda: stream.read(70_000), b""))
    finally:
        stream.close()


def ranges(server: Server) -> list[str]:
    return [headers.get("range", "") for _, headers in server.seen]


def test_it_goes_on_where_it_broke_off(start: Callable[..., Server]) -> None:
    server = start(lambda first: part(first) if first else part(0, HALF))
    assert content(download(server)) == CONTENT
    assert ranges(server) == ["", f"bytes={HALF}-"]


def test_it_begins_where_it_is_told_to(start: Callable[..., Server]) -> None:
    server = start(part)
    assert content(download(server, 1000)) == CONTENT[1000:]
    assert content(download(server, len(CONTENT))) == b""
    assert ranges(server) == ["bytes=1000-"], "nothing was left to be asked for"


def test_a_registry_without_ranges_sends_all_again(start: Callable[..., Server]) -> None:
    ends = iter([HALF, len(CONTENT)])
    server = start(lambda first: part(0, next(ends)))
    assert content(download(server)) == CONTENT
    assert ranges(server) == ["", f"bytes={HALF}-"]


def test_without_progress_it_gives_up(start: Callable[..., Server]) -> None:
    server = start(lambda first: part(first, max(first, HALF)))
    stream = download(server)
    with pytest.raises(HttpError) as caught:
        content(stream)
    assert caught.value.temporary
    assert len(server.seen) == Client.attempts


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (lambda first: part(0, length=HALF), "bytes at the registry, not"),
        (lambda first: part(0, HALF) if not first else part(HALF + 1), "another part"),
        (lambda first: (200, {}, CONTENT + b"x"), "bytes at the registry, not"),
        (lambda first: (404, {}, b""), "status 404"),
    ],
)
def test_lies_are_told(start: Callable[..., Server], answer: object, match: str) -> None:
    stream = download(start(answer))
    with pytest.raises(RegistryError, match=match):
        content(stream)


def test_giving_up_is_harmless_at_any_time(start: Callable[..., Server]) -> None:
    stream = download(start(part))
    stream.abort()
    assert stream.read(10) == CONTENT[:10]
    while stream.read(100_000):  # the last byte gives the connection back
        pass
    stream.abort()
    stream.close()
    stream.abort()
    whole = Repository(reference.parse(f"{start(part).address}/a/b")).blob(digest(CONTENT))
    assert whole.body(len(CONTENT)) == CONTENT
    whole.abort()  # another thread may do so just then
    cut = download(start(lambda first: part(first, HALF)))
    cut.read(10)
    cut.abort()
    with pytest.raises(HttpError):
        content(cut)
