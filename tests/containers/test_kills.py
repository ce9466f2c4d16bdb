"""kill -9 of any process, at any moment of any command: nothing is lost, nothing is left.

Each round does something with a container and kills one of the processes that take part. Beside
it a process reads all records all the time: each is whole, or not there.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.containers.leavings import assert_nothing_left, family, processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

READER = """
import glob, json, os, sys, time
while True:
    for path in glob.glob(os.environ["ROOTLESS_ROOT"] + "/containers/*/*.json"):
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            continue
        try:
            assert isinstance(json.loads(data), dict)
        except Exception:
            print("torn:", path, data[:200], flush=True)
            sys.exit(1)
    time.sleep(0.001)
"""

SCRIPT = "trap 'exit 0' TERM; while :; do sleep 0.02; done"
LINES = {
    "create": [["create", "--name", "one", "busybox", "true"]],
    "run": [["run", "--name", "one", "busybox", "sh", "-c", "echo a; sleep 0.05; echo b"]],
    "run --rm": [["run", "--rm", "--name", "one", "busybox", "sleep", "0.05"]],
    "run --init": [["run", "--init", "--name", "one", "busybox", "sleep", "0.05"]],
    "run --restart": [["run", "--restart", "always", "--name", "one", "busybox", "sleep", "0.02"]],
    "start": [["create", "--name", "one", "busybox", "sleep", "0.1"], ["start", "one"]],
    "exec": [
        ["run", "-d", "--name", "one", "busybox", "sleep", "1000"],
        ["exec", "one", "sh", "-c", "echo a; sleep 0.05"],
    ],
    "stop": [["run", "-d", "--name", "one", "busybox", "sh", "-c", SCRIPT], ["stop", "one"]],
    "restart": [
        ["run", "-d", "--name", "one", "busybox", "sh", "-c", SCRIPT],
        ["restart", "-t", "1", "one"],
    ],
    "restart --rm": [
        ["run", "-d", "--rm", "--name", "one", "busybox", "sh", "-c", SCRIPT],
        ["restart", "-t", "1", "one"],
    ],
    "rename": [["create", "--name", "one", "busybox", "true"], ["rename", "one", "two"]],
    "pause": [["run", "-d", "--name", "one", "busybox", "sh", "-c", SCRIPT], ["pause", "one"]],
    "rm": [["run", "--name", "one", "busybox", "true"], ["rm", "one"]],
    "rm -f": [["run", "-d", "--name", "one", "busybox", "sleep", "1000"], ["rm", "-f", "one"]],
}
"""What is done; the last line is the one in which somebody is killed."""


@pytest.fixture
def reader(busybox: Store) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", READER]
    process = subprocess.Popen(command, env=busybox.env, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def taking_part(store: Store, client: int) -> list[int]:
    """Return the processes that one may be killed of: the command's, the container's and others."""
    found = family(client)
    for state in Path(store.root, "containers").glob("*/state.json"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            values = json.loads(state.read_text())
            found += [values["supervisor"], values["pid"]]
    ours = processes(store)
    return [pid for pid in found if pid in ours]


def one_round(store: Store, reader: subprocess.Popen[str], seed: int) -> None:
    dice = random.Random(seed)
    *before, line = LINES[dice.choice(sorted(LINES))]
    print(f"TEST_SEED={seed}: {' '.join(line)}")
    for words in before:
        store(*words)
    client = store.start(*line)
    time.sleep(dice.random() * 0.12)
    if victims := taking_part(store, client.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(dice.choice(victims), signal.SIGKILL)
    try:
        _, err = client.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        client.kill()
        client.communicate()
        raise
    assert "Traceback" not in err, err
    assert "fault of rootless" not in err, err
    check(store)
    assert reader.poll() is None, reader.communicate()[0]


def check(store: Store) -> None:
    """What is listed can be removed, and then nothing is left."""
    listed = store("ps", "-a", "--format", "{{.Names}} {{.State}}", timeout=30)
    assert (listed.returncode, listed.stderr) == (0, "")
    for row in listed.stdout.splitlines():
        name, state = row.split(" ", 1)
        assert name in ("one", "two")
        assert state in ("created", "running", "restarting", "paused", "exited")
        if state in ("created", "exited"):
            done = store("start", name, timeout=30)
            # One with --rm may have gone on without its client, to its end.
            assert done.returncode == 0 or "No such container" in done.stderr, done.stderr
    for row in listed.stdout.splitlines():
        done = store("rm", "-f", row.split(" ")[0], timeout=30)
        assert done.returncode == 0 or "No such container" in done.stderr, done.stderr
    assert store.ok("ps", "-aq") == ""
    assert_nothing_left(store)
    names = os.listdir(f"{store.root}/containers/.names")
    for name in names:  # a killed remover's: whoever wants the name gets it
        store.ok("create", "--name", name, "busybox", "true")
        store.ok("rm", name)
    assert os.listdir(f"{store.root}/containers/.names") == []


def first_seed() -> int:
    return int(os.environ.get("TEST_SEED", random.randrange(1 << 32)))


@pytest.mark.parametrize("turn", range(4))
def test_kills(busybox: Store, reader: subprocess.Popen[str], turn: int) -> None:
    seed = first_seed() + 1000 * turn
    for number in range(8):
        one_round(busybox, reader, seed + number)


@pytest.mark.soak
def test_a_thousand_kills(busybox: Store, reader: subprocess.Popen[str]) -> None:
    seed = first_seed()
    for number in range(1000):
        one_round(busybox, reader, seed + number)
    print("1000 faults, 0 lost objects")
