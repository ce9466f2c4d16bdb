"""Many commands at once, and machines that have run out of something."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.containers.leavings import assert_nothing_left, supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Store

pytestmark = pytest.mark.once

CROWD = 50


def at_once(store: Store, lines: list[list[str]]) -> list[tuple[int, str]]:
    """Run all `lines` at once; return exit code and what was said of each."""
    started = [store.start(*line, stdin=subprocess.DEVNULL) for line in lines]
    done = []
    for process in started:
        out, err = process.communicate(timeout=100)
        done.append((process.returncode, out + err))
    return done


@pytest.mark.each
def test_many_start_at_once(busybox: Store) -> None:
    names = [f"c{number}" for number in range(CROWD)]
    lines = [["run", "-d", "--name", name, "busybox", "sleep", "1000"] for name in names]
    assert [answer for answer in at_once(busybox, lines) if answer[0]] == []
    assert sorted(busybox.ok("ps", "--format", "{{.Names}}").split()) == sorted(names)
    busybox.ok("rm", "-af")
    assert_nothing_left(busybox)


def test_one_name_for_many(busybox: Store) -> None:
    line = ["run", "-d", "--name", "one", "busybox", "sleep", "1000"]
    answers = at_once(busybox, [line] * CROWD)
    assert sorted(code for code, _ in answers) == [0] + [125] * (CROWD - 1)
    assert all('name "/one" is already in use' in said for code, said in answers if code)
    assert len(busybox.ok("ps", "-aq").splitlines()) == 1
    busybox.ok("rm", "-f", "one")


def read_beside_writers(store: Store, seconds: float) -> None:
    """20 readers and 20 writers, for so long; none of them sees an error."""
    store.ok("run", "-d", "--name", "steady", "busybox", "sh", "-c", "while :; do date; done")
    until, problems = time.monotonic() + seconds, []

    def repeat(lines: Callable[[int], list[list[str]]], number: int) -> None:
        while time.monotonic() < until:
            for line in lines(number):
                done = store(*line)
                if done.returncode:
                    problems.append((line, done.stdout + done.stderr))

    def reads(_number: int) -> list[list[str]]:
        return [["ps", "-a"], ["logs", "--tail", "5", "steady"], ["inspect", "steady"]]

    def writes(number: int) -> list[list[str]]:
        name = f"w{number}"
        return [["run", "-d", "--name", name, "busybox", "true"], ["rm", "-f", name]]

    threads = [threading.Thread(target=repeat, args=(reads, n)) for n in range(20)]
    threads += [threading.Thread(target=repeat, args=(writes, n)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    store.ok("rm", "-f", "steady")
    assert_nothing_left(store)


def test_readers_beside_writers(busybox: Store) -> None:
    read_beside_writers(busybox, 3)


@pytest.mark.soak
def test_readers_beside_writers_for_a_minute(busybox: Store) -> None:
    read_beside_writers(busybox, 60)


# -- out of something

LIMITED = """
import os, resource, sys
resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]),) * 2)
os.execv(sys.argv[3], sys.argv[3:])
"""


def limited(store: Store, kind: str, value: int, *line: str) -> subprocess.CompletedProcess[str]:
    """Run `rootless LINE` under a limit of setrlimit(2)."""
    command = [sys.executable, "-c", LIMITED, kind, str(value), *store.command, *line]
    return subprocess.run(
        command, env=store.env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.modes("mapped", "single")
def test_no_free_pids(busybox: Store) -> None:
    done = limited(busybox, "RLIMIT_NPROC", 1, "run", "--rm", "busybox", "true")
    assert done.returncode == 125
    assert len(done.stderr.splitlines()) == 1
    assert "ulimit -u" in done.stderr
    assert busybox.ok("ps", "-aq") == ""


@pytest.mark.parametrize("most", range(6, 20))
def test_few_descriptors(busybox: Store, most: int) -> None:
    done = limited(busybox, "RLIMIT_NOFILE", most, "run", "--rm", "busybox", "true")
    if done.returncode:
        assert done.returncode == 125
        assert len(done.stderr.splitlines()) == 1
        assert "Traceback" not in done.stderr
    assert busybox.ok("ps", "-aq") == ""


def test_long_paths(busybox: Store) -> None:
    """Longer than the 108 bytes of a socket's address (unix(7)), everywhere."""
    deep = f"{busybox.directory}/{'d' * 100}/{'e' * 100}"
    os.makedirs(f"{deep}/run", 0o700)
    env = {"ROOTLESS_ROOT": f"{deep}/root", "XDG_RUNTIME_DIR": f"{deep}/run"}
    busybox.ok("run", "-d", "--name", "one", "host", "cat", "/proc/sys/kernel/ostype", env=env)
    busybox.ok("run", "-di", "--name", "two", "host", "sh", "-c", "read x; echo $x", env=env)
    assert "Linux" in busybox.ok("logs", "one", env=env)
    assert busybox.ok("exec", "two", "echo", "well", env=env) == "well"
    assert busybox.ok("attach", "two", env=env, input="here\n") == "here"
    busybox.ok("rm", "-af", env=env)


