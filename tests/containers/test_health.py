"""Health checks by the supervisor: what they say, when they come, and what follows."""

from __future__ import annotations

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

from rootless.containers import record as records
from rootless.containers.running.health import checks, words
from rootless.oci.jsonio import dump_bytes
from rootless.runtime.supervision import health_log
from tests.containers.test_restarts import record, until

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.once

QUICK = ["--health-interval", "100ms", "--health-retries", "2"]
CHECK = "test -e /well && echo well"
SLEEPER = ["busybox", "sleep", "1000"]


def start(store: Store, *options: str) -> None:
    store.ok("run", "-d", "--name", "one", *QUICK, *options, *SLEEPER)


def results(store: Store) -> list[dict[str, Any]]:
    """Return the results so far."""
    try:
        found: list[dict[str, Any]] = record(store, "one", "health.json")["log"]
    except FileNotFoundError:
        return []
    return found


def last(store: Store) -> dict[str, Any]:
    return results(store)[-1]


def test_from_starting_to_unhealthy_to_healthy(busybox: Store) -> None:
    start(busybox, "--health-cmd", CHECK)
    assert busybox.ok("wait", "--condition", "unhealthy", "one") == "-1"
    result = record(busybox, "one", "health.json")
    assert result["failing"] >= 2
    assert {entry["exit"] for entry in result["log"]} == {1}
    busybox.ok("exec", "one", "touch", "/well")
    assert busybox.ok("wait", "--condition", "healthy", "one") == "-1"
    assert (last(busybox)["exit"], last(busybox)["output"]) == (0, "well\n")
    until(lambda: len(results(busybox)) == 5)
    time.sleep(0.3)
    assert len(results(busybox)) == 5
    assert record(busybox, "one")["health"] == "healthy"


def test_checked_while_the_supervisor_is_small_and_after(busybox: Store) -> None:
    """It makes itself small between two checks that are further apart than its patience."""
    start(busybox, "--health-cmd", "true", "--health-interval", "1300ms")
    supervisor = record(busybox, "one")["supervisor"]

    def small() -> bool:
        return "resume" in Path(f"/proc/{supervisor}/cmdline").read_text()

    until(small)
    until(lambda: len(results(busybox)) >= 2)
    assert small()


def test_start_period_forgives(busybox: Store) -> None:
    options = ["--health-start-period", "1000s", "--health-start-interval", "100ms"]
    start(busybox, "--health-cmd", CHECK, *options, "--health-interval", "1000s")
    until(lambda: len(results(busybox)) >= 4)
    result = record(busybox, "one", "health.json")
    assert (result["status"], result["failing"]) == ("starting", 0)
    busybox.ok("exec", "one", "touch", "/well")
    busybox.ok("wait", "--condition", "healthy", "one")
    count = len(results(busybox))
    time.sleep(0.5)
    assert len(results(busybox)) == count  # every interval, now


def test_a_check_that_takes_too_long(busybox: Store) -> None:
    seconds = unique()
    start(busybox, "--health-cmd", f"sleep {seconds}; true", "--health-timeout", "200ms")
    busybox.ok("wait", "--condition", "unhealthy", "one")
    assert last(busybox)["exit"] == -1
    assert last(busybox)["output"] == "Health check exceeded timeout (0.2s)"
    until(lambda: len(sleepers(seconds)) < 2)  # each was ended, with what its shell had started
    busybox.ok("rm", "-f", "one")
    assert sleepers(seconds) == []


def unique() -> str:
    """Return seconds for which no other run of these tests sleeps, whoever's it is."""
    return str(random.randrange(10**6, 10**9))


def sleepers(seconds: str) -> list[Path]:
    """Return the processes that sleep for just so long."""
    line = f"sleep\0{seconds}\0".encode()
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if read(path) == line]


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_forms_of_the_command(busybox: Store) -> None:
    """A list of words needs no shell; a long answer is cut; a missing program is a failure."""
    start(busybox, "--health-cmd", '["CMD", "seq", "3000"]')
    busybox.ok("wait", "--condition", "healthy", "one")
    assert len(last(busybox)["output"]) == 4096
    assert busybox.ok("inspect", "-f", "{{json .Config.Healthcheck.Test}}", "one") == (
        '["CMD","seq","3000"]'
    )
    busybox.ok("rm", "-f", "one")
    start(busybox, "--health-cmd", '["nosuch"]')
    busybox.ok("wait", "--condition", "unhealthy", "one")
    assert last(busybox)["exit"] == 127
    assert "nosuch" in last(busybox)["output"]


