"""Volumes on the disk: with records and without, in use, in the way, and half gone."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import Engine
from rootless.errors import Conflict, NotFound, StoreError, UsageError
from rootless.store import records
from rootless.store.paths import Paths
from rootless.teller import Quiet
from tests.children import end, in_child
from tests.store.test_objects import killed_at, waits_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.volumes.collection import Volumes

ANONYMOUS = "0a" * 32


class Heard(Quiet):
    """A teller that remembers problems."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def problem(self, error: Exception) -> None:
        self.problems.append(str(error))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The data directory, and that of volumes in it; nobody else uses it."""
    Paths(str(tmp_path / "store")).prepare()
    return tmp_path / "store"


@pytest.fixture
def volumes(root: Path) -> Volumes:
    return Engine(str(root)).volumes


@pytest.fixture
def base(root: Path) -> Path:
    """Where the volumes are."""
    return root / "volumes"


def nobody(_: str) -> list[str]:
    return []


def test_creating(volumes: Volumes, base: Path) -> None:
    before = time.time()
    made = volumes.create("one", labels={"a": "b"})
    assert (made.name, made.labels, made.anonymous, made.options) == ("one", {"a": "b"}, False, {})
    assert before <= made.created <= time.time()
    assert made.data == volumes.data("one") == f"{base}/one/_data"
    assert sorted(os.listdir(base / "one")) == ["_data", "volume.json"]
    assert os.listdir(made.data) == []
    assert volumes.get("one").record == made.record
    with pytest.raises(Conflict, match='the volume name "one" is already in use'):
        volumes.create("one", labels={"c": "d"})
    assert os.listdir(base) == ["one"]
    assert volumes.get("one").labels == {"a": "b"}


def test_without_a_name(volumes: Volumes) -> None:
    made = [volumes.create() for _ in range(3)]
    assert all(one.anonymous and len(one.name) == 64 for one in made)
    assert volumes.names() == sorted(one.name for one in made)


def test_a_store_is_made(tmp_path: Path) -> None:
    Engine(str(tmp_path / "new")).volumes.create("one")
    assert (tmp_path / "new/rootless-store").exists()


@pytest.mark.parametrize("name", [".", "..", ".x", "-x", "a/b", "/a", "a b", "ä", "a\0", "x" * 256])
def test_what_is_no_name(volumes: Volumes, base: Path, name: str) -> None:
    with pytest.raises(UsageError, match="invalid characters for a volume name"):
        volumes.create(name)
    assert not volumes.exists(name)
    with pytest.raises(NotFound):
        volumes.get(name)
    with pytest.raises(NotFound):
        volumes.remove(name, nobody)
    assert os.listdir(base) == []


@pytest.mark.parametrize(("name", "anonymous"), [("old", False), (ANONYMOUS, True)])
def test_of_earlier_releases(volumes: Volumes, base: Path, name: str, anonymous: bool) -> None:
    """They have no record, and get none by being used."""
    (base / name / "_data").mkdir(parents=True)
    os.utime(base / name, (1000, 2000))
    for _ in range(2):
        (one,) = volumes.list()
        assert one.record == volumes.get(name).record
        assert (one.name, one.labels, one.anonymous, one.created) == (name, {}, anonymous, 2000)
        volumes.ensure(name)
    assert os.listdir(base / name) == ["_data"]
    volumes.remove(name, nobody)
    assert os.listdir(base) == []


def test_what_is_no_volume(volumes: Volumes, base: Path) -> None:
    """It is neither listed nor removed."""
    for name in ("lost+found", ".hidden", ".gone-x"):
        (base / name).mkdir()
    (base / "file").touch()
    (base / "nowhere").symlink_to("nothing")
    held = records.lock(f"{base}/.hidden")
    volumes.create("one")
    assert volumes.names() == ["one"]
    assert [one.name for one in volumes.list()] == ["one"]
    assert held is not None
    os.close(held)
    assert sorted(os.listdir(base)) == [".hidden", "file", "lost+found", "nowhere", "one"]
    for name, why in (("file", "Not a directory"), ("nowhere", "something else has its place")):
        with pytest.raises(Conflict):
            volumes.create(name)
        with pytest.raises(StoreError, match=rf"cannot make {base}/{name}/_data: {why}"):
            volumes.ensure(name)


def test_elsewhere(volumes: Volumes, base: Path, tmp_path: Path) -> None:
    """A user may put a link in the place of a volume: what it leads to is his."""
    (tmp_path / "large/_data").mkdir(parents=True)
    (tmp_path / "large/_data/file").touch()
    (base / "one").symlink_to(tmp_path / "large")
    volumes.ensure("one")
    assert volumes.names() == ["one"]
    volumes.remove("one", nobody)
    assert os.listdir(base) == []
    assert (tmp_path / "large/_data/file").exists()


WHOLE = {"name": "one", "created": 1.5, "labels": {}, "anonymous": False, "options": {}}
DAMAGED = {
    "no JSON": b'{"name": "on',
    "a list": b"[]",
    "other keys": b"{}",
    "another's": json.dumps({**WHOLE, "name": "two"}).encode(),
    "never made": json.dumps({**WHOLE, "created": 0}).encode(),
    "made by words": json.dumps({**WHOLE, "created": "today"}).encode(),
    "labels in a row": json.dumps({**WHOLE, "labels": ["a"]}).encode(),
    "perhaps anonymous": json.dumps({**WHOLE, "anonymous": "no"}).encode(),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_records(volumes: Volumes, base: Path, kind: str) -> None:
    """One is told of, can be used and removed, but is no candidate for pruning."""
    volumes.create("one")
    volumes.create("two")
    (base / "one/volume.json").write_bytes(DAMAGED[kind])
    with pytest.raises(StoreError, match="damaged record"):
        volumes.get("one")
    heard = Heard()
    assert [one.name for one in volumes.list(heard)] == ["two"]
    assert [one.name for one in volumes.unused(set, heard)] == ["two"]
    assert len(heard.problems) == 2
    assert all("damaged record" in text and "one" in text for text in heard.problems)
    assert volumes.names() == ["one", "two"]
    volumes.ensure("one")
    volumes.remove("one", nobody)
    assert volumes.names() == ["two"]


@pytest.mark.parametrize("name", ["named", ANONYMOUS])
def test_an_empty_record(volumes: Volumes, base: Path, name: str) -> None:
    """A power cut may leave that of a first use, which nobody waited for."""
    volumes.ensure(name)
    (base / name / "volume.json").write_bytes(b"")
    assert volumes.get(name).anonymous == (name == ANONYMOUS)


@pytest.mark.parametrize("anonymous", [False, True])
def test_first_use(volumes: Volumes, base: Path, anonymous: bool) -> None:
    for _ in range(2):
        volumes.ensure("one", anonymous=anonymous)
        assert sorted(os.listdir(base / "one")) == ["_data", "volume.json"]
        (base / "one/_data").rmdir()  # somebody was killed, or tidied up
    assert volumes.get("one").anonymous is anonymous
    volumes.ensure("one", anonymous=not anonymous)
    assert volumes.get("one").anonymous is anonymous
    assert volumes.get("one").labels == {}


def test_a_name_of_a_user_that_looks_anonymous(volumes: Volumes) -> None:
    volumes.ensure(ANONYMOUS)
    assert not volumes.get(ANONYMOUS).anonymous


def test_first_use_by_many(volumes: Volumes, base: Path) -> None:
    """And by an earlier release, which makes the directories one by one."""

    def use() -> None:
        for number in range(30):
            volumes.ensure(f"v{number}")
            assert (base / f"v{number}/_data").is_dir()

    def use_as_before() -> None:
        for number in range(30):
            os.makedirs(base / f"v{number}/_data", 0o755, exist_ok=True)
            assert (base / f"v{number}/_data").is_dir()

    children = [in_child(use) for _ in range(3)] + [in_child(use_as_before)]
    assert [end(child) for child in children] == 4 * [0]
    assert sorted(os.listdir(base)) == volumes.names()
    assert len(volumes.list()) == 30


def test_removing(volumes: Volumes, base: Path) -> None:
    name = "x" * 255
    for _ in range(2):
        Path(volumes.create(name).data, "file").touch()
        # Of an earlier removal something is left that could not be deleted.
        (base / f".gone-{name[:64]}/held").mkdir(parents=True, exist_ok=True)
        volumes.remove(name, nobody)
        assert not volumes.exists(name)
    with pytest.raises(NotFound, match=f"no such volume: {name}"):
        volumes.remove(name, nobody)
    volumes.discard(name)


def test_in_use(volumes: Volumes) -> None:
    volumes.create("one")
    with pytest.raises(Conflict, match="volume one is in use by a, b"):
        volumes.remove("one", lambda name: {"b", "a"} if name == "one" else set())
    assert volumes.exists("one")

    def unknown(_: str) -> list[str]:
        raise StoreError("damaged")

    with pytest.raises(StoreError, match="damaged"):
        volumes.remove("one", unknown)
    assert volumes.exists("one")


def test_a_start_waits_for_a_removal(volumes: Volumes, base: Path) -> None:
    """Who removes has seen no container: then the next one gets a volume of its own."""
    starts: list[int] = []
    volumes.create("one", labels={"old": ""})

    def users(_: str) -> list[str]:
        starts.append(in_child(start))
        while not waits_for(starts[0], f"{base}/one"):
            assert os.waitpid(starts[0], os.WNOHANG) == (0, 0)
        return []

    def start() -> None:
        for fd in os.listdir("/proc/self/fd"):  # the remover's lock is not ours
            if os.path.realpath(f"/proc/self/fd/{fd}") == f"{base}/one":
                os.close(int(fd))
        volumes.ensure("one")

    volumes.remove("one", users)
    assert end(starts[0]) == 0
    assert volumes.get("one").labels == {}
    assert os.listdir(base) == ["one"]
    assert sorted(os.listdir(base / "one")) == ["_data", "volume.json"]


def test_containers_are_asked_for_after_volumes(volumes: Volumes) -> None:
    volumes.create("used")
    volumes.create("idle")

    def used() -> set[str]:
        volumes.create("younger")
        return {"used", "gone"}

    assert [one.name for one in volumes.unused(used)] == ["idle"]


def test_discarding_does_not_wait(volumes: Volumes, base: Path) -> None:
    volumes.create("one")
    held = records.lock(f"{base}/one")
    volumes.discard("one")
    assert os.listdir(base) == []
    assert held is not None
    os.close(held)


STORIES: dict[str, Callable[[Volumes], object]] = {
    "create": lambda volumes: volumes.create("one", labels={"a": "b"}),
    "ensure": lambda volumes: volumes.ensure("one"),
    "remove": lambda volumes: volumes.remove("two", nobody),
}


@pytest.mark.parametrize("story", STORIES)
def test_kills_at_each_step(volumes: Volumes, base: Path, story: str) -> None:
    """A volume is there whole or not at all, and nothing else is left."""
    step, ended = 0, -signal.SIGKILL
    while ended == -signal.SIGKILL:
        if not volumes.exists("two"):
            volumes.create("two")
        step += 1
        ended = end(in_child(killed_at(step, lambda: STORIES[story](volumes))))
        assert ended in (0, -signal.SIGKILL)
        for one in volumes.list():
            assert sorted(os.listdir(one.directory)) == ["_data", "volume.json"]
            assert one.labels == ({"a": "b"} if (one.name, story) == ("one", "create") else {})
        assert sorted(os.listdir(base)) == volumes.names()
        if volumes.exists("one"):
            volumes.remove("one", nobody)
    assert step > 4
