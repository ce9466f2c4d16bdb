"""An upgrade under running containers: they go on as if nothing had happened.

All containers of the last release are started at once; then the files of this release take the
place of its own, and each test looks at one container. What `ps` and others read is tried both
ways. The same for a release after this one, which has other names for things.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.containers.leavings import supervisor
from tests.releases import (
    Installation,
    Machine,
    last_release,
    next_release,
    this_release,
)

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = [pytest.mark.needs("git", "/dev/net/tun")]

WEB = "mkdir -p /w; echo served > /w/index.html; exec httpd -f -p 80 -h /w"
ECHO = "exec nc -ll -p 80 -e cat"
UDP = (
    "import socket\ns = socket.socket(type=2)\ns.bind(('', 80))\nwhile 1: s.sendto(*s.recvfrom(99))"
)
COUNT = "i=0; while :; do i=$((i+1)); echo line $i of many that fill a log; sleep 0.05; done"
ENDS = "rm -f /end; while [ ! -e /end ]; do sleep 0.05; done; exit 3"
ASKS = "read a; echo got $a; exit 7"
FLOODS = "while [ ! -e /go ]; do sleep 0.05; done; seq 300000"
WAITS = "trap 'exit 4' TERM; while :; do sleep 0.05; done"
PUBLISHED = "127.0.0.1::80"


class Upgrade:
    """One store, and what goes on in it while its release is replaced."""

    def __init__(self, machine: Machine, installation: Installation) -> None:
        self.machine = machine
        self.installation = installation
        self.clients: dict[str, subprocess.Popen[str]] = {}
        self.open: dict[str, socket.socket] = {}
        self.heard: list[bytes] = []
        """What came back through a stack that was loaded before."""
        self.replaced = 0.0

    def run(self, name: str, *options: str, command: str = WAITS) -> None:
        """Start a container in the background."""
        self.machine.ok("run", "-d", "--name", name, *options, "busybox", "sh", "-c", command)

    def port(self, name: str) -> int:
        """Return the port of the host at which port 80 of a container is."""
        return int(self.machine.ok("port", name, "80").rpartition(":")[2])

    def connect(self, name: str) -> socket.socket:
        """Return a connection to a container's port 80."""
        connection = socket.create_connection(("127.0.0.1", self.port(name)), timeout=10)
        connection.settimeout(10)
        return connection

    def await_small(self, *names: str) -> None:
        """Wait until supervisors have executed themselves anew: they load the rest on need."""
        for name in names:
            pid = supervisor(self.machine, name)
            self.machine.until(name, "small", partial(small, pid))

    def await_listening(self, *names: str) -> None:
        """Wait until somebody listens at port 80 of containers."""
        for name in names:
            self.machine.until(name, "listening", partial(_listens, self.machine, name))

    def replace(self, release: Path) -> None:
        """Put other files in the place of those that all of these run from."""
        self.installation.put(release)
        self.replaced = time.time()

    def inspect(self, name: str) -> dict[str, Any]:
        """Return what `inspect` shows of a container."""
        found: list[dict[str, Any]] = json.loads(self.machine.ok("inspect", name))
        return found[0]

    def running(self, name: str) -> bool:
        """Whether a container runs."""
        return bool(self.inspect(name)["State"]["Status"] == "running")

    def end(self) -> None:
        """End all that was started."""
        for connection in self.open.values():
            connection.close()
        for client in self.clients.values():
            with client:
                client.kill()
        self.machine.remove()


def small(pid: int) -> bool:
    """Whether a supervisor has executed itself anew and waits: it loads the rest on need."""
    begun = b"resume" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return begun and "(rootless-super) S" in Path(f"/proc/{pid}/stat").read_text()


def echoed(connection: socket.socket, text: bytes) -> bytes:
    """Send `text` and return what comes back, nothing where the connection has broken off."""
    connection.sendall(text)
    return received(connection, len(text))


def received(connection: socket.socket, size: int) -> bytes:
    """Return so many bytes, nothing where the connection has broken off."""
    try:
        return connection.recv(size, socket.MSG_WAITALL)
    except ConnectionError:
        return b""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("releases")


