"""exec: a further process in a running container."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.containers.terminals import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

ENDLESS = ["sleep", "1000"]


@pytest.fixture(scope="module")
def running(shared: Store) -> Iterator[Store]:
    """A store in which a container `one` runs, with an environment of its own."""
    shared.ok(
        *["run", "-d", "--rm", "--name", "one", "-e", "GIVEN=by run", "-w", "/tmp", "-h", "box"],
        *["busybox", *ENDLESS],
    )
    yield shared
    shared.ok("rm", "-f", "one")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "kill -9 $$"], 137),
        (["/etc"], 126),
        (["/nothing"], 127),
        (["nothing"], 127),
    ],
)
def test_exit_code(running: Store, command: list[str], code: int) -> None:
    done = running("exec", "one", *command)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""


def test_unknown_or_stopped_container(running: Store) -> None:
    done = running("exec", "two", "true")
    assert done.returncode in (1, 125)
    assert "No such container: two" in done.stderr
    running.ok("create", "--name", "two", "busybox", "true")
    done = running("exec", "two", "true")
    assert done.returncode in (1, 125)
    assert "is not running" in done.stderr
    running.ok("rm", "two")


def test_environment(running: Store, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("env") / "file"
    file.write_text("FROM_FILE=yes\n")
    lines = running.ok(
        *["exec", "-e", "MORE=1", "-e", "COPIED", "--env-file", str(file), "one", "env"],
        env={"COPIED": "from us", "SECRET": "not this"},
    ).splitlines()
    values = dict(line.split("=", 1) for line in lines)
    assert values == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME": "box",
        "HOME": "/root",
        "GIVEN": "by run",
        "MORE": "1",
        "COPIED": "from us",
        "FROM_FILE": "yes",
        "container": "podman",
    }


def test_working_directory(running: Store) -> None:
    assert running.ok("exec", "one", "pwd") == "/tmp"
    assert running.ok("exec", "-w", "/etc", "one", "pwd") == "/etc"
    assert running("exec", "-w", "/proc/self/fd/5", "one", "pwd").returncode in (1, 126)


def test_user(running: Store) -> None:
    script = "id -u; id -g; echo $HOME"
    assert running.ok("exec", "-u", "user", "one", "sh", "-c", script).split() == [
        "1000",
        "1000",
        "/home/user",
    ]
    assert running.ok("exec", "-u", "7:8", "one", "sh", "-c", script).split() == ["7", "8", "/"]
    assert running("exec", "-u", "nobody-knows", "one", "true").returncode == 1


def test_every_user_in_a_container_of_another(shared: Store) -> None:
    """Root there is what root of a container is, and the container's own user is in its place."""
    shared.ok("run", "-d", "--name", "other", "-u", "1000:7", "busybox", *ENDLESS)
    script = "id -u; id -g; echo x > /dev/stderr; grep CapEff /proc/self/status"
    capable = {}
    for user in ("0", "1000:7", "5:0", "0:5", "user"):
        done = shared("exec", "-u", user, "other", "sh", "-c", script)
        assert (done.returncode, done.stderr) == (0, "x\n"), done.stderr
        uid, gid, _, caps = done.stdout.split()
        group = {"0": "0", "5:0": "0", "user": "1000"}.get(user, user.partition(":")[2])
        assert (uid, gid) == (user.partition(":")[0].replace("user", "1000"), group)
        capable[user] = int(caps, 16) != 0
    assert capable == {"0": True, "0:5": True, "1000:7": False, "5:0": False, "user": False}
    shared.ok("exec", "-u", "0", "other", "mkdir", "/root/made", "/new")
    same = "readlink /proc/self/ns/user; readlink /proc/1/ns/user"
    assert len(set(shared.ok("exec", "other", "sh", "-c", same).split())) == 1
    shared.ok("rm", "-f", "other")


def test_user_of_the_container(shared: Store) -> None:
    shared.ok("run", "-d", "--rm", "--name", "user", "-u", "1000:1000", "busybox", *ENDLESS)
    assert shared.ok("exec", "user", "sh", "-c", "id -u; id -g").split() == ["1000", "1000"]
    done = shared("exec", "user", "sh", "-c", "echo x > /dev/stderr")
    assert done.stderr == "x\n"
    shared.ok("rm", "-f", "user")


@pytest.mark.modes("mapped", "root")
def test_command_that_changed_its_user(shared: Store) -> None:
    script = "exec su -s /bin/sh nobody -c 'exec sleep 1000'"
    shared.ok("run", "-d", "--rm", "--name", "changed", "busybox", "sh", "-c", script)
    deadline = time.monotonic() + 10
    while shared.ok("exec", "changed", "stat", "-c", "%U", "/proc/1") != "nobody":
        assert time.monotonic() < deadline
    assert shared.ok("exec", "changed", "id", "-u") == "0"
    shared.ok("rm", "-f", "changed")


