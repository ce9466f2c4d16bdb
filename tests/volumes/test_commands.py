"""The commands of the group `volume`, one after the other in both dialects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_complete import offered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture
def store(shared: Store) -> Iterator[Store]:
    yield shared
    shared.ok("rm", "-fa")
    shared.ok("volume", "rm", "-a")


def events(store: Store) -> list[str]:
    lines = store.ok("events", "--stream=false", "--since", "0", "--format", "{{json .}}")
    found = [json.loads(line) for line in lines.splitlines()]
    return [f"{each['Action']} {each['id']}" for each in found if each["Type"] == "volume"]


def test_inspect(store: Store) -> None:
    store.ok("volume", "create", "--label", "a=b=c", "--label", "k", "data")
    (one,) = json.loads(store.ok("volume", "inspect", "data"))
    place = f"{store.root}/volumes/data/_data"
    assert [*one][:7] == [
        *("CreatedAt", "Driver", "Labels", "Mountpoint", "Name", "Options", "Scope")
    ]
    assert (one["Driver"], one["Scope"], one["Options"]) == ("local", "local", None)
    assert (one["Labels"], one["Mountpoint"]) == ({"a": "b=c", "k": ""}, place)
    (theirs,) = json.loads(store.ok("--dialect", "podman", "volume", "inspect", "data"))
    assert [*theirs][:4] == ["Name", "Driver", "Mountpoint", "CreatedAt"]
    assert theirs["Options"] == {}
    assert theirs["CreatedAt"].startswith(one["CreatedAt"][:17])
    assert store.ok("volume", "inspect", "-f", "{{.Labels.a}} {{.MountCount}}", "data") == "b=c 0"
    store.ok("run", "-d", "-v", "data:/x", "busybox", "sleep", "1000")
    assert store.ok("volume", "inspect", "-f", "{{.MountCount}}", "data") == "1"
    done = store("volume", "inspect", "nothing", "data")
    assert (done.returncode, len(json.loads(done.stdout))) == (1, 1)
    assert "no such volume" in done.stderr


def test_listing(store: Store) -> None:
    store.ok("volume", "create", "--label", "a=b", "data")
    name = store.ok("volume", "create")
    assert store.ok("volume", "ls", "-q").splitlines() == sorted(["data", name])
    rows = [json.loads(line) for line in store.ok("volume", "ls", "--format=json").splitlines()]
    (row,) = [row for row in rows if row["Name"] == "data"]
    assert (row["Labels"], row["Size"], row["Links"]) == ("a=b", "N/A", "N/A")
    label = "label=com.docker.volume.anonymous"
    assert store.ok("volume", "ls", "--format", '{{.Name}} {{.Label "a"}}', "-f", "label=a") == (
        "data b"
    )
    assert store.ok("volume", "ls", "-q", "--filter", label) == ""
    assert name in store.ok("volume", "ls", "--format", "{{.Name}} {{.Labels}}")
    (theirs, _) = json.loads(store.ok("--dialect=podman", "volume", "ls", "--format=json"))
    assert {"Name", "MountCount", "NeedsCopyUp", "NeedsChown"} <= {*theirs}


def test_in_use(store: Store) -> None:
    store.ok("create", "--name", "has", "-v", "data:/x", "busybox", "true")
    for line in (["rm", "data"], ["rm", "-f", "data"], ["rm", "--all"]):
        store.ok("volume", "create", "data")
        done = store("volume", *line)
        assert (done.returncode, done.stdout) == (1, "")
        assert "volume is in use - [has]" in done.stderr
    done = store("--dialect", "podman", "volume", "rm", "data")
    assert done.returncode == 2
    assert "is being used by the following container(s): has:" in done.stderr
    assert store.ok("volume", "rm", "-f", "--time", "0", "data") == "data"
    assert store.ok("ps", "-aq") == ""
    store.ok("run", "-d", "--rm", "-v", "data:/x", "busybox", "sleep", "1000")
    assert store.ok("--dialect", "podman", "volume", "rm", "-ft0", "data") == "data"
    assert store.ok("volume", "ls", "-q") == ""


def test_a_damaged_container_keeps_volumes(store: Store) -> None:
    store.ok("volume", "create", "data")
    made = store.ok("create", "-v", "data:/x", "busybox", "true")
    path = f"{store.root}/containers/{made}/config.json"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text[:100])
    try:
        for line in (["rm", "data"], ["prune", "-af"]):
            done = store("volume", *line)
            assert done.returncode == 1
            assert "cannot know which volumes container" in done.stderr
        assert store.ok("volume", "ls", "-q") == "data"
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def test_prune(store: Store) -> None:
    store.ok("volume", "create", "--label", "keep", "data")
    store.ok("volume", "create", "more")
    unnamed = store.ok("volume", "create")
    store.ok("run", "-v", "used:/x", "-v", "/anonymous", "busybox", "true")
    done = store("volume", "prune", input="n\n")
    assert unnamed in done.stdout
    assert "data" not in done.stdout
    assert "0B" in done.stdout
    done = store("volume", "prune", "-a", input="n\n")
    assert {"data", "more", unnamed} <= {*done.stdout.split()}
    assert len(store.ok("volume", "ls", "-q").splitlines()) == 5
    assert store.ok("volume", "prune", "-f").splitlines()[:2] == ["Deleted Volumes:", unnamed]
    lines = store.ok("volume", "prune", "--filter", "all=true", "--filter", "label!=keep", "-f")
    assert lines.splitlines()[1] == "more"
    assert store.ok("--dialect", "podman", "volume", "prune", "-f") == "data"
    assert len(store.ok("volume", "ls", "-q").splitlines()) == 2
    assert events(store)[-2:] == ["destroy data", "prune "]


def test_again(store: Store) -> None:
    """docker makes nothing of it, podman an error."""
    for _ in range(2):
        assert store.ok("volume", "create", "data") == "data"
    done = store("--dialect", "podman", "volume", "create", "data")
    assert (done.returncode, done.stdout) == (125, "")
    assert store.ok("--dialect", "podman", "volume", "create", "--ignore", "data") == "data"
    assert events(store).count("create data") >= 1
    assert store("volume", "exists", "data").returncode == 0
    assert store("volume", "exists", "nothing").returncode == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("create --driver nfs data", "volume data: there is no driver 'nfs'"),
        ("create --opt size data", "--opt: 'size' is no pair"),
        ("create --opt size=1g data", "cannot limit a volume to 1g"),
        ("rm", "requires at least 1 argument"),
        ("rm -a data", "requires at least 1 argument"),
        ("rm -t 1 data", "--time goes with --force only"),
        ("inspect", "requires at least 1 argument"),
        ("prune -f --filter driver=local", "invalid filter 'driver'"),
        ("ls --filter nothing=1", "invalid filter 'nothing'"),
    ],
)
def test_refusals(store: Store, line: str, words: str) -> None:
    done = store("volume", *line.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr


def test_completion(store: Store) -> None:
    store.ok("volume", "create", "data")
    store.ok("volume", "create", "dump")
    assert offered(store, "volume", "rm", "d") == ["data", "dump"]
    assert offered(store, "volume", "rm", "data", "") == ["dump"]
    assert offered(store, "volume", "create", "d") == []
    assert offered(store, "volume", "ls", "--filter", "dan") == ["dangling="]
    assert offered(store, "volume", "prune", "--filter", "dan") == []
    assert offered(store, "run", "-v", "da") == ["data:/", ":files"]
    assert offered(store, "run", "-v", "/da") == [":files"]


def test_events_of_starts_and_ends(store: Store) -> None:
    store.ok("run", "--rm", "-v", "data:/x", "-v", f"{store.directory}:/y", "busybox", "true")
    lines = store.ok("events", "--stream=false", "--since", "0", "--filter", "volume=data")
    told = [line.split(" ", 3) for line in lines.splitlines()][-3:]
    assert [words[2] for words in told] == ["create", "mount", "unmount"]
    assert "destination=/x" in told[1][3]
    theirs = store.ok("--dialect=podman", "events", "--stream=false", "--filter", "volume=data")
    assert "mount" not in theirs
    assert "volume create data" in theirs
