"""Frames between a supervisor and its client, and the loop that moves them."""

from __future__ import annotations

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.linux.loop import Loop
from rootless.runtime.supervision import streams
from rootless.runtime.supervision.clients import Client
from rootless.runtime.supervision.relay import BACKLOG, Input, Output

pytestmark = pytest.mark.once

FRAMES = st.lists(st.tuples(st.integers(0, 4), st.binary(max_size=300)), max_size=10)


@given(frames=FRAMES, cuts=st.lists(st.integers(1, 50), min_size=1))
def test_frames_survive_any_cutting(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(streams.frame(kind, payload) for kind, payload in frames)
    reader = streams.Reader()
    seen: list[tuple[int, bytes]] = []
    turn = 0
    while data:
        size = cuts[turn % len(cuts)]
        seen += reader.feed(data[:size])
        data = data[size:]
        turn += 1
    assert seen == frames
    assert reader.is_empty


def test_header_is_dockers() -> None:
    assert streams.frame(streams.STDERR, b"abc") == b"\2\0\0\0\0\0\0\3abc"


def test_input_waits_for_a_slow_container() -> None:
    read, write = os.pipe()
    loop, full = Loop(), []
    target = Input(loop, write, is_terminal=False)
    target.on_backlog = full.append
    data = os.urandom(3 * BACKLOG)
    target.write(data)
    target.write(b"")
    assert full[-1] is True
    received = b""
    while chunk := os.read(read, 1 << 16):
        received += chunk
        loop.turn(0)
    assert received == data
    assert full[-1] is False
    assert target.fd == -1  # closed, which is the end of the container's input
    os.close(read)


def test_input_into_a_closed_pipe_is_dropped() -> None:
    read, write = os.pipe()
    target = Input(Loop(), write, is_terminal=False)
    os.close(read)
    target.write(b"x" * 10)
    target.write(b"more")
    assert target.is_idle
    assert target.fd == -1


def test_output_is_held_back_for_a_slow_client() -> None:
    loop = Loop()
    ours, theirs = socket.socketpair()
    client = Client(loop, ours.detach(), first=True)
    read, write = os.pipe()
    output = Output(loop, client.send)
    output.add(read, streams.STDOUT)
    client.on_backlog = output.pause
    os.set_blocking(write, False)
    sent = 0
    for _ in range(10000):
        try:
            sent += os.write(write, b"x" * 4096)
        except BlockingIOError:
            if client.is_full:
                break
        loop.turn(0)
    assert client.is_full
    assert sent < BACKLOG + (1 << 21)
    os.close(write)
    reader, received = streams.Reader(), 0
    theirs.settimeout(0.2)
    while received < sent:
        received += sum(len(payload) for _, payload in reader.feed(theirs.recv(1 << 16)))
        loop.turn(0)
    assert received == sent
    assert not client.is_full
    while output.sources:
        loop.turn(100)
    theirs.close()
    loop.turn(100)
    assert client.fd == -1


def test_client_that_hangs_up_frees_the_output() -> None:
    loop = Loop()
    ours, theirs = socket.socketpair()
    client = Client(loop, ours.detach(), first=True)
    paused: list[bool] = []
    client.on_backlog = paused.append
    client.send(streams.STDOUT, b"x" * (4 * BACKLOG))
    assert paused == [True]
    theirs.close()
    loop.turn(1000)
    assert paused == [True, False]
    assert client.fd == -1
    client.send(streams.STDOUT, b"into the void")