@pytest.fixture(scope="module")
def last(directory: Path) -> Path:
    return last_release(directory)


@pytest.fixture(scope="module")
def this(directory: Path) -> Path:
    return this_release(directory)


def begin(release: Path, directory: Path, image: str) -> Upgrade:
    """Return an upgrade that has got no further than the release from which it starts."""
    installation = Installation(directory)
    installation.put(release)
    upgrade = Upgrade(Machine(installation), installation)
    if image:
        upgrade.machine.ok("load", "--input", image)
    return upgrade


@pytest.fixture(scope="module")
def upgrade(last: Path, this: Path, directory: Path, busybox_image: str) -> Iterator[Upgrade]:
    """Containers of the last release, and now the files of this one."""
    upgrade = begin(last, directory / "from-last", busybox_image)
    try:
        _start_all(upgrade)
        upgrade.replace(this)
        upgrade.heard = [echoed(upgrade.open["talk"], b"after")]
        with upgrade.connect("talk") as other:
            upgrade.heard.append(echoed(other, b"another"))
        upgrade.open.pop("talk").close()
        yield upgrade
    finally:
        upgrade.end()


def _start_all(upgrade: Upgrade) -> None:
    machine = upgrade.machine
    healthy = ("--health-cmd", "test ! -e /ill", "--health-interval", "2s", "--health-retries", "2")
    upgrade.run("web", "-p", PUBLISHED, command=WEB)
    upgrade.run("talk", "-p", PUBLISHED, command=ECHO)
    machine.ok(
        "run", "-d", "--name", "udp", "-p", "127.0.0.1::80/udp", "host", "python3", "-c", UDP
    )
    upgrade.run("outward", "--network", "private:host-loopback=on")
    upgrade.run("portless", command=WEB)
    upgrade.run("healthy", *healthy)
    upgrade.run("again", "--restart", "always", "-p", PUBLISHED, command=f"(httpd -f) & {ENDS}")
    upgrade.run("failing", "--restart", "on-failure:1", command=ENDS)
    upgrade.run("gone", "--rm", "-v", "/anonymous")
    upgrade.run("counting", "--log-opt", "max-size=2k", "--log-opt", "max-file=3", command=COUNT)
    upgrade.run("counting-gone", "--rm", command=COUNT)
    upgrade.run("joined", "--pid", "host", command=f"sleep 1000 & {WAITS}")
    upgrade.run("entered", "--rm")
    upgrade.run("answering", "-i", command=ASKS)
    upgrade.run(
        "ended", "-e", "A=1", "-p", PUBLISHED, "-v", "data:/data", command="echo out; exit 6"
    )
    machine.ok("wait", "ended")
    machine.ok("create", "--name", "made", "busybox", "echo", "from the record")
    for name, line, script in (
        ("foreground", "run -i --rm --name foreground busybox sh -c", ASKS),
        ("held", f"run --name held -p {PUBLISHED} busybox sh -c", f"({FLOODS}) & {ECHO}"),
        ("within", "exec -i entered sh -c", ASKS),
    ):
        upgrade.clients[name] = machine.start(*line.split(), script)
    upgrade.clients["waiting"] = machine.start("wait", "entered")
    upgrade.clients["following"] = machine.start("logs", "-f", "answering")
    upgrade.await_listening("talk")
    upgrade.open["talk"] = upgrade.connect("talk")
    assert echoed(upgrade.open["talk"], b"before") == b"before"
    for name in ("foreground", "held"):
        machine.until(name, "running", partial(_is_listed, machine, name))
    machine.until("healthy", "healthy", lambda: _health(upgrade)["Status"] == "healthy")
    upgrade.await_small("web", "udp", "outward", "portless", "healthy", "again", "failing")
    upgrade.await_small("gone", "held", "joined", "entered", "answering", "foreground")


def _listens(machine: Machine, name: str) -> bool:
    return ":80 " in machine("exec", name, "busybox", "netstat", "-lnt").stdout


def _is_listed(machine: Machine, name: str) -> bool:
    return name in machine("ps").stdout


def _health(upgrade: Upgrade) -> dict[str, Any]:
    found: dict[str, Any] = upgrade.inspect("healthy")["State"]["Health"]
    return found


