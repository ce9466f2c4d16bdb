"""The file of events: appended by many, torn by power cuts, read while it grows."""

from __future__ import annotations

import json
import multiprocessing
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootless.store import events
from tests.containers.test_restarts import until

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Store

pytestmark = pytest.mark.once


def tell(root: Path, number: int, **attributes: str) -> None:
    event = events.happened("container", "start", str(number), f"n{number}", attributes)
    events.record(str(root), event)


def told(root: Path) -> list[str]:
    reader = events.Reader(str(root))
    try:
        return [event["id"] for event in reader.read()]
    finally:
        reader.close()


def test_what_was_recorded_is_read(tmp_path: Path) -> None:
    tell(tmp_path, 1, label='a "quoted"\nline')
    reader = events.Reader(str(tmp_path))
    (first,) = reader.read()
    assert first["attributes"] == {"label": 'a "quoted"\nline'}
    assert (first["kind"], first["action"], first["name"]) == ("container", "start", "n1")
    tell(tmp_path, 2)
    assert [event["id"] for event in reader.read()] == ["2"]
    assert list(reader.read()) == []
    reader.close()


@given(kept=st.integers(0, 60), garbage=st.binary(max_size=40))
def test_a_torn_end_costs_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, kept: int, garbage: bytes
) -> None:
    root = tmp_path_factory.mktemp("torn")
    for number in (1, 2):
        tell(root, number)
    path = root / events.FILE
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    torn = whole[: start + kept] + garbage.replace(b"\n", b"")
    path.write_bytes(torn)
    assert told(root) in (["1"], ["1", "2"])
    tell(root, 3)
    assert told(root) in (["1", "3"], ["1", "2", "3"])
    assert path.read_bytes().endswith(b"\n")
    path.unlink()


def test_rotation_loses_nothing_to_who_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LIMIT", 2000)
    reader = events.Reader(str(tmp_path))
    seen = []
    for number in range(60):
        tell(tmp_path, number)
        if number % 7 == 0:
            seen += [int(event["id"]) for event in reader.read()]
    seen += [int(event["id"]) for event in reader.read()]
    assert seen == list(range(60))
    assert sorted(os.listdir(tmp_path)) == [events.FILE, events.OLDER]
    assert all((tmp_path / name).stat().st_size < 2400 for name in os.listdir(tmp_path))
    reader.close()


def _tell_many(root: Path, first: int) -> None:
    for number in range(first, first + 50):
        tell(root, number)


def test_many_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_tell_many, args=(tmp_path, 50 * n)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(map(int, told(tmp_path))) == list(range(200))


@pytest.mark.parametrize("damage", [b"[]\n", b"{}\n", b"\xff\n", b'{"time": "x"}\n', b"9\n"])
def test_what_is_no_event_is_skipped(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / events.FILE).write_bytes(damage)
    tell(tmp_path, 1)
    assert told(tmp_path) == ["1"]


def test_a_store_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    events.record(str(tmp_path / "missing"), events.happened("container", "start", "1", "n"))


# -- the command


@pytest.mark.parametrize("state", ["runs", "paused", "restarting"])
def test_a_forced_removal_kills_and_stops_not(busybox: Store, state: str) -> None:
    """It is not asked to end before: docker's sequence."""
    script = "exit 1" if state == "restarting" else "trap 'echo asked' TERM; sleep 1000 & wait"
    more = ["--restart", "always"] if state == "restarting" else []
    busybox.ok("run", "-d", "--name", "one", *more, "busybox", "sh", "-c", script)
    if state == "paused":
        busybox.ok("pause", "one")
    busybox.ok("rm", "-f", "one")
    shown = ("events", "--stream=false", "--filter", "container=one", "--format")
    told = busybox.ok(*shown, "{{.Action}} {{.Actor.Attributes.signal}}").splitlines()
    words = [line.replace("<no value>", "").strip() for line in told]
    if state == "restarting":
        assert not {"stop", "kill 15"} & set(words)
    else:
        paused = ["pause", "unpause"] if state == "paused" else []
        assert words == ["create", "start", *paused, "kill 9", "die", "destroy"]


