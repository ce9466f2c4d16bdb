"""Our network stack beside slirp4netns and pasta: the same engine, programs and host for all.

Each contender is the network of a container that runs; servers are on an address of the host that
is not the loopback's, clients inside, but for the published port, where it is the other way. They
take turns. All values are times, so that less is better; a ratio below 0.5 is twice as fast.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import images

if TYPE_CHECKING:
    from collections.abc import Callable

    import peers

INSIDE = 5201
"""Port of the server in the container."""

SECONDS = 2
"""How long one flow lasts."""

PROGRAMS = [f"--volume=/{name}:/{name}:ro" for name in ("usr", "lib", "lib64", "etc/alternatives")]
"""The host's programs, over those of busybox."""

ROUND_TRIPS = """
import socket, sys, time
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
times = []
for _ in range(4000):
    began = time.perf_counter()
    sock.send(b"x")
    sock.recv(1)
    times.append(time.perf_counter() - began)
times.sort()
print(times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6)
"""

CONNECTIONS = """
import socket, sys, time
began = time.perf_counter()
for _ in range(1500):
    sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    sock.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
    got = 0
    while data := sock.recv(4096):
        got += len(data)
    assert got > 1024
    sock.close()
print((time.perf_counter() - began) / 1500 * 1e6)
"""


class Guest:
    """A container with one kind of network."""

    def __init__(self, engine: peers.Engine, network: str, host: Host) -> None:
        self.engine, self.network, self.host = engine, network, host
        line = ["run", "-d", "--network", network, *PROGRAMS, "-p", f"{host.address}::{INSIDE}"]
        self.id = engine(*line, "busybox", "sh", "-c", f"exec iperf3 -s -p {INSIDE} >/dev/null")
        self.port = engine("port", self.id).splitlines()[0].rpartition(":")[2]

    def run(self, *command: str) -> str:
        """Run a command inside; return what it prints."""
        return self.engine("exec", self.id, *command)

    def python(self, script: str, port: int) -> str:
        """Run a Python script inside that talks to one of the host's ports."""
        return self.run("/usr/bin/python3", "-I", "-S", "-c", script, self.host.address, str(port))


class Host:
    """The servers on this side."""

    def __init__(self) -> None:
        """Raises Missing where this machine has no address but the loopback's."""
        line = ["ip", "-4", "route", "get", "203.0.113.1"]
        route = subprocess.run(line, capture_output=True, text=True).stdout
        self.address = route.partition(" src ")[2].split(" ")[0]
        if not self.address:
            raise images.Missing("no address but the loopback's")
        with socket.create_server((self.address, 0)) as free:
            self.iperf = int(free.getsockname()[1])
        flow = ["iperf3", "-s", "-B", self.address, "-p", str(self.iperf)]
        self._flows = subprocess.Popen(flow, stdout=subprocess.DEVNULL)
        self._echoes = socket.create_server((self.address, 0))
        self._pages = socket.create_server((self.address, 0), backlog=1024)
        self.echo, self.page = (int(one.getsockname()[1]) for one in (self._echoes, self._pages))
        self._pid = os.fork()
        if self._pid == 0:
            try:
                threading.Thread(target=self._serve_echoes, daemon=True).start()
                self._serve_pages()
            finally:
                os._exit(1)
        time.sleep(0.3)

    def close(self) -> None:
        """End the servers."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._flows.kill()
        self._flows.wait()
        self._echoes.close()
        self._pages.close()

    def _serve_echoes(self) -> None:
        def serve(peer: socket.socket) -> None:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := peer.recv(65536):
                peer.sendall(data)

        while True:
            threading.Thread(target=serve, args=self._echoes.accept()[:1], daemon=True).start()

    def _serve_pages(self) -> None:
        answer = b"HTTP/1.0 200 OK\r\n\r\n" + bytes(1024)
        while True:
            peer, _ = self._pages.accept()
            peer.recv(4096)
            peer.sendall(answer)
            peer.close()


# -- what is measured, each in the unit of its row


def out(streams: int) -> Callable[[Guest], float]:
    """From the container to the host: milliseconds for a gigabyte."""

    def measure(guest: Guest) -> float:
        line = ["iperf3", "-J", "-c", guest.host.address, "-p", str(guest.host.iperf)]
        return _per_gigabyte(guest.run(*line, "-t", str(SECONDS), "-P", str(streams)))

    return measure


def published(guest: Guest) -> float:
    """From the host through a published port: milliseconds for a gigabyte."""
    line = ["iperf3", "-J", "-c", guest.host.address, "-p", guest.port, "-t", str(SECONDS)]
    return _per_gigabyte(subprocess.run(line, capture_output=True, text=True).stdout)


def _per_gigabyte(report: str) -> float:
    end = json.loads(report)["end"]
    return 8e12 / float(end["sum_received"]["bits_per_second"])


def connection(guest: Guest) -> float:
    """A request and an answer of 1 KiB by a connection of their own: microseconds."""
    return float(guest.python(CONNECTIONS, guest.host.page))


def round_trip(which: int) -> Callable[[Guest], float]:
    """A byte there and back: the median (0) or the 99th percentile (1), microseconds."""
    return lambda guest: float(guest.python(ROUND_TRIPS, guest.host.echo).split()[which])


def datagram(guest: Guest) -> float:
    """1400 bytes by UDP, as fast as it goes: nanoseconds for each that arrives."""
    line = ["iperf3", "-J", "-u", "-b", "0", "-l", "1400", "-c", guest.host.address]
    report = guest.run(*line, "-p", str(guest.host.iperf), "-t", str(SECONDS))
    end = json.loads(report)["end"]["sum"]
    return float(end["seconds"] / max(1, end["packets"] - end["lost_packets"]) * 1e9)


def compare(
    engine: peers.Engine,
    measure: Callable[[Guest], float],
    further: dict[str, tuple[peers.Engine, str]],
) -> tuple[float, float, str]:
    """Measure ours and slirp4netns; the remark has the ratios to pasta and to the `further`."""
    for program in ("slirp4netns", "iperf3"):
        images.need(program)
    contenders = {"ours": (engine, "private"), "slirp4netns": (engine, "slirp4netns")}
    contenders |= {"pasta": (engine, "pasta")} | further
    host = Host()
    try:
        guests = {name: Guest(*contender, host) for name, contender in contenders.items()}
        times: dict[str, list[float]] = {name: [] for name in guests}
        for _ in range(5):
            for name, guest in guests.items():
                times[name].append(measure(guest))
    finally:
        host.close()
        for one, _ in contenders.values():
            one.close()
    medians = {name: statistics.median(column) for name, column in times.items()}
    ours = medians.pop("ours")
    theirs = medians.pop("slirp4netns")
    return ours, theirs, ", ".join(f"{name} {ours / value:.2f}" for name, value in medians.items())
