"""One connection from its first request to its end: answers, streams, takeovers."""

from __future__ import annotations

import http.client
import io
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from rootless.httpd import answer, stream
from rootless.httpd.answer import Answer, Framing, Streamed, Writer
from rootless.httpd.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Talk

HELLO = b"GET /hello HTTP/1.1\r\n\r\n"
LAST = b"GET /hello HTTP/1.1\r\nConnection: close\r\n\r\n"


def answers(data: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Status, fields and body of all answers in some bytes."""
    found = []
    file = io.BytesIO(data)
    while line := file.readline():
        assert line.startswith(b"HTTP/1.1 ")
        fields = {k.lower(): v for k, v in http.client.parse_headers(file).items()}
        body = b""
        if "chunked" in fields.get("transfer-encoding", ""):
            while size := int(file.readline(), 16):
                body += file.read(size)
                assert file.readline() == b"\r\n"
            assert file.readline() == b"\r\n"
        else:
            body = file.read(int(fields["content-length"]))
        found.append((int(line.split()[1]), fields, body))
    return found


# -- requests one after the other


def test_requests_that_are_sent_at_once_are_answered_in_turn(talk: Callable[..., Talk]) -> None:
    one = talk()
    body = b"POST /whole HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
    one.send(HELLO * 2 + body + LAST + HELLO)
    got = answers(one.rest())
    assert [(status, text) for status, _, text in got] == [
        (200, b"hello"),
        (200, b"hello"),
        (200, b"body"),
        (200, b"hello"),
    ]
    assert [fields.get("connection") for _, fields, _ in got] == [None, None, None, "close"]
    assert {fields["server"] for _, fields, _ in got} == {"echo"}
    assert all("date" in fields for _, fields, _ in got)
    assert one.over() == ["unix GET /hello 200"] * 2 + [
        "unix POST /whole 200",
        "unix GET /hello 200",
    ]
    assert one.to_close is True


@pytest.mark.parametrize(
    ("path", "fields"),
    [("hello", {"content-length": "5"}), ("events", {"transfer-encoding": "chunked"})],
)
def test_head_has_no_body(talk: Callable[..., Talk], path: str, fields: dict[str, str]) -> None:
    one = talk()
    one.send(f"HEAD /{path} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
    head, _, body = one.rest().partition(b"\r\n\r\n")
    assert body == b""
    for name, value in fields.items():
        assert f"\r\n{name}: {value}\r\n".encode() in head.lower() + b"\r\n"


def head_of(reply: Answer | Streamed, headers: dict[str, str] | None = None) -> list[str]:
    """The lines of what a client gets, without the date."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            reply.send(Stream(theirs), Framing(headers or {}, keep=True))
        got = b"".join(iter(lambda: ours.recv(1000), b"")).decode()
    return [line for line in got.split("\r\n") if not line.startswith("Date: ")]


def nothing(out: Writer) -> None:
    """A stream of nothing."""


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Answer(200, {"content-type": "a/b", "content-LENGTH": "7"}, b"x"), "Content-Length: 1"),
        (Streamed(200, {"content-length": "7"}, nothing), "Transfer-Encoding: chunked"),
    ],
)
def test_no_field_stands_twice(reply: Answer | Streamed, expected: str) -> None:
    """In capitals or not; where a body ends is not for a service to say."""
    lines = head_of(reply, {"Content-Type": "x/y"})
    names = [line.partition(":")[0].lower() for line in lines if ":" in line]
    assert len(names) == len(set(names))
    assert expected in lines
    assert not {"content-length", "transfer-encoding"} <= set(names)


@pytest.mark.parametrize("status", [204, 304])
def test_what_has_no_body_ends_with_its_head(status: int) -> None:
    """Or the body would be taken for the next answer."""
    lines = head_of(Answer(status, None, b"HTTP/1.1 200 OK"))
    assert lines[0].startswith(f"HTTP/1.1 {status} ")
    assert lines[1:] == ["", ""]


def test_a_status_without_a_name() -> None:
    assert head_of(Answer(599, None, b"x")) == ["HTTP/1.1 599 ", "Content-Length: 1", "", "x"]


def test_no_content(talk: Callable[..., Talk]) -> None:
    """And what a service says of itself becomes no field of its own."""
    one = talk()
    one.send(b"GET /none HTTP/1.1\r\nConnection: close\r\n\r\n")
    answer = one.rest()
    assert answer.startswith(b"HTTP/1.1 204 ")
    assert b"Content-Length" not in answer
    assert b"X-Odd: aSet-Cookie: b\r\n" in answer


