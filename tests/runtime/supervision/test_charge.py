"""What passes from one life of a supervisor to the next, which may be of another release."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from rootless.linux.loop import Loop
from rootless.oci import jsonio
from rootless.runtime.supervision import streams
from rootless.runtime.supervision.charge import (
    VERSION,
    client_of,
    descriptors,
    upgraded,
)
from rootless.runtime.supervision.clients import Clients

if TYPE_CHECKING:
    from rootless.runtime.supervision.clients import ClientCharge

FIRST: dict[str, Any] = {
    "root": "/root",
    "directory": "/root/containers/a",
    "hook": "rootless.containers.disposal:after_exit",
    "again": "rootless.containers.starting:again",
    "event": {},
    "durable": True,
    "state": {"pid": 1},
    "membership": "",
    "init": 5,
    "outputs": {"6": 1, "7": 2},
    "stdin": -1,
    "terminal": -1,
    "link": 8,
    "network": None,
    "ports": [{"fd": 9, "ip": "::", "host": 1, "container": 2, "protocol": "tcp"}],
    "clients": [[10, 1], [11, 0]],
    "listener": 12,
    "log": {"fd": 13},
    "alive": 14,
    "userns": 15,
    "space": -1,
    "restart": "no",
    "delay": 0.0,
    "health": None,
    "notice": None,
    "listening": None,
    "stop_signal": 15,
    "stop_timeout": 10,
}
"""The charge of the release before the first with a number."""


def test_the_first_charge_is_translated() -> None:
    charge = upgraded(FIRST)
    assert charge["version"] == VERSION
    assert charge["clients"] == [client_of(10, first=True), client_of(11, first=False)]
    assert (charge["input"], charge["input_ends"], charge["unwritten"]) == ("", False, False)
    assert sorted(descriptors(charge)) == [*range(5, 16)]


@pytest.mark.parametrize("version", [VERSION, VERSION + 1])
def test_a_charge_of_another_release_is_taken_as_far_as_it_is_known(version: int) -> None:
    client = {**client_of(10, first=True), "passed": [16]}
    without = {key: value for key, value in FIRST.items() if key not in ("health", "link")}
    charge = upgraded({**without, "version": version, "clients": [client], "new": "thing"})
    assert (charge["version"], charge["link"], charge["health"]) == (VERSION, -1, None)
    assert charge["clients"] == [client]
    assert sorted(descriptors(charge)) == [5, 6, 7, 9, 10, 12, 13, 14, 15, 16]


class Life:
    """The clients of one life of a supervisor, and what they have said in it."""

    def __init__(self, charges: list[ClientCharge]) -> None:
        self.said: list[bytes] = []
        self.checks = 0
        self.loop = Loop()
        self.clients = Clients(self.loop, -1)
        self.clients.on_input = self.said.append
        self.clients.on_check = self._check
        for charge in charges:
            self.clients.add(charge)

    def _check(self, _client: object) -> None:
        self.checks += 1

    def turn(self) -> None:
        """Handle what is there."""
        while self.loop.turn(0):
            pass

    def next(self) -> Life:
        """Begin the next life with what this one holds, by way of JSON."""
        charges: list[ClientCharge] = jsonio.loads(jsonio.dump_bytes(self.clients.charges))
        for charge in charges:
            charge["fd"] = os.dup(charge["fd"])
        self.end()
        return Life(charges)

    def end(self) -> None:
        """Hang up."""
        for client in (*self.clients._all, *self.clients._asking):
            client.close()


def test_a_client_goes_on_where_it_was() -> None:
    """What it has not taken comes in order, and half a frame from it is made whole."""
    ours, theirs = socket.socketpair()
    with theirs:
        life = Life([client_of(ours.detach(), first=True)])
        pieces = [bytes([number]) * streams.CHUNK for number in range(16)]
        for piece in pieces:
            life.clients.send(streams.STDOUT, piece)
        theirs.send(streams.frame(streams.STDIN, b"hello")[:-2])
        life.turn()
        assert (life.said, life.clients.are_idle) == ([], False)
        life = life.next()
        theirs.send(b"lo")
        reader = streams.Reader()
        frames: list[tuple[int, bytes]] = []
        while len(frames) < len(pieces):
            life.turn()
            frames += reader.feed(theirs.recv(1 << 18))
        assert frames == [(streams.STDOUT, piece) for piece in pieces]
        assert (life.said, life.clients.are_idle) == ([b"hello"], True)
        life.end()


def test_what_a_client_waits_for_is_asked_again() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        life = Life([{**client_of(ours.detach(), first=False), "attached": False}])
        theirs.send(streams.frame(streams.CHECK, b""))
        life.turn()
        assert life.checks == 1
        life = life.next()
        assert life.checks == 1
        life.end()


def test_a_slow_client_is_told_later_what_it_has_missed() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        life = Life([client_of(ours.detach(), first=False)])
        while not life.clients.charges[0]["missed"]:
            life.clients.send(streams.STDOUT, b"x" * streams.CHUNK)
        life = life.next()
        reader, told = streams.Reader(), b""
        while b"left out" not in told:
            life.turn()
            told += b"".join(
                payload
                for kind, payload in reader.feed(theirs.recv(1 << 18))
                if kind == streams.STDERR
            )
        assert f"{streams.CHUNK} bytes left out".encode() in told
        life.end()
