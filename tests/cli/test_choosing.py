"""Which containers commands are about: by name, file, filter, or as the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rootless.cli.commands.containers import choosing
from rootless.engine import Engine
from rootless.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tests.conftest import Store

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def three(shared: Store) -> Iterator[Store]:
    """A store with the containers a, b and c, of which b runs."""
    for name in "abc":
        place = f"--cidfile={shared.directory}/{name}"
        shared.ok("create", "--name", name, "-l", f"is={name}", place, "host", "sleep", "1000")
    shared.ok("start", "b")
    yield shared
    shared.ok("rm", "-fa")


@pytest.mark.parametrize(
    ("given", "which", "running", "expected"),
    [
        (["a", "b"], {}, False, "a b"),
        (None, {"all": True}, False, "c b a"),
        (None, {"all": True}, True, "b"),
        (None, {"latest": True}, True, "c"),
        (None, {"filter": ["label=is=a"]}, False, "a"),
        (None, {"filter": ["label=is=a"]}, True, ""),
        (["a", "c", "none"], {"filter": ["label=is=a"]}, True, "a none"),
        (["a"], {"cidfile": ["b"]}, False, "a b"),
        (None, {"cidfile": ["c"]}, True, "c"),
    ],
)
def test_some(
    three: Store,
    monkeypatch: pytest.MonkeyPatch,
    given: list[str] | None,
    which: Any,
    running: bool,
    expected: str,
) -> None:
    monkeypatch.chdir(three.directory)
    engine = Engine(three.root)
    found = choosing.some(engine, given, which, running=running)
    known = {one.id: one.name for one in engine.containers.list()}
    assert [known.get(name, name) for name in found] == expected.split()


@pytest.mark.parametrize("filters", [None, ["label=is"]])
def test_files_that_have_gone_mean_no_container(three: Store, filters: Any) -> None:
    which: Any = {"cidfile": [f"{three.directory}/gone"], "filter": filters}
    assert choosing.some(Engine(three.root), None, which, ignore=True) == []


@pytest.mark.parametrize("more", [{"all": True}, {"latest": True}])
def test_files_that_have_gone_are_names(three: Store, more: Any) -> None:
    which = {"cidfile": [f"{three.directory}/gone"], **more}
    with pytest.raises(UsageError, match="contradict"):
        choosing.some(Engine(three.root), None, which, ignore=True)


@pytest.mark.parametrize(
    ("given", "which", "message"),
    [
        (None, {}, "which container?"),
        (["a"], {"all": True}, "names and --all or --latest contradict"),
        (["a"], {"latest": True}, "names and --all or --latest contradict"),
        (None, {"cidfile": ["/none"]}, "--cidfile /none: No such file"),
        (None, {"cidfile": ["/dev/null"]}, "--cidfile /dev/null: there is no id in it"),
    ],
)
def test_what_makes_no_sense(three: Store, given: Any, which: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choosing.some(Engine(three.root), given, which)


def test_a_file_that_has_gone_with_its_container(three: Store) -> None:
    assert choosing.some(Engine(three.root), None, {"cidfile": ["/none"]}, ignore=True) == []
    assert three.ok("rm", "--ignore", "--cidfile", "/none") == ""
    assert three("rm", "--cidfile", "/none").returncode == 1


def test_every_command_takes_them(three: Store) -> None:
    """Once through each command, with what it takes of these options."""
    b = f"{three.directory}/b"
    assert three.ok("pause", "--cidfile", b) == three.ok("unpause", "-a")
    three.ok("start", "-l")
    assert "sleep" in three.ok("top", "-l", "args")
    assert three.ok("exec", "-l", "echo", "-l") == "-l"
    assert three.ok("port", "-l") == ""
    for words in (["diff"], ["container", "diff"]):
        assert three(*words, "-l").stderr == "Error: container c shows this machine's own files\n"
    assert three("kill", "-l", "-s", "KILL").returncode == 0
    assert three.ok("wait", "-l", "-i", "10ms") == "137"
    assert three("stop", "-l", "b").returncode == 1
    assert three("restart", "b", "-s", "nonsense").returncode == 1
    assert three("stop", "--filter", "label=is=b", "--signal", "KILL", "-t", "100").returncode == 0
    assert three.ok("inspect", "-f", "{{.State.ExitCode}}", "b") == "137"
    three.ok("start", "b")


def test_start_filters_those_named(three: Store) -> None:
    assert (
        three.ok("start", "--filter", "restart-policy=none", "--filter", "label=is=b", "b", "a")
        == "b"
    )
    assert three.ok("start", "--filter", "restart-policy=always", "a") == ""


def test_a_force_that_waits(shared: Store) -> None:
    """`rm -f` kills, with --time the program can end by itself."""
    script = "trap 'echo bye >/w/told; exit' TERM; echo up; while :; do sleep 0.02; done"
    place = f"{shared.directory}/w"
    shared.ok("run", "-d", "--name", "polite", "-v", f"{place}:/w", "busybox", "sh", "-c", script)
    while not shared.ok("logs", "polite"):
        pass
    assert shared("rm", "-t", "20", "polite").stderr.startswith("Error: --time goes with --force")
    shared.ok("rm", "-f", "-t", "20", "polite")
    with open(f"{place}/told") as told:
        assert told.read() == "bye\n"


def test_the_first_of_several_to_end(shared: Store) -> None:
    shared.ok("run", "-d", "--name", "long", "busybox", "sleep", "1000")
    shared.ok("run", "-d", "--name", "short", "busybox", "sh", "-c", "exit 5")
    assert shared.ok("wait", "--return-on-first", "long", "short") == "5"
    waiting = shared.start("wait", "--return-on-first", "long")
    shared.ok("kill", "long")
    assert waiting.communicate(timeout=60)[0] == "137\n"
    assert shared.ok("wait", "--return-on-first", "--ignore", "no", "long") == "137"
    assert shared("wait", "--return-on-first", "no", "long").returncode == 1
    shared.ok("rm", "-f", "long", "short")
