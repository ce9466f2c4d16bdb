"""Whatever a guest sends: nothing is raised, nothing loops, nothing is held."""

from __future__ import annotations

import os
import random
import socket
from typing import TYPE_CHECKING

import pytest

from tests.netstack.packets import ACK, FIN, PSH, RST, SYN, echo, ip, tcp, udp

if TYPE_CHECKING:
    from tests.netstack.conftest import Guest

pytestmark = pytest.mark.once

LINK = bytes.fromhex("020000000002020000000001")


def real_frames(port: int) -> list[bytes]:
    """Frames as guests send them, to mutate."""
    found = []
    for source, target, kind in (
        ("10.0.2.100", "10.0.2.2", b"\x08\0"),
        ("fd00::100", "fd00::2", b"\x86\xdd"),
    ):
        upper = [
            (6, tcp((40000, port), 1, 0, SYN, options=bytes([2, 4, 5, 180, 1, 3, 3, 7]))),
            (6, tcp((40000, port), 2, 1, ACK)),
            (6, tcp((40000, port), 2, 1, ACK | PSH, data=b"x" * 100)),
            (6, tcp((40000, port), 2, 1, ACK | FIN)),
            (6, tcp((40000, port), 2, 1, RST)),
            (17, udp((5000, port), b"y" * 50)),
            (17, udp((5000, 53), b"\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1")),
            (1, echo(8, 1, 1, b"z")),
            (58, echo(128, 1, 1, b"z")),
            (44, b"\x11\0\0\1\0\0\0\1" + udp((5000, port), b"part")),
        ]
        for protocol, payload in upper:
            found.append(bytes(10) + LINK + kind + ip(source, target, protocol, payload))
    found.append(bytes(10) + LINK + b"\x08\x06" + bytes.fromhex("0001080006040001") + bytes(20))
    return found


def mutate(frame: bytes, dice: random.Random) -> bytes:
    changed = bytearray(frame)
    for _ in range(dice.randrange(1, 6)):
        kind = dice.randrange(4)
        at = dice.randrange(len(changed))
        if kind == 0:
            changed[at] = dice.randrange(256)
        elif kind == 1:
            changed[at] ^= 1 << dice.randrange(8)
        elif kind == 2 and len(changed) > 30:
            del changed[at : at + dice.randrange(1, 20)]
        else:
            changed[at:at] = dice.randbytes(dice.randrange(1, 20))
    return bytes(changed)


def feed(guest: Guest, count: int, seed: int) -> None:
    print(f"TEST_SEED={seed}")
    dice = random.Random(seed)
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        server.setblocking(False)
        frames = real_frames(server.getsockname()[1])
        for number in range(count):
            if dice.randrange(4):
                frame = mutate(dice.choice(frames), dice)
            else:
                frame = dice.randbytes(dice.randrange(1, 200))
            guest.raw(frame)
            if number % 32 == 31:
                guest.loop.turn(0)
                guest.discard()
            if number % 1024 == 1023:
                drain(server)
                assert len(guest.tcp.connections) < 5000
        guest.loop.turn(0)
        guest.discard()


def drain(server: socket.socket) -> None:
    """Hang up on whoever has come."""
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return


def memory() -> int:
    """Resident bytes of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def stay_at_home(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let mutated addresses lead nowhere: the machine's own network is not ours to fuzz."""
    outside = guest.inside.addresses.outside
    monkeypatch.setattr(
        guest.inside.addresses,
        "outside",
        lambda address: host if (host := outside(address)) in ("127.0.0.1", "::1") else "",
    )


def check(guest: Guest, count: int, seed: int) -> None:
    feed(guest, 5000, seed + 1)  # what is allocated once
    before, descriptors = memory(), len(os.listdir("/proc/self/fd"))
    feed(guest, count, seed)
    assert memory() - before < 48 << 20
    assert len(os.listdir("/proc/self/fd")) < descriptors + 3000


def test_frames_of_any_kind(guest: Guest, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stay_at_home(guest, monkeypatch)
    check(guest, 30000, seed or random.randrange(1 << 32))


@pytest.mark.soak
def test_a_million_frames(guest: Guest, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stay_at_home(guest, monkeypatch)
    check(guest, 1_000_000, seed)