def test_the_life_of_a_container(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "-l", "a=b", "busybox", "sleep", "1000")
    busybox.ok("exec", "one", "true")
    busybox.ok("pause", "one")
    busybox.ok("unpause", "one")
    busybox.ok("rename", "one", "two")
    busybox.ok("kill", "-s", "HUP", "two")
    busybox.ok("stop", "-t", "0", "two")
    busybox.ok("rm", "two")
    lines = busybox.ok("events", "--stream=false", "--format", "{{.Type}} {{.Action}}").splitlines()
    words = [line.split(" ", 1)[1] for line in lines if line.startswith("container")]
    expected = ["create", "start", "exec_create: true", "exec_start: true", "exec_die"]
    expected += ["pause", "unpause", "rename", "kill", "kill", "kill", "die", "stop", "destroy"]
    assert words == expected
    told = ("events", "--stream=false", "--filter", "event=kill", "--format")
    template = "{{.Action}} {{.Actor.Attributes.signal}}"
    assert busybox.ok(*told, template).split("\n") == ["kill 1", "kill 15", "kill 9"]
    line = ("--dialect", "podman", "events", "--stream=false", "--filter", "type=container")
    assert busybox.ok(*line, "--format", "{{.Status}}").split() == [
        *("create", "init", "start", "exec", "exec_died", "pause", "unpause", "rename", "kill"),
        *("died", "stop", "remove"),
    ]
    assert busybox.ok(*line, "--filter", "event=init", "--format", "{{.Status}}") == "init"
    assert busybox.ok(*told[:-2], "event=init") == ""
    assert "image load" in lines
    shown = json.loads(
        busybox.ok("events", "--stream=false", "--filter", "event=die", "--format", "json")
    )
    attributes = shown["Actor"]["Attributes"]
    assert (attributes["exitCode"], attributes["a"], attributes["image"]) == ("137", "b", "busybox")
    assert (shown["Type"], shown["status"], shown["scope"]) == ("container", "die", "local")
    podman = json.loads(
        busybox.ok("events", "--stream=false", "--filter", "event=die", "--format", "podman")
    )
    assert (podman["Name"], podman["ContainerExitCode"], podman["Status"]) == ("two", 137, "die")


def test_the_end_of_a_command_in_the_background(busybox: Store) -> None:
    """Nobody of ours is left outside the container who could tell it."""
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    busybox.ok("exec", "-d", "one", "sh", "-c", "exit 7")
    told = ["events", "--stream=false", "--filter", "event=exec_die", "--format"]
    until(lambda: busybox.ok(*told, "{{.Action}}"))
    line = "{{.Attributes.exitCode}} {{.Attributes.image}}"
    assert busybox.ok(*told, line) == "7 busybox"


def test_filters_and_times(busybox: Store) -> None:
    for name in ("one", "two"):
        busybox.ok("run", "--rm", "--name", name, "-l", f"n={name}", "busybox", "true")
    line = ["events", "--stream=false", "--format", "{{.Action}}"]
    assert busybox.ok(*line, "--filter", "container=two").split() == [
        "create",
        "start",
        "die",
        "destroy",
    ]
    assert busybox.ok(*line, "--filter", "label=n=one", "--filter", "event=die") == "die"
    assert busybox.ok(*line, "--filter", "type=image", "--filter", "image=busybox") == "load"
    assert busybox.ok(*line, "--until", "24h") == ""
    assert busybox.ok(*line, "--since", "24h", "--filter", "event=start").split() == ["start"] * 2
    assert "invalid filter" in busybox("events", "--filter", "colour=red").stderr


def test_following(busybox: Store) -> None:
    follower = busybox.start("events", "--filter", "type=container")
    other = busybox.start("events", "--until", "0s", "--since", "1h")
    assert "load" in other.communicate(timeout=20)[0]
    seen = ""
    assert follower.stdout
    while "destroy" not in seen:
        if not seen:
            busybox.ok("run", "--rm", "--name", "one", "busybox", "true")
        seen += follower.stdout.readline()
    assert seen.index("start") < seen.index("die") < seen.index("destroy")
    follower.terminate()
    follower.communicate(timeout=20)