def test_refusals_and_mistakes_are_the_services_words(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.send(b"GET /x HTTP/1.1\r\n\r\nGET /fail HTTP/1.1\r\n\r\n" + HELLO + b"GET / x\r\n\r\n")
    refused, failed, hello, malformed = answers(one.rest())
    assert (refused[0], refused[1]["x-why"], refused[2]) == (404, "path", b"nothing at /x")
    assert (failed[0], failed[2]) == (500, b"failed")
    assert hello[0] == 200
    assert (malformed[0], malformed[1]["connection"]) == (400, "close")
    assert "failed ValueError('a mistake')" in one.over()


def test_a_part_of_a_file(talk: Callable[..., Talk], tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "file").write_bytes(data)
    one = talk()
    one.send(f"GET /file?path={tmp_path}/file&offset=1000 HTTP/1.0\r\n\r\n".encode())
    assert one.rest().partition(b"\r\n\r\n")[2] == data[1000:]


@pytest.mark.parametrize(
    ("fields", "body", "kept"),
    [
        ("Content-Length: 5\r\n", b"GET /", True),
        ("Content-Length: 5\r\nExpect: 100-continue\r\n", b"", False),
        ("Content-Length: 3000000\r\n", b"", False),
        ("Transfer-Encoding: chunked\r\n", b"5\r\nGET /\r\n0\r\n\r\n", False),
    ],
)
def test_a_body_that_nobody_reads(
    talk: Callable[..., Talk], fields: str, body: bytes, kept: bool
) -> None:
    """What is short is read over, and never taken for a request; else the connection ends."""
    one = talk()
    one.send(f"POST /unread HTTP/1.1\r\n{fields}\r\n".encode() + body + LAST)
    got = answers(one.rest())
    assert [text for _, _, text in got] == ([b"unread", b"hello"] if kept else [b"unread"])
    assert got[-1][1]["connection"] == "close"


def test_leave_to_send_comes_when_the_body_is_wanted(talk: Callable[..., Talk]) -> None:
    head = "HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    for path in ("whole", "echo"):
        one = talk()
        one.send(f"POST /{path} {head}".encode())
        assert one.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        one.send(b"body")
        assert [(got[0], got[2]) for got in answers(one.rest())] == [(200, b"body")]


# -- answers that stream


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def test_a_body_and_an_answer_that_stream_both_ways(talk: Callable[..., Talk]) -> None:
    """Each piece is there before the next is sent."""
    one = talk()
    one.send(b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert b"\r\nTransfer-Encoding: chunked\r\n" in one.until(b"\r\n\r\n")
    for number in range(20):
        data = f"piece {number}".encode()
        one.send(chunk(data))
        assert one.until(chunk(data)) == chunk(data)
    one.send(b"0\r\n\r\n")
    assert one.rest() == b"0\r\n\r\n"


def test_a_connection_goes_on_after_a_stream(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.send(b"POST /echo HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody" + LAST)
    assert [text for _, _, text in answers(one.rest())] == [b"body", b"hello"]


def test_a_large_stream(talk: Callable[..., Talk]) -> None:
    data = os.urandom(2 << 20)
    one = talk()
    head = f"POST /echo HTTP/1.1\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    thread = threading.Thread(target=one.send, args=(head.encode() + data,))
    thread.start()
    assert answers(one.rest())[0][2] == data
    thread.join()


def test_a_client_of_http_1_0_reads_until_the_end(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.send(b"POST /echo HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody")
    head, _, body = one.rest().partition(b"\r\n\r\n")
    assert body == b"body"
    assert b"Transfer-Encoding" not in head
    assert b"\r\nConnection: close" in head


def test_a_stream_that_breaks_off_is_not_whole(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.send(b"GET /broken HTTP/1.1\r\n\r\n" + HELLO)
    assert one.rest().partition(b"\r\n\r\n")[2] == chunk(b"half")
    assert one.over() == ["failed ValueError('a mistake in the middle')"]


@pytest.mark.parametrize("tcp", [False, True])
def test_a_client_that_goes_ends_a_stream_of_events(talk: Callable[..., Talk], tcp: bool) -> None:
    """Though there are none, and nothing is written."""
    reading, writing = os.pipe()
    try:
        one = talk(tcp=tcp)
        one.service.wakes = reading
        one.send(b"GET /events HTTP/1.1\r\n\r\n")
        one.until(chunk(b"begin\n"))
        os.write(writing, b"1")
        assert one.until(chunk(b"event 1\n")) == chunk(b"event 1\n")
        begun = time.monotonic()
        one.sock.close()
        assert one.over() == ["events gone"]
        assert time.monotonic() - begun < 10
    finally:
        os.close(reading)
        os.close(writing)


def test_a_client_that_goes_ends_a_flood(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.send(b"GET /flood HTTP/1.1\r\n\r\n")
    one.sock.recv(1000)
    one.sock.close()
    assert one.over() == ["flood gone"]


def test_a_client_that_stops_reading_is_given_up_if_the_service_wants_it(
    talk: Callable[..., Talk],
) -> None:
    one = talk()
    one.send(b"GET /flood?patience=0.2 HTTP/1.1\r\n\r\n")
    assert one.over() == ["flood gone"]
    patient = talk()
    patient.send(b"GET /flood HTTP/1.1\r\n\r\n")
    time.sleep(0.5)
    assert patient.said == []


def test_patience_ends_with_the_stream(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that was promised, nobody wanted, and does not come holds nobody up."""
    monkeypatch.setattr(answer, "IDLE_TIME", 0.2)
    reading, writing = os.pipe()
    os.close(writing)
    try:
        one = talk()
        one.service.wakes = reading
        one.send(b"POST /events HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
        one.until(b"0\r\n\r\n")
        assert one.over() == ["unix POST /events 200"]
    finally:
        os.close(reading)


# -- connections that a service takes over

UPGRADE = b"Connection: Upgrade\r\nUpgrade: tcp\r\n"
SWITCHED = b"HTTP/1.1 101 UPGRADED\r\n"


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize(
    ("version", "fields", "status"),
    [
        ("1.1", UPGRADE, SWITCHED),
        ("1.1", b"", b"HTTP/1.1 200 OK\r\n"),
        ("1.1", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"HTTP/1.1 200 OK\r\n"),
        ("1.0", UPGRADE, b"HTTP/1.1 200 OK\r\n"),
    ],
)
def test_a_connection_is_taken_over(
    talk: Callable[..., Talk], tcp: bool, version: str, fields: bytes, status: bytes
) -> None:
    """In both of docker's forms; what came with the head is not lost, and either way may end."""
    one = talk(tcp=tcp)
    one.send(f"POST /attach HTTP/{version}\r\n".encode() + fields + b"\r\nearly ")
    head = one.until(b"\r\n\r\n")
    assert head.startswith(status)
    assert (b"\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n" in head) == (status == SWITCHED)
    assert b"\r\nContent-Type: application/vnd.docker.raw-stream\r\n" in head
    for name in (b"Content-Length", b"Transfer-Encoding", b"close"):
        assert name not in head
    assert one.until(b"EARLY ") == b"EARLY "
    one.send(b"GET / HTTP/1.1\r\n\r\n")
    assert one.until(b"\n\r\n") == b"GET / HTTP/1.1\r\n\r\n"
    one.sock.shutdown(socket.SHUT_WR)
    assert one.rest() == b"24 bytes"
    one.over()
    assert one.to_close is False


def test_the_body_comes_before_what_is_taken_over(talk: Callable[..., Talk]) -> None:
    one = talk()
    head = b"POST /attach?body HTTP/1.1\r\nContent-Length: 2\r\n" + UPGRADE
    one.send(HELLO + head + b"\r\n{}rest")
    got = one.until(b"{}REST")
    assert got.count(b"HTTP/1.1 ") == 2
    assert got.endswith(b"\r\n\r\n{}REST")


@pytest.mark.parametrize(
    ("fields", "body", "taken"),
    [
        ("Content-Length: 5\r\n", b"other", True),
        ("Content-Length: 5\r\nExpect: 100-continue\r\n", b"", False),
        ("Transfer-Encoding: chunked\r\n", b"5\r\nother\r\n0\r\n\r\n", False),
    ],
)
def test_a_body_that_nobody_has_read_is_no_input(
    talk: Callable[..., Talk], fields: str, body: bytes, taken: bool
) -> None:
    one = talk()
    one.send(f"POST /attach HTTP/1.1\r\n{fields}".encode() + UPGRADE + b"\r\n" + body)
    if taken:
        one.send(b"input")
        assert one.until(b"INPUT").endswith(b"\r\n\r\nINPUT")
    else:
        assert answers(one.rest())[0][0] == 400


def test_a_service_that_fails_with_a_connection_of_its_own(talk: Callable[..., Talk]) -> None:
    one = talk()
    one.send(b"POST /mistaken HTTP/1.1\r\n\r\n")
    assert one.rest().startswith(b"HTTP/1.1 200 ")
    assert "failed ValueError('a mistake at the end')" in one.over()


def test_what_is_taken_over_has_no_time_limit(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "IDLE_TIME", 0.1)
    one = talk()
    one.send(b"POST /attach HTTP/1.1\r\n\r\n")
    one.until(b"\r\n\r\n")
    time.sleep(0.3)
    one.send(b"late")
    assert one.until(b"LATE") == b"LATE"


def test_an_idle_connection_ends(
    talk: Callable[..., Talk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "IDLE_TIME", 0.1)
    one = talk()
    one.send(HELLO)
    assert len(answers(one.rest())) == 1


def test_a_web_client_attaches(talk: Callable[..., Talk]) -> None:
    """http.client, as docker's SDK for Python uses it: the socket is there after the answer."""
    one = talk()
    client = http.client.HTTPConnection("localhost")
    client.sock = one.sock
    client.request("POST", "/attach", headers={"Connection": "Upgrade", "Upgrade": "tcp"})
    response = client.getresponse()
    assert (response.status, response.reason) == (101, "UPGRADED")
    one.send(b"input")
    assert one.until(b"INPUT") == b"INPUT"
