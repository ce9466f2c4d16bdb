"""Networks by pasta and slirp4netns, where they are installed."""

from __future__ import annotations

import os
import socketserver
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.containers.leavings import assert_nothing_left, family, supervisor

if TYPE_CHECKING:
    from tests.conftest import Store

WEB = "mkdir /w; echo served > /w/index.html; exec httpd -f -p 80 -h /w"


@pytest.fixture(
    params=[
        pytest.param("pasta", marks=pytest.mark.needs("pasta", "/dev/net/tun")),
        pytest.param("slirp4netns", marks=pytest.mark.needs("slirp4netns", "/dev/net/tun")),
    ]
)
def helper(request: pytest.FixtureRequest) -> str:
    """The name of a helper."""
    name = str(request.param)
    route = subprocess.run(["ip", "route"], capture_output=True, text=True).stdout
    if name == "pasta" and "default" not in route:
        pytest.skip("pasta wants an interface with a default route, this machine has none")
    return name


def fetch(port: int) -> str:
    deadline = time.monotonic() + 15
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return str(answer.read().decode().strip())
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def helpers(pid: int, name: str) -> list[int]:
    """Return those below a supervisor."""
    # By its arguments: Debian's pasta is executed once more, as passt.avx2.
    return [one for one in family(pid) if name in Path(f"/proc/{one}/cmdline").read_text()]


def test_what_is_there(busybox: Store, helper: str) -> None:
    network = ["--network", f"{helper}:cidr=10.7.0.0/24,mtu=1500,ipv6=off"]
    said = busybox.ok(
        "run", "--rm", *network, "busybox", "sh", "-c", "ip addr; ip route; cat /etc/resolv.conf"
    )
    assert "inet 10.7.0.100/24" in said
    assert "mtu 1500" in said
    assert "inet6 fd" not in said
    assert "default via 10.7.0.2" in said
    assert f"nameserver 10.7.0.{2 if helper == 'pasta' else 3}" in said
    assert_nothing_left(busybox)


def test_published(busybox: Store, helper: str) -> None:
    """The port is open, again after a restart, and closed with the container."""
    line = ["run", "-d", "--name", "one", "--network", helper, "-p", "80"]
    busybox.ok(*line, "busybox", "sh", "-c", WEB)
    for _ in range(2):
        number = int(busybox.ok("port", "one", "80").splitlines()[0].rpartition(":")[2])
        assert fetch(number) == "served"
        busybox.ok("restart", "-t", "0", "one")
    assert len(helpers(supervisor(busybox), helper)) == 1
    assert helper in busybox.ok("inspect", "-f", "{{.HostConfig.NetworkMode}}", "one")
    busybox.ok("rm", "-f", "one")
    assert_nothing_left(busybox)


def test_it_ends_with_a_killed_supervisor(busybox: Store, helper: str) -> None:
    busybox.ok("run", "-d", "--name", "one", "--network", helper, "busybox", "sleep", "1000")
    pid = supervisor(busybox)
    assert helpers(pid, helper)
    os.kill(pid, 9)
    busybox.ok("rm", "-f", "one")
    assert_nothing_left(busybox)


def test_a_helper_that_gives_up(busybox: Store, helper: str) -> None:
    """What it said is the error; a port that is taken is found before."""
    busybox.ok(
        "run", "-d", "--name", "one", "--network", helper, "-p", "80", "busybox", "sh", "-c", WEB
    )
    number = busybox.ok("port", "one", "80").splitlines()[0].rpartition(":")[2]
    taken = busybox("run", "--rm", "--network", helper, "-p", f"{number}:80", "busybox", "true")
    assert taken.returncode == 125
    assert "port is already allocated" in taken.stderr
    wish = f"{helper}:cidr=255.255.255.0/28"
    assert busybox("run", "--rm", "--network", wish, "busybox", "true").returncode == 125
    busybox.ok("rm", "-f", "one")
    assert_nothing_left(busybox)


@pytest.mark.needs("pasta", "/dev/net/tun")
def test_what_pasta_is_told_besides(busybox: Store, helper: str) -> None:
    """Its own options are handed on: here the host's loopback in the container's."""
    if helper != "pasta":
        pytest.skip("slirp4netns has no options of this kind")
    with socketserver.TCPServer(("127.0.0.1", 0), Greeter) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        port = server.server_address[1]
        network = ["--network", f"pasta:ipv6=off,-T,{port}"]
        line = ["run", "--rm", *network, "busybox", "nc", "127.0.0.1", str(port)]
        assert busybox.ok(*line) == "from the host"
    wrong = busybox("run", "--rm", "--network", "pasta:--nonsense", "busybox", "true")
    assert "pasta ended: unrecognized option '--nonsense'" in wrong.stderr
    hosts = busybox.ok("run", "--rm", "--network", "pasta:--map-gw", "busybox", "cat", "/etc/hosts")
    assert "10.0.2.2\thost.containers.internal" in hosts


class Greeter(socketserver.BaseRequestHandler):
    """Says a word to whoever connects."""

    def handle(self) -> None:
        self.request.sendall(b"from the host")


def test_not_installed(busybox: Store, tmp_path: Path) -> None:
    done = busybox(
        "run",
        "--rm",
        "--network",
        "pasta",
        "busybox",
        "true",
        env={**busybox.env, "PATH": str(tmp_path)},
    )
    assert done.returncode == 125
    assert "pasta is not installed" in done.stderr


FAKE = """#!/usr/bin/python3
import os, re, socket, sys
given = " ".join(sys.argv)
listener = socket.socket(socket.AF_UNIX)
listener.bind(re.search(r"api-socket=(\\S+)", given)[1])
listener.listen()
{before}
os.write(int(re.search(r"ready-fd=(\\d+)", given)[1]), b"1")
sock, _ = listener.accept()
while sock.recv(4096): pass
{answer}
"""


@pytest.mark.parametrize(
    ("before", "answer", "reason"),
    [
        ("listener.close()", "", "it does not answer, it may have ended"),
        ("", "", "it answers what nobody understands"),
        ("", 'sock.send(b\'{"error": "x"}\')', "it answers what nobody understands"),
        ("", 'sock.send(b\'{"error": {"desc": "no"}}\')', "no"),
    ],
)
def test_slirp4netns_that_publishes_nothing(
    busybox: Store, tmp_path: Path, before: str, answer: str, reason: str
) -> None:
    program = tmp_path / "slirp4netns"
    program.write_text(FAKE.format(before=before, answer=answer))
    program.chmod(0o755)
    line = ["run", "--rm", "--network", "slirp4netns", "-p", "18095:80", "busybox", "true"]
    done = busybox(*line, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 125
    assert done.stderr == f"Error: slirp4netns cannot publish port 18095: {reason}\n"
