"""Damaged records, and processes that are killed at any moment; `test_disks` has the disks.

Each time: a clear error of one line or the right result, nothing lost, and nothing left.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Store
from tests.containers.leavings import assert_nothing_left, family, kill, processes, supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once

MAPPED = ["--map-root-user", "--map-auto"]


def assert_one_clear_line(done: subprocess.CompletedProcess[Any], *words: str) -> None:
    assert done.returncode in (1, 125), done
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: ")
    assert "fault of rootless" not in lines[0], lines[0]
    assert all(word.lower() in lines[0].lower() for word in words), lines[0]


@pytest.fixture
def cli() -> Iterator[Store]:
    """As everywhere; and when its containers are removed, nothing of it may run any more."""
    store = Store()
    yield store
    store("rm", "-fa")
    deadline = time.monotonic() + 5
    while left := processes(store):
        assert time.monotonic() < deadline, left
    store.remove()


@pytest.fixture
def one(busybox: Store) -> Store:
    """A store with a container `one` that has ended and left a file."""
    busybox("run", "--name", "one", "busybox", "sh", "-c", "echo kept > /file; echo said; exit 3")
    return busybox


def identity(store: Store, name: str = "one") -> str:
    return os.readlink(f"{store.root}/containers/.names/{name}")


# -- damaged records

DAMAGE = [
    b"",
    b"{",
    b"[]",
    b"{}",
    b"\xff\xfe\x00",
    b'{"id": 3, "created": "x"}',
    b"null",
    b"9" * 99,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_config(one: Store, damage: bytes) -> None:
    busybox = one
    busybox.ok("create", "--name", "two", "busybox", "true")
    record = Path(f"{busybox.root}/containers/{identity(busybox)}/config.json")
    record.write_bytes(damage)
    listed = busybox("ps", "-a", "--format", "{{.Names}}")
    assert (listed.returncode, listed.stdout) == (0, "two\n")
    assert "damaged" in listed.stderr
    for command in (["start", "one"], ["inspect", "one"], ["logs", "one"], ["rm", "one"]):
        assert_one_clear_line(busybox(*command), "damaged")
    assert busybox.ok("rm", "-f", "one") == "one"
    assert busybox.ok("ps", "-a", "--format", "{{.Names}}") == "two"
    busybox.ok("rm", "two")
    assert_nothing_left(busybox)


AMISS: list[dict[str, Any]] = [
    {"labels": [1]},
    {"networks": []},
    {"networks": ["host"]},
    {"request": {"networks": 5, "mounts": "x"}},
    {"rm": None},
    {"spec": {}},
    {"volumes": 5},
    {"volumes": [{}]},
]


@pytest.mark.parametrize("amiss", AMISS, ids=str)
def test_config_with_other_things_in_it(one: Store, amiss: dict[str, Any]) -> None:
    """It is JSON, and has an id; and still it spoils no listing and no removal of an image."""
    one.ok("create", "--name", "two", "busybox", "true")
    record = Path(f"{one.root}/containers/{identity(one)}/config.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), **amiss}))
    listed = one("ps", "-a", "--format", "{{.Names}}")
    assert (listed.returncode, listed.stdout) == (0, "two\n")
    short = identity(one)[:12]
    for command in ("start", "inspect", "commit"):
        assert_one_clear_line(one(command, "one"), "damaged", short, f"rm -f {short}")
    assert one("system", "df").returncode == 0
    assert one.ok("rm", "-f", "one") == "one"
    one.ok("rm", "two")
    assert_nothing_left(one)


@pytest.mark.parametrize("layers", [5, [5], ["x"]])
def test_images_are_removed_beside_a_damaged_container(one: Store, layers: object) -> None:
    record = Path(f"{one.root}/containers/{identity(one)}/config.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "layers": layers}))
    one.ok("rmi", "-f", "busybox")
    one.ok("rm", "-f", "one")


@pytest.mark.parametrize("name", ["config.json", "state.json", "alive"])
def test_nobody_waits_for_a_pipe_in_the_place_of_a_file(one: Store, name: str) -> None:
    path = Path(f"{one.root}/containers/{identity(one)}/{name}")
    path.unlink()
    os.mkfifo(path)
    for command in (["ps", "-a"], ["inspect", "one"], ["rmi", "busybox"], ["system", "check"]):
        one(*command, timeout=20)
    assert one.ok("rm", "-f", "one", timeout=20) == "one"
    assert_nothing_left(one)


def test_a_link_in_the_place_of_a_container(one: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    place, link = f"{one.root}/containers", "a" * 64
    os.symlink(tmp_path, f"{place}/{link}")
    os.symlink(link, f"{place}/.names/link")
    assert one.ok("rm", "-f", "link") == "link"
    assert (tmp_path / "file").read_text() == "mine"
    one.ok("rm", "one")
    assert_nothing_left(one)


def test_record_that_is_gone(one: Store) -> None:
    os.unlink(f"{one.root}/containers/{identity(one)}/config.json")
    assert_one_clear_line(one("start", "one"), "record")
    one.ok("rm", "-f", "one")
    assert_nothing_left(one)


STATES = [
    b"",
    b"{",
    b"[]",
    b"{}",
    b'{"status": 7}',
    b'{"status":"x"}',
    b'{"status": "exited", "finished": "x", "exit_code": "y"}',
    b'{"status": "running", "started": "now", "pid": "x", "boot": 5}',
]


@pytest.mark.parametrize("damage", STATES)
def test_damaged_state(one: Store, damage: bytes) -> None:
    Path(f"{one.root}/containers/{identity(one)}/state.json").write_bytes(damage)
    assert one.ok("ps", "-a", "--format", "{{.Names}}") == "one"
    assert one("inspect", "one").returncode == 0
    assert one.ok("logs", "one") == "said"
    assert one("start", "-a", "one").returncode == 3  # which writes a new one
    assert one.ok("wait", "one") == "3"
    one.ok("rm", "one")
    assert_nothing_left(one)


@pytest.mark.parametrize("name", ["config.json", "state.json"])
def test_damaged_record_of_a_running_container(busybox: Store, name: str) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    Path(f"{busybox.root}/containers/{identity(busybox)}/{name}").write_bytes(b"{")
    busybox("ps", "-a")
    busybox.ok("rm", "-f", "one", timeout=20)
    assert_nothing_left(busybox)


def test_no_process_has_the_pid_on_record(one: Store) -> None:
    path = Path(f"{one.root}/containers/{identity(one)}/state.json")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    state = {**json.loads(path.read_text()), "status": "running", "boot": boot, "pid": 1 << 40}
    path.write_text(json.dumps(state))
    assert one.ok("ps", "-a", "--format", "{{.Status}}").startswith("Exited (255)")
    one.ok("rm", "one")


def test_running_says_the_record_but_nobody_lives(one: Store) -> None:
    """For example after a power cut, with pids that somebody else has now."""
    path = Path(f"{one.root}/containers/{identity(one)}/state.json")
    bystander = subprocess.Popen(["sleep", "1000"])
    try:
        ticks = Path(f"/proc/{bystander.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
        for boot in ("another boot", Path("/proc/sys/kernel/random/boot_id").read_text().strip()):
            state = {**json.loads(path.read_text()), "status": "running", "boot": boot}
            state |= {"pid": bystander.pid, "supervisor": bystander.pid}
            path.write_text(json.dumps({**state, "start_ticks": int(ticks) + 1}))
            assert one.ok("ps", "-a", "--format", "{{.Status}}").startswith("Exited (255)")
            assert one.ok("wait", "one") == "255"
            assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert one("start", "-a", "one").returncode == 3
    one.ok("rm", "one")


@pytest.mark.parametrize(
    "record",
    [
        "{}",
        '{"id": "ID", "command": ["a"], "pid": "x", "noted": []}',
        '{"id": "ID", "command": ["a"], "pid": 99999999999999, "noted": 1}',
        '{"id": "ID", "command": ["a"], "request": {}, "pid": 7}',
        '{"id": "ID", "command": ["a"], "exit_code": "x"}',
    ],
)
def test_damaged_record_of_an_exec(busybox: Store, record: str) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    busybox.ok("exec", "one", "true")
    session = "e" * 64
    path = Path(f"{busybox.root}/containers/{identity(busybox)}/exec/{session}.json")
    path.write_text(record.replace("ID", session))
    assert json.loads(busybox.ok("inspect", "one"))[0]["ExecIDs"] in (None, [])
    assert busybox.ok("exec", "one", "echo", "here") == "here"
    busybox.ok("rm", "-f", "one", timeout=20)
    assert_nothing_left(busybox)


# -- killed processes


@pytest.mark.parametrize("options", [[], ["--init"], ["--pid", "host"], ["-t"], ["-u", "1000"]])
@pytest.mark.each
def test_killed_supervisor(busybox: Store, options: list[str]) -> None:
    script = "sleep 1001 & echo said; sleep 1000"
    busybox.ok("run", "-d", "--name", "one", *options, "busybox", "sh", "-c", script)
    deadline = time.monotonic() + 10
    while busybox.ok("logs", "one").strip() != "said":  # what a pipe still holds dies with it
        assert time.monotonic() < deadline
    if "host" not in options:
        time.sleep(random.random() * 1.5)  # before or after it has made itself small
    kill(supervisor(busybox))
    assert busybox.ok("ps", "-a", "--format", "{{.Status}}").startswith("Exited (255)")
    assert busybox.ok("logs", "one").strip() == "said"
    if "host" not in options:
        deadline = time.monotonic() + 10
        while processes(busybox):
            assert time.monotonic() < deadline
    else:  # nobody is left who knows those that were not its first process
        for pid in processes(busybox):
            os.kill(pid, signal.SIGKILL)
    busybox.ok("start", "one")
    assert busybox.ok("ps", "--format", "{{.Names}}") == "one"
    busybox.ok("rm", "-f", "one")
    if "host" not in options:
        assert_nothing_left(busybox)


@pytest.mark.parametrize("command", [["rm", "one"], ["rm", "-f", "one"], ["start", "one"]])
@pytest.mark.parametrize("options", [[], ["--rm"]])
def test_first_to_find_a_killed_supervisor(
    busybox: Store, command: list[str], options: list[str]
) -> None:
    """Each command does its work, without a `ps` before."""
    busybox.ok("run", "-d", *options, "--name", "one", "busybox", "sleep", "1000")
    kill(supervisor(busybox))
    done = busybox(*command, timeout=20)
    assert done.returncode == 0 or "No such container" in done.stderr
    busybox.ok("rm", "-f", "one")
    assert_nothing_left(busybox)


def test_killed_supervisor_of_what_removes_itself(busybox: Store) -> None:
    client = busybox.start("run", "--rm", "--name", "one", "busybox", "sleep", "1000")
    deadline = time.monotonic() + 20
    while busybox.ok("ps", "-q") == "":
        assert time.monotonic() < deadline
    waiter = busybox.start("wait", "one")
    time.sleep(0.3)
    kill(supervisor(busybox))
    _, err = client.communicate(timeout=20)
    assert (client.returncode, "Traceback" in err) == (255, False)
    assert waiter.communicate(timeout=20)[0] == "255\n"
    busybox.ok("ps", "-a")
    assert busybox.ok("ps", "-aq") == ""
    assert_nothing_left(busybox)


def test_killed_command(busybox: Store) -> None:
    client = busybox.start("run", "--name", "one", "busybox", "sleep", "1000")
    deadline = time.monotonic() + 20
    while not (pid := busybox.ok("ps", "--format", "{{.Pid}}")):
        assert time.monotonic() < deadline
    os.kill(int(pid), signal.SIGKILL)
    client.communicate(timeout=20)
    assert client.returncode == 137
    assert busybox.ok("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137)")
    busybox.ok("rm", "one")
    assert_nothing_left(busybox)


def test_strangers_outlive_a_container_without_a_pid_namespace(busybox: Store) -> None:
    """The kernel gives a namespace's number to the next one, which is nobody's to kill."""
    busybox.ok("run", "-d", "--name", "one", "--pid", "host", "busybox", "sleep", "1000")
    pid = supervisor(busybox)
    init = int(busybox.ok("inspect", "-f", "{{.State.Pid}}", "one"))
    space = os.readlink(f"/proc/{init}/ns/mnt")
    strangers: list[subprocess.Popen[bytes]] = []
    os.kill(pid, signal.SIGSTOP)
    try:
        os.kill(init, signal.SIGKILL)
        held = [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        assert space in held
        for _ in range(50):
            command = ["unshare", "-Urm", "sh", "-c", "echo; exec sleep 1000"]
            strangers.append(subprocess.Popen(command, stdout=subprocess.PIPE))
            assert strangers[-1].stdout
            assert strangers[-1].stdout.readline() == b"\n"
        os.kill(pid, signal.SIGCONT)
        assert busybox.ok("wait", "one") == "137"
        spaces = [os.readlink(f"/proc/{stranger.pid}/ns/mnt") for stranger in strangers]
        assert space not in spaces
        assert {stranger.poll() for stranger in strangers} == {None}
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        for stranger in strangers:
            stranger.kill()
            stranger.communicate()


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.02])
@pytest.mark.each
def test_killed_while_it_starts(busybox: Store, seconds: float) -> None:
    """The command that starts is killed, its supervisor goes on; a second start waits for that."""
    busybox.ok("create", "--name", "one", "busybox", "sleep", "1000")
    client = busybox.start("start", "one")
    supervisor = 0
    while not supervisor:
        assert client.poll() is None, "it was too fast for us"
        supervisor = next((p for p in family(client.pid)[1:] if comm(p) == "rootless-super"), 0)
    time.sleep(seconds)
    os.kill(supervisor, signal.SIGSTOP)
    try:
        client.kill()
        client.wait()  # the pipes may be open still, in its supervisor
        second = busybox.start("start", "one")
        time.sleep(0.3)
    finally:
        os.kill(supervisor, signal.SIGCONT)
    client.communicate()
    assert second.communicate(timeout=20) == ("one\n", "")
    assert busybox.ok("ps", "--format", "{{.State}}") == "running"
    busybox.ok("rm", "-f", "one")
    assert_nothing_left(busybox)


def comm(pid: int) -> str:
    """Return the name that ps shows of a process, "" where it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@pytest.mark.parametrize("turn", range(12))
