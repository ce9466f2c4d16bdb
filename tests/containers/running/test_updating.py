"""update: what a container is to be, changed after it was made."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rootless import Engine
from rootless.containers.running import updating
from rootless.containers.words.updates import changes
from rootless.errors import StoreError
from tests.containers.leavings import kill, supervisor
from tests.containers.test_restarts import record, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def two(shared: Store) -> Iterator[Store]:
    """A store with `web`, which runs and is checked now and then, and `job`, which does not run."""
    times = (f"--health-{name}=1h" for name in ("interval", "start-period", "start-interval"))
    check = ("--health-cmd", "test -e /ok", *times)
    shared.ok("run", "-d", "--name", "web", *check, "busybox", "sleep", "1000")
    shared.ok("create", "--name", "job", "-e", "A=1", "-e", "B=2", "busybox", "env")
    yield shared
    shared.ok("rm", "-fa")


def field(store: Store, template: str, name: str) -> Any:
    return json.loads(store.ok("inspect", "-f", f"{{{{json {template}}}}}", name))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {}),
        ({"restart": "on-failure:3"}, {"restart": {"policy": "on-failure", "most": 3}}),
        ({"env": ["A=b"], "unsetenv": ["C"]}, {"environment": [["C", None], ["A", "b"]]}),
        ({"health_retries": 5}, {"healthcheck": {"Retries": 5}}),
        ({"health_on_failure": "kill"}, {"health": {"on_failure": "kill"}}),
        ({"no_healthcheck": True}, {"healthcheck": {"Test": ["NONE"]}}),
        ({"health_max_log_count": 0}, {"health_log": {"count": 0}}),
        ({"health_log_destination": "/tmp"}, {"health_log": {"destination": "/tmp"}}),
    ],
)
def test_words(asked: Any, expected: Any) -> None:
    assert changes(asked, {}) == expected


def test_what_does_not_run(two: Store) -> None:
    line = ("--restart", "on-failure:2", "--ulimit", "nofile=100:200", "-e", "B=3", "-e", "C=4")
    assert two.ok("update", *line, "--unsetenv", "A", "job") == "job"
    assert field(two, ".HostConfig.RestartPolicy", "job") == {
        "Name": "on-failure",
        "MaximumRetryCount": 2,
    }
    assert field(two, ".HostConfig.Ulimits", "job") == [
        {"Name": "nofile", "Soft": 100, "Hard": 200}
    ]
    two.ok("update", "--ulimit", "nofile=50:60", "--ulimit", "core=0", "job")
    limits = {limit["Name"]: limit["Soft"] for limit in field(two, ".HostConfig.Ulimits", "job")}
    assert limits == {"nofile": 50, "core": 0}
    shown = two.ok("start", "-a", "job").splitlines()
    assert {"B=3", "C=4"} <= {*shown}
    assert not any(text.startswith("A=") for text in shown)
    # A check where there was none; and away with it.
    two.ok("update", "--health-cmd", "true", "--health-interval", "5s", "job")
    assert field(two, ".Config.Healthcheck", "job") == {
        "Test": ["CMD-SHELL", "true"],
        "Interval": 5_000_000_000,
    }
    two.ok("update", "--no-healthcheck", "job")
    assert field(two, ".Config.Healthcheck.Test", "job") == ["NONE"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("update job", "nothing to change"),
        ("update --restart sometimes job", "unknown policy 'sometimes'"),
        ("update --memory 1g job", "limits come with a later version"),
        ("update --health-retries -1 job", "--health-retries"),
        ("update --health-retries 0 web", "--health-retries 0: that changes nothing (the number"),
        ("update --health-cmd= web", "--health-cmd '': that changes nothing (--no-healthcheck"),
        ("update --health-startup-cmd true free", "a startup check comes before a health check"),
        ("update --health-on-failure kill free", "action to kill without a health check"),
        ("update --restart always nosuch", "uch container: nosuch"),
        ("update --restart always brief", "--restart and --rm exclude each other"),
    ],
)
def test_what_cannot_be(two: Store, line: str, message: str) -> None:
    if "free" in line:
        two.ok("create", "--replace", "--name", "free", "busybox", "true")
    if "brief" in line:
        two.ok("create", "--rm", "--name", "brief", "busybox", "true")
    done = two(*line.split())
    assert done.returncode
    assert message in done.stderr
    assert field(two, ".HostConfig.RestartPolicy.Name", "web") == "no"


def test_the_policy_of_one_that_runs(two: Store) -> None:
    two.ok("run", "-d", "--name", "once", "busybox", "sleep", "1000")
    two.ok("run", "-d", "--name", "often", "--restart", "always", "busybox", "sleep", "1000")
    assert two.ok("update", "--restart", "always", "once") == "once"
    assert two.ok("update", "--restart=no", "often") == "often"
    for name in ("once", "often"):
        os.kill(int(two.ok("inspect", "-f", "{{.State.Pid}}", name)), 9)
    until(lambda: record(two, "once").get("restart_count", 0) == 1)
    assert two.ok("wait", "--condition", "exited", "often") == "137"
    two.ok("stop", "-t", "0", "once")
    assert two.ok("inspect", "-f", "{{.State.Status}}", "once") == "exited"
    two.ok("rm", "once", "often")


def test_checks_of_one_that_runs(two: Store) -> None:
    assert two("healthcheck", "run", "web").returncode == 1
    done = two("update", "--health-interval", "100ms", "--health-retries", "2", "web")
    assert (done.stdout, done.stderr) == ("web\n", "")
    two.ok("update", "--health-start-period", "1ms", "web")
    two.ok("wait", "--condition", "unhealthy", "web")
    two.ok("exec", "web", "touch", "/ok")
    two.ok("wait", "--condition", "healthy", "web")
    assert field(two, ".Config.Healthcheck.Retries", "web") == 2


def test_times_that_change_while_a_check_runs(two: Store) -> None:
    """That check is judged by the new ones, and they say when the next one comes."""
    times = (f"--health-{name}=1h" for name in ("interval", "start-period", "start-interval"))
    check = "touch /begun; until test -e /go; do sleep 0.05; done; false"
    line = ("--name", "slow", *times, "--health-timeout", "1h", "--health-cmd", check)
    two.ok("run", "-d", *line, "busybox", "sleep", "1000")
    waiter = two.start("healthcheck", "run", "slow")
    until(lambda: two("exec", "slow", "test", "-e", "/begun").returncode == 0)
    new = ("--health-interval", "100ms", "--health-start-period", "1ms", "--health-retries", "2")
    two.ok("update", *new, "slow")
    two.ok("exec", "slow", "touch", "/go")
    two.ok("wait", "--condition", "unhealthy", "slow")
    waiter.communicate(timeout=60)
    two.ok("rm", "-f", "slow")


def test_a_first_check_and_the_end_of_checks(two: Store) -> None:
    """Both at once, though it runs: also while a check is under way, and again."""
    two.ok("run", "-d", "--name", "late", "busybox", "sleep", "1000")
    for command in ("true", "touch /begun; sleep 1000"):
        done = two("update", "--health-cmd", command, "--health-interval", "100ms", "late")
        assert (done.stdout, done.stderr) == ("late\n", "")
        if command == "true":
            two.ok("wait", "--condition", "healthy", "late")
        else:
            until(lambda: two("exec", "late", "test", "-e", "/begun").returncode == 0)
        assert "health" in two.ok("ps")
        done = two("update", "--no-healthcheck", "late")
        assert (done.stdout, done.stderr) == ("late\n", "")
        until(lambda: "health" not in two.ok("ps", "--filter", "name=late"))
        assert field(two, ".State.Health", "late") is None
        identity = two.ok("inspect", "-f", "{{.Id}}", "late")
        assert not Path(f"{two.root}/containers/{identity}/health.json").exists()
    two.ok("exec", "late", "rm", "/begun")
    time.sleep(0.3)
    assert two("exec", "late", "test", "-e", "/begun").returncode == 1
    two.ok("rm", "-f", "-t", "0", "late")


def test_what_of_checks_waits_for_the_next_start(two: Store) -> None:
    told = two("update", "--health-startup-cmd", "true", "web").stderr
    assert "container web runs: new startup check comes with its next start" in told


def test_what_waits_for_the_next_start(two: Store) -> None:
    done = two("update", "-e", "LATE=1", "--ulimit", "core=0", "web")
    told = "container web runs: new limits and variables come with its next start"
    assert told in done.stderr
    assert "LATE=1" in two.ok("exec", "web", "env").split()


def test_old_wishes_end_with_a_life(two: Store) -> None:
    """What was wanted of checks of a life that was killed says nothing about the next."""
    check = ("--health-cmd", "false", "--health-interval", "1h", "--health-retries", "1")
    two.ok("run", "-d", "--name", "killed", *check, "busybox", "sleep", "1000")
    identity = os.readlink(f"{two.root}/containers/.names/killed")
    left = Path(f"{two.root}/containers/{identity}/checks.json")
    kill(supervisor(two, "killed"))
    left.write_text("{}")
    two.ok("update", "--health-interval", "2h", "killed")
    assert not left.exists()
    left.write_text("{}")
    two.ok("start", "killed")
    assert not left.exists()
    two.ok("rm", "-f", "killed")


def test_a_mark_that_cannot_be(two: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the record is as it was."""
    monkeypatch.setattr(updating, "UPDATED", "no/such/place")
    with pytest.raises(StoreError, match="cannot change the restart policy of container web: "):
        updating.change(
            Engine(two.root).containers, "web", {"restart": {"policy": "always", "most": 0}}
        )
    assert field(two, ".HostConfig.RestartPolicy.Name", "web") == "no"