def facts(text: str) -> dict[str, str]:
    """Return what must be equal of two processes of one container."""
    lines = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    names = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Groups")
    return {name: lines[name] for name in (*names, "SigIgn", "SigBlk")}


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--init"],
        ["--userns", "keep-id"],
        ["-u", "1000"],
        ["--cap-drop", "ALL"],
        ["--privileged"],
        ["--security-opt", "no-new-privileges"],
        ["--pid", "host"],
        ["--network", "host", "--ipc", "host", "--uts", "host"],
        ["--userns", "keep-id", "--init", "-u", "5"],
    ],
    ids=" ".join,
)
def test_is_confined_as_the_container_is(
    shared: Store, options: list[str], in_user_mode: str
) -> None:
    if "5" in options and in_user_mode == "single":
        pytest.skip("only one id exists")
    links = "for link in /proc/self/ns/* /proc/self/root; do readlink $link; done"
    script = f"cat /proc/self/status; {links}; ulimit -a"
    first = f"({script}) > /tmp/first 2>&1; echo ready; exec sleep 1000"
    shared.ok("run", "-d", "--name", "same", *options, "busybox", "sh", "-c", first)
    deadline = time.monotonic() + 10
    while "ready" not in shared.ok("logs", "same"):
        assert time.monotonic() < deadline
    mine = shared.ok("exec", "same", "cat", "/tmp/first")
    other = shared.ok("exec", "same", "sh", "-c", script + " 2>&1")
    shared.ok("rm", "-f", "same")
    assert facts(mine) == facts(other)
    mark = "nonvoluntary_ctxt_switches"
    assert mine.split(mark)[1].split("\n")[1:] == other.split(mark)[1].split("\n")[1:]


def test_input_output_and_no_terminal(running: Store) -> None:
    done = running("exec", "-i", "one", "sh", "-c", "cat; echo err >&2; tty", input="in\n")
    assert (done.stdout, done.stderr) == ("in\nnot a tty\n", "err\n")
    assert running("exec", "one", "cat", input="in\n").stdout == ""
    fds = running.ok("exec", "one", "ls", "/proc/self/fd").split()
    assert fds == ["0", "1", "2", "3"]


def test_terminal(running: Store) -> None:
    wait = "while :; do read -t 1 x && echo got $x && exit 5; done"
    script = f"trap 'stty size' WINCH; tty; stty size; {wait}"
    with Terminal(running, "exec", "-it", "one", "sh", "-c", script) as terminal:
        terminal.expect("/dev/pts/")
        terminal.expect("24 80")
        terminal.resize(30, 90)
        terminal.expect("30 90")
        terminal.type("word\r")
        terminal.expect("got word")
        assert terminal.wait() == 5


def test_job_control(running: Store) -> None:
    with Terminal(running, "exec", "-it", "one", "sh") as terminal:
        terminal.expect("# ")
        terminal.type("sleep 777\r")
        terminal.expect("sleep 777\r\n")
        time.sleep(0.3)
        terminal.type("\x03")
        terminal.expect("# ")
        terminal.type("exit\r")
        assert terminal.wait() == 130


def test_detached(running: Store) -> None:
    assert running.ok("exec", "-d", "one", "sh", "-c", "echo done > /tmp/detached; sleep 1") == ""
    deadline = time.monotonic() + 10
    while running("exec", "one", "cat", "/tmp/detached").stdout != "done\n":
        assert time.monotonic() < deadline
    assert running("exec", "-d", "one", "nothing").returncode == 127


def test_detached_holds_no_pipe_of_ours(running: Store) -> None:
    began = time.monotonic()
    running.ok("exec", "-d", "one", "sleep", "30")  # read to the end of both pipes
    assert time.monotonic() - began < 20


def test_children_keep_nobody_waiting(running: Store) -> None:
    began = time.monotonic()
    assert running.ok("exec", "one", "sh", "-c", "sleep 30 & echo done") == "done"
    assert time.monotonic() - began < 20


def test_many_at_once(running: Store) -> None:
    started = [running.start("exec", "one", "sh", "-c", f"echo {n}; exit {n}") for n in range(12)]
    results = [(p.communicate(timeout=60), p.returncode) for p in started]
    assert results == [((f"{n}\n", ""), n) for n in range(12)]


def test_privileged(running: Store) -> None:
    bits = running.ok("exec", "--privileged", "one", "grep", "CapEff", "/proc/self/status")
    plain = running.ok("exec", "one", "grep", "CapEff", "/proc/self/status")
    assert int(bits.split()[1], 16) > int(plain.split()[1], 16)


def test_container_stopped_meanwhile(shared: Store) -> None:
    shared.ok("run", "-d", "--rm", "--name", "brief", "busybox", *ENDLESS)
    process = shared.start("exec", "brief", "sh", "-c", "echo ready; sleep 1000")
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    shared.ok("rm", "-f", "brief")
    process.communicate(timeout=20)
    assert process.returncode == 137


def test_interrupted_client(running: Store) -> None:
    process = running.start("exec", "one", "sh", "-c", "echo ready; sleep 3")
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_callers_descriptors_stay_outside(running: Store) -> None:
    read, write = os.pipe()
    try:
        listed = running.ok("exec", "one", "ls", "/proc/self/fd", pass_fds=(read, write))
    finally:
        os.close(read)
        os.close(write)
    assert listed.split() == ["0", "1", "2", "3"]


def test_exit_codes_are_kept(shared: Store) -> None:
    """Several at once, detached ones too, until the container starts again."""
    shared.ok("run", "-d", "--name", "codes", "busybox", "sleep", "1000")
    clients = [shared.start("exec", "codes", "sh", "-c", f"sleep 0.3; exit {n}") for n in range(4)]
    shared.ok("exec", "-d", "codes", "sh", "-c", "sleep 0.3; exit 9")
    assert [client.wait(timeout=20) for client in clients] == [0, 1, 2, 3]
    for client in clients:
        client.communicate()
    identity = os.readlink(f"{shared.root}/containers/.names/codes")
    directory = Path(f"{shared.root}/containers/{identity}/exec")

    def codes() -> list[int]:
        records = [json.loads(path.read_text()) for path in directory.iterdir()]
        return sorted(one["exit_code"] for one in records if not one["running"])

    deadline = time.monotonic() + 20
    while codes() != [0, 1, 2, 3, 9]:
        assert time.monotonic() < deadline
    shared.ok("restart", "-t", "0", "codes")
    assert list(directory.iterdir()) == []
    shared.ok("rm", "-f", "codes")
