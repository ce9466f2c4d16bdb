"""S9: attacks on the memory of the network stack, by connections that nobody reads."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from tests.netstack.conftest import Lab

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once

MEGABYTE = 1 << 20
MANY = 200
"""Connections: with a megabyte for each they would take 200."""

HOST = f"""
import resource, select, socket, zlib
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
slow = socket.create_server(("192.0.2.1", 7001), backlog={MANY})
fast = socket.create_server(("192.0.2.1", 7002))
print("ready", flush=True)
peers = [slow.accept()[0] for _ in range({MANY})]
control = fast.accept()[0]
taken = 0
while taken < {64 * MEGABYTE}:  # while nobody reads the others
    taken += len(control.recv({MEGABYTE}))
control.send(b"!")
sums = {{peer: (0, 0) for peer in peers}}
poll = select.poll()
for peer in peers:
    poll.register(peer, select.POLLIN)
by_number = {{peer.fileno(): peer for peer in peers}}
done = []
while by_number:
    for number, _ in poll.poll():
        peer = by_number[number]
        length, summed = sums[peer]
        if data := peer.recv({MEGABYTE}):
            sums[peer] = (length + len(data), zlib.crc32(data, summed))
        else:
            done.append(sums[peer])
            poll.unregister(by_number.pop(number))
control.sendall(repr(set(done)).encode())
control.close()
"""
"""Accepts many and reads none of them until another connection has brought 64 MiB."""

INSIDE = f"""
import random, resource, select, socket, zlib
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
data = memoryview(random.Random(7).randbytes({8 * MEGABYTE}))
sent, by_number, poll = {{}}, {{}}, select.poll()
for _ in range({MANY}):
    sock = socket.create_connection(("192.0.2.1", 7001))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    sock.setblocking(False)
    sent[sock], by_number[sock.fileno()] = 0, sock
    poll.register(sock, select.POLLOUT)
def push(patience):
    while by_number and (ready := poll.poll(patience)):
        for number, _ in ready:
            sock = by_number[number]
            sent[sock] += sock.send(data[sent[sock] :])
            if sent[sock] == len(data):
                sock.shutdown(socket.SHUT_WR)
                poll.unregister(by_number.pop(number))
push(1000)  # until nothing goes on
stuck = len(by_number)
control = socket.create_connection(("192.0.2.1", 7002))
for _ in range(8):
    control.sendall(data)
control.recv(1)
push(None)
print(stuck, control.recv(1000).decode() == repr({{(len(data), zlib.crc32(data))}}))
"""
"""Writes 8 MiB to each of many, as far as that goes; then 64 MiB to one; then the rest."""


def python(script: str) -> str:
    return shlex.join([sys.executable, "-u", "-c", script])


def test_many_connections_that_nobody_reads(tmp_path: Path) -> None:
    """200 at once stay below 64 MiB together, one that is read goes on, and nothing is lost."""
    lab = Lab(tmp_path)
    done = lab(python(INSIDE), host=python(HOST), timeout=600)
    assert (done.stdout, done.stderr) == (f"{MANY} True\n", "")
    assert lab.left["connections"] == 0
    assert lab.left["grown"] < 64 << 10
