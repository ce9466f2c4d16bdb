"""A guest made of frames, and a real one in namespaces."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rootless.linux.loop import Loop
from rootless.netstack import addresses, dns
from rootless.netstack.stack import Stack
from tests.netstack import packets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAB = Path(__file__).with_name("lab.py")


class Guest:
    """The other end of the stack's link, in the hands of a test."""

    def __init__(self, options: str, resolv_conf: str) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._theirs = theirs
        for sock in (self.ours, theirs):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 21)
        self.ours.setblocking(False)
        self.loop = Loop()
        settings = addresses.parse(options)
        self.stack = Stack(self.loop, theirs.fileno(), settings, dns.Servers(resolv_conf))
        self.inside = self.stack.guests[0]
        """What the stack has of the guest that is there from the beginning."""
        self.tcp, self.udp = self.inside.tcp, self.inside.udp

    def close(self) -> None:
        for one in self.stack.guests:
            for connection in one.tcp.connections.values():
                connection.finished = True  # nothing more will come
                connection.queue.clear()
                connection.queued = 0
        self.stack.close()
        self.ours.close()
        self._theirs.close()

    def raw(self, frame: bytes) -> None:
        """Send a frame, virtio header and all."""
        self.ours.send(frame)

    def send(
        self, packet: bytes, kind: int = 0, mac: bytes = packets.GUEST_MAC
    ) -> list[packets.Received]:
        """Send a packet from a link address; return what comes back, to whomever."""
        kind = kind or (packets.IPV6 if packet[0] >> 4 == 6 else packets.IPV4)
        head = bytes(10) + packets.GATEWAY_MAC + mac + kind.to_bytes(2, "big")
        self.raw(head + packet)
        return self.receive()

    def discard(self) -> None:
        """Throw away what the stack has sent."""
        while True:
            try:
                self.ours.recv(1 << 17)
            except BlockingIOError:
                return

    def receive(self, wait: float = 0.0) -> list[packets.Received]:
        """Let the stack work until it is quiet; return what it has sent.

        With `wait` (seconds) until something has come.
        """
        found: list[packets.Received] = []
        turns = 0
        while self.loop.turn(20) or (not found and turns * 0.02 < wait):
            turns += 1
            found += self._take()
        return found + self._take()

    def _take(self) -> list[packets.Received]:
        found = []
        while True:
            try:
                found.append(packets.read(self.ours.recv(1 << 17)))
            except BlockingIOError:
                return found


@pytest.fixture
def make_guest(tmp_path: Path) -> Iterator[Callable[..., Guest]]:
    """Makes guests with the options of --network private and a resolv.conf."""
    made: list[Guest] = []

    def make(options: str = "host-loopback=on", names: str = "") -> Guest:
        path = tmp_path / "resolv.conf"
        path.write_text(names)
        made.append(Guest(options, str(path)))
        return made[-1]

    yield make
    for guest in made:
        guest.close()


@pytest.fixture
def guest(make_guest: Callable[..., Guest]) -> Guest:
    """A guest that reaches the loopback through the gateway."""
    return make_guest()


class Lab:
    """Runs commands in a guest, with servers on its host; see lab.py."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.left: dict[str, Any] = {}
        """What was left in the stack after the last run."""

    def __call__(
        self,
        inside: str,
        *,
        host: str = "",
        options: str = "-",
        names: str = "",
        timeout: float = 60,
        awaited: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run the shell command `inside` in the guest while `host` runs on its host.

        `host` has to print a line when it is ready; then the guest starts. With `awaited` it
        has to end by itself, else it is ended when the guest has.
        """
        (self.directory / "resolv.conf").write_text(names)
        lab = [sys.executable, str(LAB), options, str(self.directory / "resolv.conf")]
        program = shlex.join([*lab, "sh", "-c", inside])
        if host:
            ready = self.directory / "ready"
            ready.unlink(missing_ok=True)
            up = "ip link set lo up; ip addr add 192.0.2.1/32 dev lo; "
            up += "ip addr add 2001:db8::1/128 dev lo nodad; "
            program = (
                f"{up} mkfifo {ready}; ({host}) > {ready} & read -r line < {ready}; {program}; "
                f"code=$?; {'wait' if awaited else 'true'}; exit $code"
            )
        command = ["unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"]
        done = subprocess.run(
            [*command, "sh", "-c", program],
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"},
        )
        lines = done.stderr.splitlines()
        if lines and lines[-1].startswith('{"connections"'):
            self.left = json.loads(lines.pop())
        done.stderr = "\n".join(lines)
        return done


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A guest of its own for a test."""
    return Lab(tmp_path)