@pytest.mark.each
def test_kill_at_a_random_moment(busybox: Store, turn: int) -> None:
    """The command, its supervisor or its launcher, anywhere between start and end."""
    seed = int(os.environ.get("TEST_SEED", random.randrange(1 << 32))) + turn
    print(f"TEST_SEED={seed - turn}")
    dice = random.Random(seed)
    remove = ["--rm"] * dice.randrange(2)
    line = ["run", *remove, "--name", "one", *["--init"] * dice.randrange(2), "busybox"]
    client = busybox.start(*line, "sh", "-c", "echo a; sleep 0.05; echo b")
    time.sleep(dice.random() * 0.15)
    for pid in family(client.pid)[dice.randrange(3) :][:1]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _, err = client.communicate(timeout=30)
    assert "Traceback" not in err or "KeyboardInterrupt" in err, err
    assert "fault of rootless" not in err, err
    # What goes on without its client comes to its end.
    deadline = time.monotonic() + 10
    while processes(busybox):
        assert time.monotonic() < deadline, processes(busybox)
    listed = busybox("ps", "-a", "--format", "{{.Names}} {{.State}}")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout in ("", "one exited\n", "one created\n")
    if listed.stdout:
        if "created" in listed.stdout or not remove:
            busybox.ok("start", "one")
            busybox("wait", "one")
        busybox("rm", "-f", "one")
    # The name is free and the store is whole.
    busybox.ok("run", "--rm", "--name", "one", "busybox", "true")
    assert_nothing_left(busybox)


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.each
def test_killed_removal_is_finished_by_the_next(busybox: Store, turn: int) -> None:
    script = "for n in $(seq 1 400); do echo x > /tmp/$n; done"
    busybox.ok("run", "--name", "one", "busybox", "sh", "-c", script)
    process = busybox.start("rm", "one")
    time.sleep(0.03 + turn * 0.01)
    process.kill()
    process.communicate()
    if busybox.ok("ps", "-aq"):
        busybox.ok("rm", "one")
    assert_nothing_left(busybox)
    busybox.ok("run", "--name", "one", "--rm", "busybox", "true")