@pytest.mark.parametrize(
    ("test", "command"),
    [
        (["CMD", "a", "b"], ["a", "b"]),
        (["CMD-SHELL", "a b"], ["/bin/sh", "-c", "a b"]),
        (["test", "-e", "/etc"], ["test", "-e", "/etc"]),
        (["a b"], ["a b"]),
    ],
)
def test_words_of_a_check(test: list[str], command: list[str]) -> None:
    """An image may have them without docker's first word: podman takes them as they are."""
    assert words(test) == command


def test_no_check_comes_by_itself(busybox: Store) -> None:
    busybox.ok(
        *["run", "-d", "--name", "one", "--health-interval", "disable"],
        *["--health-start-period", "1h", "--health-cmd", "true", *SLEEPER],
    )
    state = record(busybox, "one")
    found = checks(records.read(f"{busybox.root}/containers/{container_id(busybox)}"))
    assert min(found["interval"], found["start_interval"]) > 1e9
    assert state["health"] == "starting"
    assert busybox("healthcheck", "run", "one").returncode == 0
    assert busybox.ok("inspect", "-f", "{{.State.Health.Status}}", "one") == "healthy"


def container_id(store: Store) -> str:
    return store.ok("inspect", "-f", "{{.Id}}", "one")


def test_healthcheck_run(busybox: Store) -> None:
    start(busybox, "--health-cmd", CHECK, "--health-interval", "1000s")
    assert busybox("healthcheck", "run", "one").returncode == 1
    busybox.ok("exec", "one", "touch", "/well")
    busybox.ok("healthcheck", "run", "one")
    assert [entry["exit"] for entry in results(busybox)] == [1, 0]
    assert record(busybox, "one")["health"] == "healthy"
    busybox.ok("stop", "-t", "0", "one")
    assert "is not running" in busybox("healthcheck", "run", "one").stderr