def fetched(upgrade: Upgrade, name: str) -> str:
    """Return what the web server of a container serves."""
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{upgrade.port(name)}/", timeout=10
        ) as answer:
            return str(answer.read().decode()).strip()
    except OSError as error:
        return f"{error}{upgrade.machine.state(name)}"


def told(upgrade: Upgrade, name: str, said: str = "") -> str:
    """Return what a client that was there before says until its end, and its exit code."""
    client = upgrade.clients.pop(name)
    out, err = client.communicate(said, timeout=30)
    return f"{out.strip()}{err.strip()} {client.returncode}"


# -- networks


def test_a_packet_to_a_published_port_loads_the_stack(upgrade: Upgrade) -> None:
    for _ in range(2):
        assert fetched(upgrade, "web") == "served"
    assert upgrade.running("web")


def test_a_datagram_to_a_published_port_loads_the_stack(upgrade: Upgrade) -> None:
    port = int(upgrade.machine.ok("port", "udp", "80/udp").rpartition(":")[2])
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.sendto(b"hello", ("127.0.0.1", port))
        assert sock.recv(99) == b"hello", upgrade.machine.state("udp")


def test_a_packet_of_the_container_loads_the_stack(upgrade: Upgrade) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server:
        server.settimeout(10)
        port = server.getsockname()[1]
        line = f"echo hello | nc -w 5 host.containers.internal {port}"
        upgrade.machine.ok("exec", "-d", "outward", "sh", "-c", line)
        peer, _ = server.accept()
        with peer:
            peer.settimeout(10)
            assert peer.recv(99) == b"hello\n", upgrade.machine.state("outward")


def test_ports_are_published_while_it_runs(upgrade: Upgrade) -> None:
    upgrade.machine.ok("update", "--publish-add", PUBLISHED, "portless")
    assert fetched(upgrade, "portless") == "served"


def test_what_a_slow_reader_has_not_taken_is_not_lost(upgrade: Upgrade) -> None:
    machine = upgrade.machine
    assert upgrade.running("held"), machine.state("held") + str(
        upgrade.clients["held"].communicate()
    )
    machine.ok("exec", "held", "touch", "/go")
    log = Path(upgrade.inspect("held")["LogPath"])
    before = -1
    while before != (before := log.stat().st_size) or not before:
        time.sleep(0.3)  # it writes until it is held up
    with upgrade.connect("held") as connection:
        assert echoed(connection, b"hello") == b"hello", machine.state("held")
    machine.ok("stop", "-t", "0", "held")
    told_at_all = upgrade.clients.pop("held").communicate(timeout=30)[0]
    lines = told_at_all.split()[:-1]  # it was ended in the middle of one
    assert lines == [str(number) for number in range(1, len(lines) + 1)]
    assert len(told_at_all) > 1 << 20


# -- what a supervisor does by itself


def test_health_is_checked(upgrade: Upgrade) -> None:
    def checks() -> list[dict[str, Any]]:
        return [c for c in _health(upgrade)["Log"] if _since(c["Start"]) > upgrade.replaced]

    upgrade.machine.until("healthy", "two checks", lambda: len(checks()) >= 2)
    assert {check["ExitCode"] for check in checks()} == {0}
    assert upgrade.machine("healthcheck", "run", "healthy").returncode == 0
    upgrade.machine.ok("exec", "healthy", "touch", "/ill")
    ill = lambda: _health(upgrade)["Status"] == "unhealthy"  # noqa: E731
    upgrade.machine.until("healthy", "unhealthy", ill)


