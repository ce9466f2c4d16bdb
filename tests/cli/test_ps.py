"""ps and inspect: filters, columns, both tools' shapes, and what a status is called."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.containers.test_restarts import record, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def several(shared: Store) -> Iterator[Store]:
    """Containers in all states; `well` has a health check that succeeds."""
    sleeper = ["busybox", "sleep", "1000"]
    shared.ok("create", "--name", "new", "-l", "a=1", "busybox", "true")
    shared("run", "--name", "over", "-l", "a=2", "-l", "b", "busybox", "sh", "-c", "exit 3")
    shared.ok("run", "-d", "--name", "still", "--network", "host", *sleeper)
    shared.ok("pause", "still")
    check = ["--health-cmd", "true", "--health-interval", "100ms"]
    shared.ok("run", "-d", "--name", "well", *check, *sleeper)
    shared.ok("run", "-d", "--name", "loop", "--restart", "always", "busybox", "sh", "-c", "exit 5")
    shared.ok("wait", "--condition", "healthy", "well")
    until(lambda: record(shared, "loop").get("restart_count", 0) > 5)  # it mostly waits by then
    yield shared
    shared.ok("rm", "-fa")


def listed(store: Store, *words: str) -> list[str]:
    return sorted(store.ok("ps", "--format", "{{.Names}}", *words).split())


def test_words_of_a_status(several: Store) -> None:
    rows = several.ok("ps", "-a", "--format", "{{.Names}}|{{.State}}|{{.Status}}").splitlines()
    shown = {row.split("|")[0]: row.split("|")[1:] for row in rows}
    assert shown["new"] == ["created", "Created"]
    assert shown["over"][0] == "exited"
    assert shown["over"][1].startswith("Exited (3) ")
    assert shown["still"][0] == "paused"
    assert shown["still"][1].startswith("Up ")
    assert shown["still"][1].endswith(" (Paused)")
    assert shown["well"][1].endswith(" (healthy)")
    if shown["loop"][0] == "restarting":
        assert shown["loop"][1].startswith("Restarting (5) ")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", "loop still well"),
        ("-a", "loop new over still well"),
        ("-f status=paused", "still"),
        ("-f status=stopped", "over"),
        ("-f status=created -f status=exited", "new over"),
        ("-f health=healthy", "well"),
        ("-a -f health=none", "loop new over still"),
        ("-a -f label=a", "new over"),
        ("-a -f label=a=2", "over"),
        ("-a -f label=a -f label=b", "over"),
        ("-a -f label!=a", "loop still well"),
        ("-a -f network=host", "still"),
        ("-a -f restart-policy=always", "loop"),
        ("-a -f publish=80", ""),
        ("-a -f until=1h", ""),
        ("-f exited=3", "over"),
        ("-a -f before=still", "new over"),
        ("-a -f since=still", "loop well"),
        ("-a -f name=^.e", "new well"),
    ],
)
def test_filters(several: Store, words: str, names: str) -> None:
    assert listed(several, *words.split()) == names.split()


@pytest.mark.parametrize(
    "text",
    [
        "status=odd",
        "health=odd",
        "expose=x",
        "expose=1-9999999999",
        "exited=\u00b2",
        "colour=red",
        "status",
    ],
)
def test_filters_that_are_none(several: Store, text: str) -> None:
    done = several("ps", "-f", text)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: invalid filter")


def test_sort_and_headings(several: Store) -> None:
    names = several.ok("ps", "-a", "--sort", "names", "--format", "{{.Names}}").split()
    assert names == sorted(names)
    assert several.ok("ps", "-a", "--noheading").splitlines()[0].split()[0] != "CONTAINER"
    assert "one of" in several("ps", "--sort", "colour").stderr


def test_dockers_json_and_podmans(several: Store) -> None:
    lines = several.ok("ps", "-a", "--format", "json").splitlines()
    assert {json.loads(line)["Names"] for line in lines} == {"new", "over", "still", "well", "loop"}
    (over,) = [
        one
        for one in json.loads(several.ok("ps", "-a", "--format", "podman"))
        if one["Names"] == ["over"]
    ]
    assert (over["ExitCode"], over["State"], over["Exited"]) == (3, "exited", True)
    assert over["Command"] == ["sh", "-c", "exit 3"]
    assert over["Labels"] == {"a": "2", "b": ""}
    assert len(over["Id"]) == 64
    # As the fields are asked for: podman's names in a template.
    assert several.ok("ps", "-a", "-f", "name=over", "--format", "{{.ExitCode}} {{.Exited}}") == (
        "3 true"
    )
    assert "RESTARTS" in several.ok("ps", "--format", "table {{.Names}} {{.Restarts}}")


def test_inspect_of_health_and_restarts(several: Store) -> None:
    (well,) = json.loads(several.ok("inspect", "well"))
    health = well["State"]["Health"]
    assert (health["Status"], health["FailingStreak"]) == ("healthy", 0)
    assert health["Log"][-1]["ExitCode"] == 0
    assert well["State"]["Healthcheck"] == health
    assert well["Config"]["Healthcheck"]["Test"] == ["CMD-SHELL", "true"]
    (loop,) = json.loads(several.ok("inspect", "loop"))
    assert loop["RestartCount"] > 5
    assert loop["HostConfig"]["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0}
    (still,) = json.loads(several.ok("inspect", "still"))
    assert (still["State"]["Status"], still["State"]["Paused"]) == ("paused", True)
    assert still["State"]["Running"] is True
    assert still["State"]["ConmonPid"] == record(several, "still")["supervisor"]


def test_inspect_in_podmans_way(several: Store) -> None:
    (docker,) = json.loads(several.ok("inspect", "--format", "docker", "over"))
    (podman,) = json.loads(several.ok("inspect", "--format", "podman", "over"))
    assert (docker["Name"], podman["Name"]) == ("/over", "over")
    assert docker["Image"] == "sha256:" + podman["Image"]
    newest = several.ok("ps", "-lq", "--no-trunc")
    assert several.ok("inspect", "--latest", "-f", "{{.Id}}") == newest


def test_sessions_that_run_are_shown(several: Store) -> None:
    client = several.start("exec", "well", "sleep", "1000")
    until(lambda: several.ok("inspect", "-f", "{{len .ExecIDs}}", "well") == "1")
    client.kill()
    client.communicate()