def test_without_a_check(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", *SLEEPER)
    assert "has no health check" in busybox("healthcheck", "run", "one").stderr
    assert "has no health check" in busybox("wait", "--condition", "healthy", "one").stderr


@pytest.mark.parametrize(("action", "ends"), [("kill", True), ("stop", True), ("restart", False)])
def test_on_failure(busybox: Store, action: str, ends: bool) -> None:
    options = ["--health-on-failure", action, "--stop-timeout", "0"]
    start(busybox, "--health-cmd", "false", *options)
    if ends:
        assert busybox.ok("wait", "one") == "137"
        assert record(busybox, "one")["restart_count"] == 0
    else:
        until(lambda: record(busybox, "one")["restart_count"] >= 2)
    busybox.ok("rm", "-f", "one")


def test_startup_check_comes_first(busybox: Store) -> None:
    first = ["--health-startup-cmd", "test -e /up", "--health-startup-interval", "100ms"]
    start(busybox, "--health-cmd", CHECK, *first)
    until(lambda: len(results(busybox)) >= 4)
    assert record(busybox, "one")["health"] == "starting"  # however often it fails
    busybox.ok("exec", "one", "touch", "/well", "/up")
    busybox.ok(
        "wait", "--condition", "healthy", "one"
    )  # and so it stays until somebody has seen it
    busybox.ok("exec", "one", "rm", "/well")
    busybox.ok("wait", "--condition", "unhealthy", "one")  # by the regular one, which is not well
    busybox.ok("rm", "-f", "one")


def test_startup_check_gives_up(busybox: Store) -> None:
    first = ["--health-startup-cmd", "false", "--health-startup-interval", "100ms"]
    first += ["--health-startup-retries", "2", "--stop-timeout", "0"]
    start(busybox, "--health-cmd", "true", *first)
    until(lambda: record(busybox, "one")["restart_count"] >= 1)
    busybox.ok("rm", "-f", "one")


def test_check_of_the_image(busybox: Store) -> None:
    tree = Path(busybox.directory, "tree")
    (tree / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin/sleep")
    shutil.copy("/bin/busybox", tree / "bin/test")
    tar = f"{busybox.directory}/root.tar"
    subprocess.run(["tar", "-C", str(tree), "-cf", tar, "."], check=True)
    check = 'HEALTHCHECK --interval=100ms --retries=1 CMD ["test", "-e", "/well"]'
    busybox.ok("import", "--change", check, tar, "checked")
    busybox.ok("run", "-d", "--name", "one", "checked", "sleep", "1000")
    busybox.ok("wait", "--condition", "unhealthy", "one")
    busybox.ok("rm", "-f", "one")
    busybox.ok("run", "-d", "--name", "one", "--no-healthcheck", "checked", "sleep", "1000")
    assert "health" not in record(busybox, "one")


def test_a_container_that_ends_leaves_no_check(busybox: Store) -> None:
    seconds = unique()
    start(busybox, "--health-cmd", f"sleep {seconds}")
    time.sleep(0.2)
    waiter = busybox.start("healthcheck", "run", "one")
    time.sleep(0.2)
    os.kill(record(busybox, "one")["pid"], signal.SIGKILL)
    assert waiter.wait(timeout=20) in (1, 125)
    waiter.communicate()
    assert busybox.ok("wait", "one") == "137"
    busybox.ok("rm", "one")
    until(lambda: not sleepers(seconds))


def test_where_results_go(busybox: Store, tmp_path: Path) -> None:
    """Into a file of podman's form, and no more of them than were asked for."""
    options = ["--health-log-destination", str(tmp_path), "--health-max-log-count", "2"]
    start(busybox, "--health-cmd", "echo 12345", *options, "--health-max-log-size", "3")
    for _ in range(3):
        busybox.ok("healthcheck", "run", "one")
    (file,) = tmp_path.glob("*-healthcheck.log")
    assert file.name == f"{busybox.ok('inspect', '-f', '{{.Id}}', 'one')}-healthcheck.log"
    told = json.loads(file.read_text())
    assert (told["Status"], told["FailingStreak"], len(told["Log"])) == ("healthy", 0, 2)
    assert {(one["ExitCode"], one["Output"]) for one in told["Log"]} == {(0, "123")}
    shown = busybox.ok("inspect", "-f", "{{range .State.Health.Log}}{{.Output}} {{end}}", "one")
    assert shown.split() == ["123", "123"]


def test_results_as_events(busybox: Store) -> None:
    start(busybox, "--health-cmd", "echo said", "--health-log-destination", "events_logger",
          "--health-interval", "1h")  # fmt: skip
    for _ in range(2):
        busybox.ok("healthcheck", "run", "one")
    line = [
        "events",
        "--since",
        "1h",
        "--until",
        "0s",
        "--filter",
        "container=one",
        "--format",
        "{{json .}}",
    ]
    found = [json.loads(text) for text in busybox.ok(*line).splitlines()]
    told = [(one["Action"], one["Actor"]["Attributes"].get("health_log")) for one in found]
    assert told.count(("health_status: healthy", "said\n")) == 2


@pytest.mark.parametrize(
    ("count", "size", "lengths"),
    [(5, 4096, [1, 2, 3, 4, 4096]), (0, 0, [0, 1, 2, 3, 4, 5000]), (2, 3, [3, 3])],
)
def test_limits_of_results(count: int, size: int, lengths: list[int]) -> None:
    kept: list[dict[str, Any]] = []
    for length in (0, 1, 2, 3, 4, 5000):
        kept = health_log.kept(kept, {"output": "x" * length}, count=count, size=size)
    assert [len(one["output"]) for one in kept] == lengths
    assert health_log.limit(size) >= max(lengths)


def test_results_without_limits_have_one() -> None:
    kept: list[dict[str, Any]] = []
    for number in range(40):
        entry = {"exit": number, "output": "x" * (health_log.WHOLE // 10)}
        kept = health_log.kept(kept, entry, count=0, size=0)
    assert [one["exit"] for one in kept] == list(range(31, 40))
    kept = health_log.kept(kept, {"output": "x" * health_log.MOST}, count=0, size=0)
    assert len(kept) == 1


@pytest.mark.parametrize("text", ["x", "\x01", "\u20ac", "\U0001f600", "a\x01"])
def test_one_result_without_a_limit_has_one(text: str) -> None:
    """However much JSON makes of its bytes, and as much of it as there is room for."""
    entry = {"exit": 0, "output": text * (health_log.MOST // len(text))}
    whole = entry["output"]
    (kept,) = health_log.kept([], entry, count=0, size=0)
    assert health_log.WHOLE * 0.99 < len(dump_bytes(kept)) <= health_log.WHOLE
    assert whole.startswith(kept["output"])