# -- directories and images


@pytest.mark.each
def test_runtime_directory_that_is_missing_or_open_to_all(busybox: Store) -> None:
    done = busybox("run", "--rm", "busybox", "true", env={"XDG_RUNTIME_DIR": "/nonexistent"})
    assert done.returncode == 0, done.stderr  # a private one below /tmp serves
    open_to_all = f"{busybox.directory}/open"
    os.mkdir(open_to_all)
    os.chmod(open_to_all, 0o777)
    done = busybox("run", "--rm", "busybox", "true", env={"XDG_RUNTIME_DIR": open_to_all})
    assert done.returncode == 0, done.stderr
    assert os.listdir(open_to_all) == []
    own = f"{busybox.directory}/own"
    os.makedirs(f"{own}/rootless", 0o700)
    os.chmod(f"{own}/rootless", 0o777)
    done = busybox("run", "--rm", "busybox", "true", env={"XDG_RUNTIME_DIR": own})
    assert_one_clear_line(done, "runtime directory", "writable by somebody else")


def test_runtime_directory_that_vanishes(busybox: Store) -> None:
    """A session manager removes it at logout: running containers stay in sight."""
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    shutil.rmtree(f"{busybox.runtime}/rootless")
    assert busybox.ok("ps", "--format", "{{.Names}}") == "one"
    assert busybox.ok("exec", "one", "echo", "inside") == "inside"
    busybox.ok("run", "--rm", "busybox", "true")
    busybox.ok("rm", "-f", "one")
    assert_nothing_left(busybox)