def _since(moment: str) -> float:
    return time.mktime(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone + 1


def test_it_starts_again_by_policy(upgrade: Upgrade) -> None:
    machine = upgrade.machine
    for count in (1, 2):
        machine.ok("exec", "again", "touch", "/end")
        machine.until("again", "started again", partial(_has_come, upgrade, count))
    assert "404" in fetched(upgrade, "again")
    machine.ok("stop", "-t", "0", "again")
    assert not upgrade.running("again")


def _has_come(upgrade: Upgrade, count: int) -> bool:
    found = upgrade.inspect("again")
    return bool(found["RestartCount"] == count and found["State"]["Status"] == "running")


def test_the_policy_counts_what_was_before(upgrade: Upgrade) -> None:
    for _ in range(2):
        upgrade.machine.until("failing", "running", lambda: upgrade.running("failing"))
        upgrade.machine.ok("exec", "failing", "touch", "/end")
        upgrade.machine.until(
            "failing",
            "ended",
            lambda: upgrade.machine("exec", "failing", "true").returncode != 0,
        )
    ended = lambda: upgrade.inspect("failing")["State"]["Status"] == "exited"  # noqa: E731
    upgrade.machine.until("failing", "ended for good", ended)
    assert upgrade.inspect("failing")["State"]["ExitCode"] == 3
    assert upgrade.inspect("failing")["RestartCount"] == 1


def test_lines_are_logged_and_the_log_is_rotated(upgrade: Upgrade) -> None:
    machine = upgrade.machine
    log = Path(upgrade.inspect("counting")["LogPath"])
    machine.until("counting", "rotated", lambda: len([*log.parent.glob("log.*")]) == 2)
    first = int(machine.ok("logs", "--tail", "1", "counting").split()[1])
    machine.until(
        "counting", "logged", lambda: f"line {first + 60} " in machine("logs", "counting").stdout
    )
    machine.ok("stop", "-t", "0", "counting")
    assert not upgrade.running("counting")
    numbers = [int(line.split()[1]) for line in machine.ok("logs", "counting").splitlines()]
    assert numbers == [*range(numbers[0], numbers[0] + len(numbers))]


# -- the end


@pytest.mark.parametrize("name", ["gone", "counting-gone"], ids=["idle", "busy"])
def test_nothing_stays_of_what_is_removed_at_its_end(upgrade: Upgrade, name: str) -> None:
    machine, found = upgrade.machine, upgrade.inspect(name)
    place = Path(machine.root, "containers", found["Id"])
    machine.ok("stop", "-t", "1", name)
    machine.until(name, "gone", lambda: not place.exists())
    assert not (place.parent / ".names" / name).is_symlink()
    for mount in found["Mounts"]:
        assert not os.path.exists(Path(machine.root, "volumes", mount["Name"]))
    events = machine.ok(
        "events", "--stream=false", "--filter", f"container={name}", "--format", "{{.Status}}"
    )
    assert "destroy" in events.split(), events


def test_it_ends_with_all_its_processes(upgrade: Upgrade) -> None:
    inside = [
        int(line.split()[0])
        for line in upgrade.machine.ok("top", "joined", "hpid").splitlines()[1:]
    ]
    assert len(inside) > 1
    upgrade.machine.ok("stop", "joined")
    assert upgrade.inspect("joined")["State"]["ExitCode"] == 4
    assert [pid for pid in inside if os.path.exists(f"/proc/{pid}")] == []


# -- who talks to it


def test_commands_that_wait_hear_of_the_end(upgrade: Upgrade) -> None:
    assert told(upgrade, "within", "hi\n") == "got hi 7"
    assert upgrade.machine.ok("exec", "entered", "echo", "here") == "here"
    upgrade.machine.ok("pause", "entered")
    upgrade.machine.ok("unpause", "entered")
    upgrade.machine.ok("stop", "entered")
    assert told(upgrade, "waiting") == "4 0"


def test_the_client_in_the_foreground_goes_on(upgrade: Upgrade) -> None:
    assert told(upgrade, "foreground", "hi\n") == "got hi 7"
    gone = lambda: "foreground" not in upgrade.machine("ps", "-a").stdout  # noqa: E731
    upgrade.machine.until("foreground", "gone", gone)


def test_a_client_attaches(upgrade: Upgrade) -> None:
    done = upgrade.machine("attach", "answering", input="hi\n")
    assert (done.stdout, done.returncode) == ("got hi\n", 7)
    assert told(upgrade, "following") == "got hi 0"


# -- what is on disk


def test_records_of_before_are_read(upgrade: Upgrade) -> None:
    machine = upgrade.machine
    listed = machine.ok("ps", "-a", "--format", "{{.Names}} {{.Status}}").splitlines()
    assert [line for line in listed if line.startswith("ended Exited (6)")]
    assert [line for line in listed if line.startswith("made Created")]
    assert "A=1" in upgrade.inspect("ended")["Config"]["Env"]
    assert machine.ok("start", "-a", "made") == "from the record"
    machine("start", "-a", "ended")
    assert machine.ok("logs", "ended").split() == ["out", "out"]
    assert machine.ok("run", "--rm", "busybox", "echo", "new") == "new"
    machine.ok("rm", "made", "ended")


def test_a_supervisor_is_small_again_when_its_connections_have_ended(upgrade: Upgrade) -> None:
    assert upgrade.heard == [b"after", b"another"]
    pid = supervisor(upgrade.machine, "talk")
    upgrade.machine.until("talk", "small again", partial(small, pid), 40)
    with upgrade.connect("talk") as other:
        assert echoed(other, b"a third") == b"a third"


def test_the_last_release_reads_what_this_one_has_written(
    last: Path, this: Path, directory: Path, busybox_image: str
) -> None:
    upgrade = begin(this, directory / "this", busybox_image)
    try:
        options = ("-e", "A=1", "-v", "/data", "--restart", "on-failure:3", "-p", PUBLISHED)
        upgrade.run("on", *options, "--health-cmd", "true", command=WEB)
        upgrade.machine.ok(
            "create", "--name", "made", "-e", "A=1", "busybox", "sh", "-c", "echo $A"
        )
        installation = Installation(directory / "last-beside")
        installation.put(last)
        machine = upgrade.machine
        machine.command = installation.command
        listed = machine.ok("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines()
        assert sorted(listed) == ["made created", "on running"]
        assert "A=1" in upgrade.inspect("on")["Config"]["Env"]
        assert machine.ok("exec", "on", "sh", "-c", "echo $A") == "1"
        machine.ok("stop", "-t", "0", "on")
        machine.ok("start", "on")
        upgrade.await_small("on")
        assert fetched(upgrade, "on") == "served"
        assert machine.ok("start", "-a", "made") == "1"
        machine.ok("rm", "-f", "-v", "on", "made")
        assert os.listdir(f"{machine.root}/volumes") == []
    finally:
        upgrade.end()


# -- the release after this one


@pytest.fixture(scope="module")
def further(this: Path, directory: Path, busybox_image: str) -> Iterator[Upgrade]:
    """Containers of this release, and now the files of another that has other names for things."""
    upgrade = begin(this, directory / "from-this", busybox_image)
    try:
        _start_some(upgrade)
        upgrade.replace(next_release(this, directory))
        yield upgrade
    finally:
        upgrade.end()


def _start_some(upgrade: Upgrade) -> None:
    machine = upgrade.machine
    upgrade.run("web", "-p", PUBLISHED, command=WEB)
    upgrade.run("talk", "-p", PUBLISHED, command=ECHO)
    upgrade.run("portless", command=WEB)
    check = ("--health-cmd", "echo x >> /checks; sleep 2", "--health-interval", "1h")
    upgrade.run("checking", "-p", PUBLISHED, *check, command=WEB)
    upgrade.run("again", "--restart", "always", command=ENDS)
    upgrade.run("gone", "--rm")
    upgrade.run("counting-gone", "--rm", command=COUNT)
    line = f"run -i --name held -p {PUBLISHED} busybox sh -c"
    upgrade.clients["held"] = machine.start(
        *line.split(), f"exec 3<&0; ({FLOODS}; wc -c <&3) & {ECHO}"
    )
    machine.until("held", "running", partial(_is_listed, machine, "held"))
    upgrade.await_small("web", "talk", "portless", "again", "gone", "held", "checking")
    upgrade.await_listening("web", "talk", "portless", "held", "checking")
    upgrade.open["talk"] = upgrade.connect("talk")
    assert echoed(upgrade.open["talk"], b"before") == b"before"


def test_a_supervisor_gives_way_to_the_next_release(further: Upgrade) -> None:
    machine = further.machine
    assert fetched(further, "web") == "served"
    machine.ok("update", "--publish-add", PUBLISHED, "portless")
    assert fetched(further, "portless") == "served"
    assert echoed(further.open["talk"], b"after") == b"after"
    machine.ok("stop", "-t", "0", "web", "portless", "talk")
    states = machine.ok("ps", "-a", "--filter", "status=exited", "--format", "{{.Names}}")
    assert sorted(states.split()) == ["portless", "talk", "web"]
    assert machine.ok("inspect", "--format", "{{.State.ExitCode}}", "talk") == "137"


def test_it_starts_again_in_the_next_release(further: Upgrade) -> None:
    further.machine.ok("exec", "again", "touch", "/end")
    further.machine.until("again", "started again", partial(_has_come, further, 1))


@pytest.mark.parametrize("name", ["gone", "counting-gone"], ids=["idle", "busy"])
def test_it_ends_in_the_next_release(further: Upgrade, name: str) -> None:
    place = Path(further.machine.root, "containers", further.inspect(name)["Id"])
    further.machine.ok("stop", "-t", "1", name)
    further.machine.until(name, "gone", lambda: not place.exists())


def test_what_nobody_has_read_yet_goes_on_in_the_next_release(further: Upgrade) -> None:
    """Output that the client has no room for, and input that the container leaves alone."""
    client = further.clients["held"]
    assert client.stdin is not None
    assert client.stdout is not None
    sent = 0
    os.set_blocking(client.stdin.fileno(), False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += os.write(client.stdin.fileno(), b"x" * 65536)
            time.sleep(0.01)
    assert sent > 1 << 19
    further.machine.ok("exec", "held", "touch", "/go")
    log = Path(further.inspect("held")["LogPath"])
    before = -1
    while before != (before := log.stat().st_size) or not before:
        time.sleep(0.3)  # it writes until it is held up
    with further.connect("held") as connection:
        assert echoed(connection, b"hello") == b"hello", further.machine.state("held")
    os.set_blocking(client.stdin.fileno(), True)
    client.stdin.close()
    for number in range(1, 300001):
        assert client.stdout.readline() == f"{number}\n"
    assert client.stdout.readline() == f"{sent}\n"
    further.machine.ok("stop", "-t", "0", "held")
    assert client.wait(timeout=30) == 137


def test_a_check_that_runs_begins_anew_in_the_next_release(further: Upgrade) -> None:
    machine = further.machine
    client = machine.start("healthcheck", "run", "checking")
    machine.until("checking", "a check", partial(_checks, further))
    assert fetched(further, "checking") == "served"
    assert client.communicate(timeout=30) == ("", "")
    assert (client.returncode, _checks(further)) == (0, "x\nx\n")


def _checks(upgrade: Upgrade) -> str:
    return str(upgrade.machine("exec", "checking", "cat", "/checks").stdout)


def test_files_that_are_missing_are_waited_for(this: Path, directory: Path) -> None:
    upgrade = begin(this, directory / "gaps", "")
    package = upgrade.installation.package
    try:
        for name in ("stack", "all", "end"):
            echo = ["busybox", *ECHO.removeprefix("exec ").split()]
            upgrade.machine.ok("run", "-d", "--name", name, "-p", PUBLISHED, "host", *echo)
        ports = {name: upgrade.port(name) for name in ("stack", "all")}
        upgrade.await_listening("stack", "all")
        upgrade.await_small("stack", "all", "end")
        for name, missing in (("stack", package / "netstack"), ("all", package)):
            aside = package.parent / "aside"
            missing.rename(aside)
            with socket.create_connection(("127.0.0.1", ports[name]), timeout=20) as connection:
                connection.sendall(b"hello")
                time.sleep(1)
                aside.rename(missing)
                assert received(connection, 5) == b"hello", upgrade.machine.state(name)
        pid = upgrade.inspect("end")["State"]["Pid"]
        aside = package.rename(package.parent / "aside")
        os.kill(pid, signal.SIGKILL)
        time.sleep(1)
        aside.rename(package)
        ended = lambda: upgrade.inspect("end")["State"]["ExitCode"] == 137  # noqa: E731
        upgrade.machine.until("end", "ended", ended)
    finally:
        upgrade.end()
