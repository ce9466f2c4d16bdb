"""Restart policies, `restart`, and what a boot starts again."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.containers.leavings import kill

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Store

pytestmark = pytest.mark.once

AT_LAST = ["wait", "--condition", "exited"]
"""Until nothing follows: `wait` alone is content with the first end."""

FAILS = "echo run >> /runs; exit 3"


def record(store: Store, name: str, file: str = "state.json") -> dict[str, Any]:
    identity = os.readlink(f"{store.root}/containers/.names/{name}")
    value: dict[str, Any] = json.loads(
        Path(f"{store.root}/containers/{identity}/{file}").read_text()
    )
    return value


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_on_failure_gives_up_at_last(busybox: Store) -> None:
    script = "echo run; exit 3"
    busybox.ok(
        "run", "-d", "--name", "one", "--restart", "on-failure:2", "busybox", "sh", "-c", script
    )
    assert busybox.ok(*AT_LAST, "one") == "3"
    assert busybox.ok("logs", "one") == "run\nrun\nrun"
    state = record(busybox, "one")
    assert (state["status"], state["restart_count"], state["exit_code"]) == ("exited", 2, 3)
    busybox.ok("start", "one")  # by hand: it counts from the beginning
    assert busybox.ok(*AT_LAST, "one") == "3"
    assert busybox.ok("logs", "one") == "\n".join(["run"] * 6)


def test_wait_returns_at_the_first_end(busybox: Store) -> None:
    """Of a container that starts again for ever it would never return otherwise."""
    busybox.ok("run", "-d", "--name", "one", "--restart", "always", "busybox", "sleep", "1000")
    with busybox.start("wait", "one") as waiting:
        until(lambda: inotify_of(waiting.pid))
        os.kill(record(busybox, "one")["pid"], signal.SIGKILL)
        assert waiting.communicate(timeout=60)[0] == "137\n"
    until(lambda: busybox.ok("ps", "--format", "{{.State}}") == "running")
    busybox.ok("rm", "-f", "one")


def inotify_of(pid: int) -> bool:
    """Whether a process waits for changes by now."""
    directory = f"/proc/{pid}/fd"
    try:
        return any("inotify" in os.readlink(f"{directory}/{fd}") for fd in os.listdir(directory))
    except OSError:
        return False  # one has just been closed


def test_on_failure_is_content_with_success(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "--restart", "on-failure", "busybox", "true")
    assert busybox.ok("wait", "one") == "0"
    assert record(busybox, "one")["restart_count"] == 0


def test_always_goes_on_until_it_is_stopped(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "--restart", "always", "busybox", "true")
    supervisor = record(busybox, "one")["supervisor"]
    until(lambda: record(busybox, "one")["restart_count"] >= 2)
    assert record(busybox, "one")["supervisor"] == supervisor  # the same process all along
    assert busybox.ok("ps", "-q") != ""
    refused = busybox("rm", "one")
    assert refused.returncode == 1
    assert "stop it first" in refused.stderr
    busybox.ok("stop", "one")
    state = record(busybox, "one")
    assert state["status"] == "exited"
    assert busybox.ok("ps", "-q") == ""
    busybox.ok("rm", "one")


@pytest.mark.parametrize("command", [["stop", "-t", "0"], ["kill"], ["rm", "-f"]])
def test_what_is_ended_on_purpose_stays_so(busybox: Store, command: list[str]) -> None:
    busybox.ok("run", "-d", "--name", "one", "--restart", "always", "busybox", "sleep", "1000")
    busybox.ok(*command, "one")
    if command != ["rm", "-f"]:
        assert busybox.ok("wait", "one") == "137"
        assert record(busybox, "one")["restart_count"] == 0
    assert busybox.ok("ps", "-q") == ""


def test_ended_by_a_signal_from_outside_it_comes_back(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "--restart", "always", "busybox", "sleep", "1000")
    os.kill(record(busybox, "one")["pid"], signal.SIGKILL)
    until(lambda: record(busybox, "one")["restart_count"] == 1)
    until(lambda: busybox.ok("ps", "--format", "{{.State}}") == "running")
    assert busybox.ok("exec", "one", "echo", "inside") == "inside"
    busybox.ok("rm", "-f", "one")


def test_files_and_terminal_are_kept(busybox: Store) -> None:
    script = "cat /runs; tty; echo run >> /runs; exit 3"
    options = ["--restart", "on-failure:2", "-t", "--name", "one"]
    busybox.ok("run", "-d", *options, "busybox", "sh", "-c", script)
    busybox.ok(*AT_LAST, "one")
    lines = [line for line in busybox.ok("logs", "one").split() if line != "run"]
    assert lines.count("/dev/pts/0") == 3
    assert busybox.ok("logs", "one").split().count("run") == 3


def test_foreground_ends_with_the_first_run(busybox: Store) -> None:
    done = busybox(
        "run", "--name", "one", "--restart", "on-failure:1", "busybox", "sh", "-c", FAILS
    )
    assert done.returncode == 3
    assert busybox.ok(*AT_LAST, "one") == "3"
    assert record(busybox, "one")["restart_count"] == 1


def test_a_start_that_fails_is_tried_again(busybox: Store) -> None:
    source = f"{busybox.directory}/source"
    os.mkdir(source)
    options = ["--mount", f"type=bind,src={source},dst=/data", "--restart", "always"]
    busybox.ok("run", "-d", "--name", "one", *options, "busybox", "sleep", "1000")
    os.rename(source, source + ".away")
    os.kill(record(busybox, "one")["pid"], signal.SIGKILL)
    until(lambda: record(busybox, "one")["restart_count"] >= 3)
    assert "source" in record(busybox, "one")["error"]
    os.rename(source + ".away", source)
    until(lambda: busybox.ok("ps", "--format", "{{.State}}") == "running")
    busybox.ok("rm", "-f", "one")


def test_killed_supervisor_that_waits_for_the_next_start(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "--restart", "always", "busybox", "false")
    until(lambda: record(busybox, "one").get("restart_count", 0) >= 2)
    kill(record(busybox, "one")["supervisor"])
    assert busybox.ok("ps", "-q") == ""
    assert record(busybox, "one")["status"] == "exited"
    busybox.ok("rm", "one")


# -- the command


def test_restart(busybox: Store) -> None:
    script = "echo run; trap 'exit 0' TERM; while :; do sleep 0.05; done"
    busybox.ok("run", "-d", "--name", "one", "busybox", "sh", "-c", script)
    before = record(busybox, "one")["pid"]
    assert busybox.ok("restart", "one") == "one"
    assert record(busybox, "one")["pid"] != before
    until(lambda: busybox.ok("logs", "one") == "run\nrun")
    busybox.ok("stop", "one")
    assert busybox.ok("restart", "one") == "one"  # one that does not run is started
    assert busybox.ok("ps", "--format", "{{.Names}}") == "one"


def test_restart_keeps_what_removes_itself(busybox: Store) -> None:
    busybox.ok("run", "-d", "--rm", "--name", "one", "busybox", "sleep", "1000")
    identity = busybox.ok("ps", "-q")
    busybox.ok("exec", "one", "touch", "/kept")
    busybox.ok("restart", "-t", "0", "one")
    assert busybox.ok("ps", "-q") == identity
    busybox.ok("exec", "one", "ls", "/kept")
    busybox.ok("stop", "-t", "0", "one")
    assert busybox.ok("ps", "-aq") == ""


def test_restart_of_all_that_run(busybox: Store) -> None:
    for name in ("one", "two"):
        busybox.ok("run", "-d", "--name", name, "busybox", "sleep", "1000")
    busybox.ok("create", "--name", "three", "busybox", "sleep", "1000")
    pids = {name: record(busybox, name)["pid"] for name in ("one", "two")}
    assert len(busybox.ok("restart", "--running", "-t", "0").splitlines()) == 2
    assert all(record(busybox, name)["pid"] != pid for name, pid in pids.items())
    assert busybox.ok("ps", "-a", "--filter", "status=created", "--format", "{{.Names}}") == "three"
    assert busybox.ok("restart", "-t", "0", "--latest") == busybox.ok("ps", "-lq", "--no-trunc")
    busybox.ok("rm", "-fa")


# -- SIGTERM to the supervisor, as a service manager stops a unit


def test_a_supervisor_that_is_to_end_stops_its_container(busybox: Store) -> None:
    script = "trap 'echo bye; exit 3' USR1; echo ready; while true; do sleep 0.1; done"
    options = ["--restart", "always", "--stop-signal", "USR1", "--name", "one"]
    busybox.ok("run", "-d", *options, "busybox", "sh", "-c", script)
    until(lambda: busybox.ok("logs", "one") == "ready")
    os.kill(record(busybox, "one")["supervisor"], signal.SIGTERM)
    assert busybox.ok("wait", "one") == "3"
    assert busybox.ok("logs", "one") == "ready\nbye"
    state = record(busybox, "one")
    assert (state["status"], state["restart_count"]) == ("exited", 0)


@pytest.mark.parametrize("seconds", [0, 2])
def test_a_supervisor_that_is_to_end_has_patience(busybox: Store, seconds: int) -> None:
    """It makes itself small meanwhile, and keeps the time."""
    options = ["--stop-timeout", str(seconds), "--name", "one"]
    busybox.ok("run", "-d", *options, "busybox", "sh", "-c", "trap '' TERM; sleep 1000")
    began = time.monotonic()
    os.kill(record(busybox, "one")["supervisor"], signal.SIGTERM)
    assert busybox.ok("wait", "one") == "137"
    assert time.monotonic() - began > seconds * 0.9


# -- after a boot


def test_what_a_boot_starts(busybox: Store) -> None:
    for name, policy in (
        ("a", "always"),
        ("b", "unless-stopped"),
        ("c", "no"),
        ("d", "unless-stopped"),
    ):
        busybox.ok("run", "-d", "--name", name, "--restart", policy, "busybox", "sleep", "1000")
    busybox.ok("stop", "-t", "0", "a", "d")
    for name in ("b", "c"):  # as a machine that goes down takes them
        kill(record(busybox, name)["supervisor"])
    assert busybox.ok("ps", "-q") == ""
    filters = ["--filter", "restart-policy=always", "--filter", "restart-policy=unless-stopped"]
    busybox.ok("start", "--all", *filters)
    assert sorted(busybox.ok("ps", "--format", "{{.Names}}").split()) == ["a", "b"]
    busybox.ok("rm", "-fa")
