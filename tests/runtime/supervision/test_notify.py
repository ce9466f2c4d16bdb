"""sd_notify and LISTEN_FDS: systemd's protocols, with sockets of the test's own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.containers.test_restarts import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

pytestmark = pytest.mark.once

SAY = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect("/run/notify/notify.sock")
s.send(sys.argv[1].encode().decode("unicode_escape").encode())
"""


class Manager:
    """A service manager's socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self._socket.settimeout(20)

    def heard(self) -> list[str]:
        """Return the next message."""
        return self._socket.recv(4096).decode().split("\n")

    def nothing(self) -> bool:
        """Whether nothing comes for a moment."""
        self._socket.settimeout(0.5)
        try:
            self._socket.recv(4096)
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(20)
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(busybox: Store) -> Iterator[Manager]:
    made = Manager(f"{busybox.directory}/manager")
    yield made
    made.close()


def start(store: Store, manager: Manager, *words: str) -> None:
    store.ok("run", "-d", "--name", "one", *words, env={"NOTIFY_SOCKET": manager.address})


def main_pid(store: Store) -> str:
    return f"MAINPID={record(store, 'one')['supervisor']}"


@pytest.mark.needs("/usr/bin/python3")
def test_the_container_says_it_is_ready(busybox: Store, manager: Manager) -> None:
    python = ["/usr/bin/python3", "-c", SAY]
    start(busybox, manager, "host", "sh", "-c", "echo $NOTIFY_SOCKET; sleep 1000")
    assert manager.heard() == [main_pid(busybox)]
    assert manager.nothing()
    busybox.ok("exec", "one", *python, r"STATUS=half way\nMAINPID=1\nFDSTORE=1")
    assert manager.heard() == ["STATUS=half way"]
    busybox.ok("exec", "one", *python, r"READY=1\nSTATUS=there")
    assert manager.heard() == [main_pid(busybox), "READY=1", "STATUS=there"]
    assert busybox.ok("logs", "one") == "/run/notify/notify.sock"
    busybox.ok("rm", "-f", "one")


def test_the_socket_is_there_for_other_users(busybox: Store, manager: Manager) -> None:
    start(busybox, manager, "busybox", "sleep", "1000")
    shown = busybox.ok("exec", "one", "sh", "-c", "ls -l /run/notify/*; ls -ld /run/notify")
    assert shown.splitlines()[0].startswith("srw-rw-rw-")
    assert shown.splitlines()[1].startswith("drwxr-xr-x")
    busybox.ok("rm", "-f", "one")


def test_ready_when_it_runs(busybox: Store, manager: Manager) -> None:
    start(busybox, manager, "--sdnotify", "conmon", "busybox", "sh", "-c", "env; sleep 1000")
    assert manager.heard() == [main_pid(busybox), "READY=1"]
    assert "NOTIFY_SOCKET" not in busybox.ok("logs", "one")
    busybox.ok("rm", "-f", "one")


def test_ready_when_it_is_healthy(busybox: Store, manager: Manager) -> None:
    check = ["--health-cmd", "test -e /well", "--health-interval", "100ms"]
    start(busybox, manager, "--sdnotify", "healthy", *check, "busybox", "sleep", "1000")
    assert manager.heard() == [main_pid(busybox)]
    assert manager.nothing()
    busybox.ok("exec", "one", "touch", "/well")
    assert manager.heard() == [main_pid(busybox), "READY=1"]
    busybox.ok("rm", "-f", "one")


def test_ignored(busybox: Store, manager: Manager) -> None:
    start(busybox, manager, "--sdnotify", "ignore", "--env-host", "busybox", "sh", "-c", "env")
    busybox.ok("wait", "one")
    assert "NOTIFY_SOCKET" not in busybox.ok("logs", "one")
    assert manager.nothing()


def test_abstract_socket(busybox: Store) -> None:
    manager = Manager(f"@rootless-test-{os.getpid()}")
    start(busybox, manager, "--sdnotify", "supervisor", "busybox", "sleep", "1000")
    assert manager.heard() == [main_pid(busybox), "READY=1"]
    busybox.ok("rm", "-f", "one")
    manager.close()


def test_the_foreground_is_what_to_watch(busybox: Store, manager: Manager) -> None:
    """The supervisor is its child: systemd would not learn how that ends."""
    line = ["run", "--name", "one", "busybox", "sh", "-c", "sleep 0.5; exit 7"]
    env = {**busybox.env, "NOTIFY_SOCKET": manager.address}
    client = subprocess.Popen([*busybox.command, *line], env=env)
    assert client.wait(timeout=20) == 7
    assert manager.heard() == [f"MAINPID={client.pid}"]


# -- LISTEN_FDS

HAND_OVER = """
import os, socket, sys
names = sys.argv[1].split(":")
ports = []
for at in range(len(names)):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()
    os.dup2(s.fileno(), 100 + at)
    ports.append(str(s.getsockname()[1]))
for at in range(len(names)):
    os.dup2(100 + at, 3 + at, inheritable=True)
os.environ |= {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": sys.argv[1]}
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], [word.replace("FIRST", ports[0]) for word in sys.argv[2:]])
"""
"""Makes a listening socket for each name; FIRST is the port of the first."""

LOOK = "echo $LISTEN_FDS $LISTEN_FDNAMES $LISTEN_PID $$; ls -l /proc/self/fd"


@pytest.mark.parametrize("options", [[], ["--init"], ["-d"]])
def test_sockets_are_handed_through(busybox: Store, options: list[str]) -> None:
    command = [*busybox.command, "run", "--name", "one", *options, "busybox", "sh", "-c", LOOK]
    done = subprocess.run(
        [sys.executable, "-c", HAND_OVER, "http:admin", *command],
        env=busybox.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    busybox.ok("wait", "one")
    first, *rest = busybox.ok("logs", "one").splitlines()
    count, names, pid, own = first.split()
    assert (count, names) == ("2", "http:admin")
    assert pid == own
    sockets = [line.split()[-3] for line in rest if "socket:" in line]
    assert sockets == ["3", "4"]


def test_the_container_gets_those_that_are_not_published(busybox: Store) -> None:
    """What -p names is ours; the rest moves up."""
    line = ["run", "-p", "127.0.0.1:FIRST:80", "--name", "one", "busybox", "sh", "-c", LOOK]
    done = subprocess.run(
        [sys.executable, "-c", HAND_OVER, "http:admin:debug", *busybox.command, *line],
        env=busybox.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.split()[:2] == ["2", "admin:debug"]
    assert [line.split()[-3] for line in rest if "socket:" in line] == ["3", "4"]


def test_they_outlive_a_restart(busybox: Store) -> None:
    script = LOOK + "; exit 1"
    options = ["-d", "--name", "one", "--restart", "on-failure:1"]
    command = [*busybox.command, "run", *options, "busybox", "sh", "-c", script]
    subprocess.run(
        [sys.executable, "-c", HAND_OVER, "http", *command],
        env=busybox.env,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert busybox.ok("wait", "one") == "1"
    log = busybox.ok("logs", "one")
    assert log.count("1 http ") == 2
    assert log.count("3 -> socket:") == 2


def test_without_them_nothing_is_kept(busybox: Store) -> None:
    """Sockets that were meant for another process (LISTEN_PID) are none of ours."""
    done = busybox(
        *["run", "--rm", "busybox", "sh", "-c", LOOK],
        env={"LISTEN_FDS": "1", "LISTEN_PID": "1"},
    )
    assert done.returncode == 0
    assert "socket:" not in done.stdout
    assert done.stdout.splitlines()[0].split() == ["1"]
