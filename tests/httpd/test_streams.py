"""Time limits, a floor of speed, and clients that disappear: at the level of bytes."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from rootless.httpd import stream
from rootless.httpd.errors import Gone
from rootless.httpd.request import Body
from rootless.httpd.stream import Stream


def test_a_slow_head_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is for the whole head, not for each byte."""
    monkeypatch.setattr(stream, "HEAD_TIME", 0.5)
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.05):
            ours.send(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    begun = time.monotonic()
    with ours, theirs:
        with pytest.raises(Gone):
            Stream(theirs).head()
        assert 0.4 < time.monotonic() - begun < 5
        over.set()
        thread.join()


def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "IDLE_TIME", 0.3)
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.02):
            ours.send(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    with ours, theirs:
        body = Body(Stream(theirs), 1000, chunked=False, expected=False)
        begun = time.monotonic()
        with pytest.raises(Gone):
            while time.monotonic() - begun < 5:
                body.read()
        over.set()
        thread.join()


def test_a_slow_service_is_not_the_clients_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "IDLE_TIME", 0.1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        body = Body(Stream(theirs), 3, chunked=False, expected=False)
        for data in (b"a", b"b", b"c"):
            time.sleep(0.15)
            ours.send(data)
            assert body.read() == data
        assert body.finished


def test_a_long_answer_has_the_time_that_it_takes() -> None:
    """As long as the client takes something of it: the limit is for silence."""
    ours, theirs = socket.socketpair()
    whole = bytes(2 << 20)
    theirs.settimeout(1)
    got = 0

    def take() -> None:
        nonlocal got
        while data := ours.recv(64 << 10):
            got += len(data)
            time.sleep(0.06)

    thread = threading.Thread(target=take)
    thread.start()
    with ours:
        with theirs:
            Stream(theirs).send(b"head", whole)
        thread.join()
    assert got == len(whole) + 4


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        return ours, listener.accept()[0]


@pytest.mark.parametrize("tcp", [False, True])
def test_a_client_that_closes_is_noticed_while_nothing_is_written(tcp: bool) -> None:
    ours, theirs = tcp_pair() if tcp else socket.socketpair()
    with ours, theirs:
        watched = Stream(theirs)
        assert watched.watch((), 0.01) == []
        ours.sendall(b"the next request")
        assert watched.watch((), 0.01) == [], "what it sends is no end"
        later = threading.Timer(0.1, ours.close)
        later.start()
        begun = time.monotonic()
        with pytest.raises(Gone):
            watched.watch((), 20)
        assert time.monotonic() - begun < 10
        later.join()


@pytest.mark.parametrize("tcp", [False, True])
def test_a_client_that_only_ends_its_sending(tcp: bool) -> None:
    """On a unix socket the kernel tells that it still reads; over TCP it does not."""
    ours, theirs = tcp_pair() if tcp else socket.socketpair()
    with ours, theirs:
        ours.shutdown(socket.SHUT_WR)
        if tcp:
            with pytest.raises(Gone):
                Stream(theirs).watch((), 5)
        else:
            assert Stream(theirs).watch((), 0.05) == []


def test_other_descriptors_are_waited_for() -> None:
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    try:
        with ours, theirs:
            os.write(writing, b"x")
            assert Stream(theirs).watch((reading,), 5) == [reading]
            os.close(writing)
            writing = -1
            os.read(reading, 1)
            assert Stream(theirs).watch((reading,), 5) == [reading], "its end can be read, too"
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def test_who_may_be_slow_has_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "IDLE_TIME", 0.1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        some = Stream(theirs)
        body = Body(some, 10, chunked=False, expected=False)
        some.allow(None)
        for _ in range(10):
            ours.send(b"x")
            assert body.read() == b"x"
            time.sleep(0.03)
        assert body.finished