def test_image_that_cannot_be_read(busybox: Store) -> None:
    blobs = Path(f"{busybox.root}/images/blobs/sha256")
    for blob in blobs.iterdir():
        if blob.stat().st_size < 100000:
            blob.chmod(0o600)
            blob.write_bytes(b"garbage")
    done = busybox("run", "--rm", "busybox", "true")
    assert_one_clear_line(done)
    assert_nothing_left(busybox)
    assert busybox("run", "--rm", "host", "true").returncode == 0


def test_layer_that_is_gone(busybox: Store) -> None:
    """An unpacked layer that somebody deleted is unpacked again, or named."""
    busybox.ok("run", "--rm", "busybox", "true")
    for layer in os.listdir(f"{busybox.root}/layers"):
        subprocess.run(["unshare", *MAPPED[:1], "rm", "-rf", f"{busybox.root}/layers/{layer}"])
    done = busybox("run", "--rm", "busybox", "true")
    assert done.returncode == 0 or "layer" in done.stderr


def test_directory_that_is_no_store(cli: Store) -> None:
    os.mkdir(cli.root)
    Path(f"{cli.root}/thesis.tex").write_text("years of work")
    assert_one_clear_line(cli("run", "--rm", "host", "true"), "not a store")
    assert os.listdir(cli.root) == ["thesis.tex"]


def test_store_of_another_version(cli: Store) -> None:
    cli.ok("run", "--rm", "host", "true")
    Path(f"{cli.root}/rootless-store").write_text("999\n")
    assert_one_clear_line(cli("run", "--rm", "host", "true"), "999")
