"""Heads and bodies, read from bytes: tables."""

from __future__ import annotations

import socket

import pytest

from rootless.httpd.errors import Gone, Refusal
from rootless.httpd.peers import Client
from rootless.httpd.request import MAX_FIELDS, MAX_QUERY, Request
from rootless.httpd.stream import MAX_HEAD, MAX_LINE, Stream


def parsed(data: bytes, *, sent: list[bytes] | None = None, limit: int = 1000) -> Request:
    """The request in some bytes, after which the client ends; its body is read into `whole`."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        stream = Stream(theirs)
        stream.wait()
        request = Request(stream, stream.head(), Client(theirs))
        request.whole = request.body.whole(limit)  # type: ignore[attr-defined]
        request.after = stream.rest()  # type: ignore[attr-defined]
        theirs.shutdown(socket.SHUT_WR)
        if sent is not None:
            sent.append(ours.recv(1000))
        return request


@pytest.mark.parametrize(
    ("line", "method", "path", "query"),
    [
        ("GET / HTTP/1.1", "GET", "/", {}),
        ("GET /a%20b/%C3%A9?x=1&y= HTTP/1.1", "GET", "/a b/é", {"x": "1", "y": ""}),
        ("GET /a?x=a+b%26&x=2 HTTP/1.1", "GET", "/a", {"x": "2"}),
        ("DELETE //host/a HTTP/1.1", "DELETE", "//host/a", {}),
        ("GET /a:b@c/?d=//e?f#g?h HTTP/1.1", "GET", "/a:b@c/", {"d": "//e?f"}),
        ("GET http://host/a/b?c=d HTTP/1.1", "GET", "/a/b", {"c": "d"}),
        ("OPTIONS * HTTP/1.1", "OPTIONS", "*", {}),
        ("X-ODD! /a#part HTTP/1.0", "X-ODD!", "/a", {}),
    ],
)
def test_targets(line: str, method: str, path: str, query: dict[str, str]) -> None:
    found = parsed(f"{line}\r\n\r\n".encode())
    assert (found.method, found.path, found.query) == (method, path, query)


@pytest.mark.parametrize(
    ("version", "fields", "keep", "upgrade"),
    [
        ("1.1", "", True, ""),
        ("1.1", "Connection: close\r\n", False, ""),
        ("1.1", "Connection: Keep-Alive, Close\r\n", False, ""),
        ("1.0", "", False, ""),
        ("1.0", "Connection: keep-alive\r\n", False, ""),
        ("1.1", "Connection: Upgrade\r\nUpgrade: TCP\r\n", True, "tcp"),
        ("1.1", "Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: h2c\r\n", True, "h2c"),
        ("1.1", "Upgrade: tcp\r\n", True, ""),
        ("1.1", "Connection: Upgrade\r\n", True, ""),
        ("1.0", "Connection: Upgrade\r\nUpgrade: tcp\r\n", False, ""),
    ],
)
def test_what_is_to_become_of_the_connection(
    version: str, fields: str, keep: bool, upgrade: str
) -> None:
    found = parsed(f"GET / HTTP/{version}\r\n{fields}\r\n".encode())
    assert (found.keep, found.upgrade, found.http_1_0) == (keep, upgrade, version == "1.0")


def test_fields() -> None:
    head = b"GET / HTTP/1.1\r\nA:b\r\nACCEPT: x\r\nAccept:  y \r\nEmpty:\r\nLatin: \xe9\r\n\r\n"
    assert parsed(head).headers == {"a": "b", "accept": "x, y", "empty": "", "latin": "é"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("", False),
        ("Sec-Fetch-Site: none\r\n", False),
        ("Sec-Fetch-Site: same-origin\r\n", True),
        ("Origin: null\r\n", True),
    ],
)
def test_whether_a_web_page_asks(fields: str, expected: bool) -> None:
    assert parsed(f"GET / HTTP/1.1\r\n{fields}\r\n".encode()).from_web_page is expected


def fields(count: int) -> bytes:
    return b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * count + b"\r\n"


def query(count: int) -> bytes:
    return b"GET /?" + b"&".join([b"a=b"] * count) + b" HTTP/1.1\r\n\r\n"


def long(size: int) -> bytes:
    head = b"GET / HTTP/1.1\r\nA: "
    return head + b"x" * (size - len(head)) + b"\r\n\r\n"


@pytest.mark.parametrize("data", [fields(MAX_FIELDS), query(MAX_QUERY), long(MAX_HEAD)])
def test_as_much_as_is_taken(data: bytes) -> None:
    assert parsed(data).path == "/"


POST = "POST / HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"GET  HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\n\r\n", 400),
        (b"GET / http/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"G(T / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\xe9 HTTP/1.1\r\n\r\n", 400),
        (b"GET /a\nb HTTP/1.1\r\n\r\n", 400),
        (b"GET /a\rb HTTP/1.1\r\n\r\n", 400),
        (b"GET /%ff HTTP/1.1\r\n\r\n", 400),
        (b"GET http://[/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA b: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA : c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\nB: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\rB: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (fields(MAX_FIELDS + 1), 400),
        (query(MAX_QUERY + 1), 400),
        (long(MAX_HEAD + 1), 431),
        (b"GET /" + b"x" * (MAX_HEAD + 1), 431),
        (f"{POST}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx".encode(), 400),
        (f"{POST}Content-Length: 1, 1\r\n\r\nx".encode(), 400),
        (f"{POST}Content-Length: -1\r\n\r\n".encode(), 400),
        (f"{POST}Content-Length: +1\r\n\r\nx".encode(), 400),
        (f"{POST}Content-Length: 0x1\r\n\r\nx".encode(), 400),
        (f"{POST}Content-Length: \xb2\r\n\r\nxx".encode("latin-1"), 400),
        (f"{POST}Content-Length: \xa01\r\n\r\nx".encode("latin-1"), 400),
        (f"{POST}Transfer-Encoding: chunked\x85\r\n\r\n0\r\n\r\n".encode("latin-1"), 400),
        (f"{POST}Content-Length: {'9' * 19}\r\n\r\n".encode(), 400),
        (f"{POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode(), 400),
        (f"{POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".encode(), 400),
        (f"{POST}Transfer-Encoding: identity\r\n\r\n".encode(), 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (f"{POST}Content-Length: 1001\r\n\r\n{'x' * 1001}".encode(), 413),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        parsed(data)
    assert refused.value.status == status


@pytest.mark.parametrize("data", [b"", b"GET / HT", f"{POST}Content-Length: 2\r\n\r\nx".encode()])
def test_a_client_that_breaks_off(data: bytes) -> None:
    with pytest.raises(Gone):
        parsed(data)


CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("chunks", "whole", "after"),
    [
        (b"0\r\n\r\n", b"", b""),
        (b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", b"hello!", b""),
        (b"00A;name=x\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET", b"0123456789", b"GET"),
        (b"1\r\na\r\n000\r\n" + b"A: b\r\n" * (MAX_FIELDS - 1) + b"\r\n", b"a", b""),
    ],
)
def test_chunks(chunks: bytes, whole: bytes, after: bytes) -> None:
    found = parsed(CHUNKED + chunks)
    assert (found.body.length, found.body.finished) == (-1, True)
    assert vars(found)["whole"] == whole
    assert vars(found)["after"] == after


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        (b"5\r\nhello world\r\n0\r\n\r\n", 400),
        (b"\r\n", 400),
        (b"zz\r\n", 400),
        (b"-5\r\n", 400),
        (b"0x5\r\n", 400),
        (b"5_0\r\n", 400),
        (b"5\n\r\nhello\r\n0\r\n\r\n", 400),
        (b"\x0b5\r\nhello\r\n0\r\n\r\n", 400),
        (b"5;\n9\r\nhello\r\n0\r\n\r\n", 400),
        (b"0\r\nA: b\n\nGET / HTTP/1.1\r\n\r\n", 400),
        (b"f" * 16 + b"\r\n", 400),
        (b"1;" + b"x" * MAX_LINE, 400),
        (b"0\r\n" + b"A: b\r\n" * (MAX_FIELDS + 1), 400),
        (b"3e9\r\n" + b"x" * 1001, 413),
    ],
)
def test_chunks_that_are_none(chunks: bytes, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        parsed(CHUNKED + chunks)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("version", "length", "leave"),
    [("1.1", 2, b"HTTP/1.1 100 Continue\r\n\r\n"), ("1.1", 0, b""), ("1.0", 2, b"")],
)
def test_leave_to_send(version: str, length: int, leave: bytes) -> None:
    """RFC 9110, 10.1.1: once the body is wanted, and to no client of HTTP/1.0."""
    head = f"POST / HTTP/{version}\r\nExpect: 100-Continue\r\nContent-Length: {length}\r\n\r\n"
    sent: list[bytes] = []
    parsed(head.encode() + b"x" * length, sent=sent)
    assert sent == [leave]