def test_a_crowded_runtime_directory(busybox: Store) -> None:
    for number in range(100_000):
        os.close(os.open(f"{busybox.runtime}/{number}", os.O_CREAT | os.O_WRONLY))
    assert busybox.ok("run", "--rm", "busybox", "echo", "well") == "well"
    busybox.ok("ps", "-a")


def test_a_clock_set_back(busybox: Store) -> None:
    """What was started tomorrow, by today's clock, is listed, stopped and removed like all else."""
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    (directory,) = (f"{busybox.root}/containers/{name}" for name in ids(busybox))
    for name in ("state.json", "config.json"):
        with open(f"{directory}/{name}", encoding="utf-8") as file:
            values = json.load(file)
        for key in ("started", "created"):
            if key in values:
                values[key] += 86400
        with open(f"{directory}/{name}", "w", encoding="utf-8") as file:
            json.dump(values, file)
    assert "Up Less than a second" in busybox.ok("ps")
    assert busybox.ok("logs", "--since", "1m", "one") == ""
    busybox.ok("stop", "-t", "0", "one")
    assert "Exited (137)" in busybox.ok("ps", "-a")
    busybox.ok("start", "one")
    busybox.ok("rm", "-f", "one")


def test_a_stopped_supervisor(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    pid = supervisor(busybox)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert busybox.ok("exec", "one", "echo", "well") == "well"
        for line in (["stop", "-t", "0", "one"], ["rm", "-f", "one"]):
            done = busybox(*line)
            assert f"the supervisor of container one is stopped (kill -CONT {pid}" in done.stderr
            assert done.returncode
    finally:
        os.kill(pid, signal.SIGCONT)
    busybox.ok("rm", "-f", "one")


def test_after_a_reboot(busybox: Store) -> None:
    """What ran has ended then; the listing only says so, whoever starts or removes it writes."""
    for name in ("one", "two"):
        busybox.ok("run", "-d", "--name", name, "--restart", "always", "busybox", "sleep", "1000")
    was = {}
    for one in ids(busybox):
        with open(f"{busybox.root}/containers/{one}/state.json", encoding="utf-8") as file:
            was[one] = json.load(file)
    busybox.ok("stop", "-t", "0", "one", "two")
    for one, state in was.items():
        os.unlink(f"{busybox.root}/containers/{one}/stopped")
        with open(f"{busybox.root}/containers/{one}/state.json", "w", encoding="utf-8") as file:
            json.dump({**state, "boot": "00000000-0000-0000-0000-000000000000"}, file)
    listed = busybox.ok("ps", "-a", "--format", "{{.Status}}").splitlines()
    assert [line[:12] for line in listed] == ["Exited (255)"] * 2
    told = busybox.ok("inspect", "--format", "{{.State.Error}}", "one", "two").splitlines()
    assert told == ["the machine was shut down"] * 2
    busybox.ok("start", "--all", "--filter", "restart-policy=always")
    assert len(busybox.ok("ps", "-q").splitlines()) == 2
    busybox.ok("rm", "-af")
    assert_nothing_left(busybox)


WITHOUT_INOTIFY = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
"""In a user namespace of its own: a limit of the whole user would be other tests' as well."""


def test_no_free_inotify_instances(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    for line in (["logs", "-f", "one"], ["events"]):
        command = ["unshare", "-Ur", "sh", "-c", WITHOUT_INOTIFY, "sh", *busybox.command, *line]
        done = subprocess.run(
            command, env=busybox.env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert "your programs watch too many files already" in done.stderr
    busybox.ok("rm", "-f", "one")


def ids(store: Store) -> list[str]:
    return [name for name in os.listdir(f"{store.root}/containers") if name[0] != "."]
