"""From create to rm: states, signals, waiting, names, and many at once."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import Engine, times
from rootless.containers.running import stopping
from rootless.errors import HostError
from rootless.store import records

if TYPE_CHECKING:
    from conftest import Store

pytestmark = pytest.mark.once

LOOP = "while :; do sleep 0.05; done"


def status(store: Store, name: str) -> str:
    return store.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name)


@pytest.mark.each
def test_states(busybox: Store) -> None:
    script = "until [ -e /go ]; do sleep 0.02; done; exit 3"
    busybox.ok("create", "--name", "one", "busybox", "sh", "-c", script)
    assert status(busybox, "one") == "created 0"
    assert busybox.ok("ps", "-q") == ""
    assert busybox.ok("ps", "-a", "--format", "{{.Status}}") == "Created"
    assert busybox.ok("start", "one") == "one"
    assert status(busybox, "one") == "running 0"
    assert busybox.ok("ps", "--format", "{{.Status}}").startswith("Up ")
    busybox.ok("exec", "one", "touch", "/go")
    assert busybox.ok("wait", "one") == "3"
    assert status(busybox, "one") == "exited 3"
    assert busybox.ok("ps", "-a", "--format", "{{.Status}}").startswith("Exited (3) ")
    assert busybox.ok("rm", "one") == "one"
    assert busybox.ok("ps", "-aq") == ""


def test_start_of_a_running_container_does_nothing(busybox: Store) -> None:
    busybox.ok("run", "-d", "--rm", "--name", "one", "busybox", "sleep", "1000")
    pid = busybox.ok("inspect", "-f", "{{.State.Pid}}", "one")
    busybox.ok("start", "one")
    assert busybox.ok("inspect", "-f", "{{.State.Pid}}", "one") == pid


def test_start_attached_and_again(busybox: Store) -> None:
    script = "echo run >> /count; cat /count; exit 4"
    busybox.ok("create", "--name", "one", "busybox", "sh", "-c", script)
    for number in (1, 2, 3):  # its files are kept
        done = busybox("start", "-a", "one")
        assert (done.stdout, done.returncode) == ("run\n" * number, 4)


def test_start_right_after_wait(busybox: Store) -> None:
    """The supervisor of before may still be cleaning up."""
    busybox.ok("create", "--name", "one", "busybox", "true")
    for _ in range(10):
        busybox.ok("start", "one")
        assert busybox.ok("wait", "one") == "0"


def test_stop_signal(busybox: Store) -> None:
    script = f"trap 'exit 9' USR1; echo ready; {LOOP}"
    options = ["--stop-signal", "USR1", "--name", "one"]
    busybox.ok("run", "-d", *options, "busybox", "sh", "-c", script)
    await_output(busybox, "one", "ready")
    assert busybox.ok("stop", "one") == "one"
    assert status(busybox, "one") == "exited 9"
    assert busybox.ok("stop", "one") == "one"  # it does not run: nothing to do


def await_output(store: Store, name: str, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in store.ok("logs", name):
        assert time.monotonic() < deadline


def test_stop_kills_what_does_not_listen(busybox: Store) -> None:
    busybox.ok("run", "-d", "--stop-timeout", "1", "--name", "one", "busybox", "sleep", "1000")
    began = time.monotonic()
    busybox.ok("stop", "one")  # the first process of a pid namespace ignores SIGTERM
    assert 0.9 < time.monotonic() - began < 8
    assert status(busybox, "one") == "exited 137"
    busybox.ok("start", "one")
    began = time.monotonic()
    busybox.ok("stop", "-t", "0", "one")
    assert time.monotonic() - began < 5


def test_kill(busybox: Store) -> None:
    script = f"trap 'echo hup' HUP; echo ready; {LOOP}"
    busybox.ok("run", "-d", "--name", "one", "busybox", "sh", "-c", script)
    await_output(busybox, "one", "ready")
    busybox.ok("kill", "-s", "HUP", "one")
    await_output(busybox, "one", "hup")
    assert status(busybox, "one") == "running 0"
    assert busybox("kill", "-s", "NONSENSE", "one").returncode == 1
    busybox.ok("kill", "one")
    assert busybox.ok("wait", "one") == "137"
    done = busybox("kill", "one")
    assert done.returncode != 0
    assert "is not running" in done.stderr


@pytest.mark.each
@pytest.mark.parametrize(("signal_", "rm"), [("KILL", False), ("9", True), (9, False)])
def test_kill_waits_for_the_end(busybox: Store, signal_: str | int, rm: bool) -> None:
    """What comes next finds it ended. A command would look too late to tell."""
    more = ["--rm"] if rm else ["--restart", "always"]
    for number in range(5):
        name = f"one{number}"
        busybox.ok("run", "-d", "--name", name, *more, "busybox", "sleep", "1000")
        one = Engine(busybox.root).containers.get(name)
        assert one.kill(signal_)
        assert not one.look().active
        if not rm:
            assert one.look().status == "exited"
            busybox.ok("rm", name)


def test_kill_waits_no_longer_than_that(busybox: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one that was killed holds its life lock, as one that waits for a disk does."""
    busybox.ok("create", "--name", "one", "busybox", "true")
    one = Engine(busybox.root).containers.get("one")
    held = records.claim(f"{one.directory}/alive")
    assert held is not None
    monkeypatch.setattr(stopping, "KILLED_IN", 0.1)
    with open(f"{one.directory}/alive", "rb") as alive:
        with pytest.raises(HostError, match="container one was killed, but has not ended"):
            stopping._await_death(one, alive.fileno(), 0)
        os.close(held)
        stopping._await_death(one, alive.fileno(), 0)


DEAF = ("busybox", "sleep", "1000")
"""The first process of a pid namespace ignores SIGTERM."""


@pytest.mark.parametrize("which", [("a", "b", "c"), ("--all",)])
def test_several_are_stopped_at_once(busybox: Store, which: tuple[str, ...]) -> None:
    for name, seconds in (("a", "3"), ("b", "2"), ("c", "3")):
        busybox.ok("run", "-d", "--stop-timeout", seconds, "--name", name, *DEAF)
    began = time.monotonic()
    told = busybox.ok("stop", *which).split()
    assert 2.9 < time.monotonic() - began < 5.5
    assert len(told) == 3
    if which != ("--all",):
        assert told == ["a", "b", "c"]
    shown = "{{.State.ExitCode}} {{.State.StartedAt}} {{.State.FinishedAt}}"
    for name, seconds in (("a", 3), ("b", 2), ("c", 3)):  # each in its own time
        code, *moments = busybox.ok("inspect", "-f", shown, name).split()
        began_at, ended_at = (times.moment(one) for one in moments)
        assert code == "137"
        assert ended_at - began_at > seconds
    ended = busybox.ok("inspect", "-f", "{{.State.FinishedAt}}", "b", "a").split()
    assert ended == sorted(ended)


def test_errors_among_several_stops(busybox: Store) -> None:
    """They stand in their turn, and hold nobody up."""
    for name in ("a", "b"):
        busybox.ok("run", "-d", "--name", name, *DEAF)
    pid = int(busybox.ok("inspect", "-f", "{{.State.ConmonPid}}", "a"))
    os.kill(pid, signal.SIGSTOP)
    try:
        done = busybox("stop", "-t", "0", "none", "a", "b", "b")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (done.returncode, done.stdout.split()) == (1, ["b", "b"])
    first, second = done.stderr.splitlines()
    assert "No such container: none" in first
    assert "the supervisor of container a is stopped" in second
    assert busybox.ok("wait", "a", "b").split() == ["137", "137"]


def test_removal_stops_several_at_once(busybox: Store) -> None:
    """Those that go: not one that stays, since a container that stays needs it."""
    for name in ("a", "b", "c"):
        more = ["--rm"] if name == "b" else []
        busybox.ok("run", "-d", "--stop-timeout", "2", "--name", name, *more, *DEAF)
    busybox.ok("run", "-d", "--stop-timeout", "2", "--name", "base", *DEAF)
    busybox.ok("create", "--name", "user", "--network", "container:base", *DEAF)
    began = time.monotonic()
    done = busybox("--dialect", "podman", "rm", "-f", "a", "b", "none", "base", "c")
    assert 1.9 < time.monotonic() - began < 3.9
    assert done.stdout.split() == ["a", "b", "c"]
    assert "cannot remove container base" in done.stderr
    assert status(busybox, "base") == "running 0"
    busybox.ok("--dialect", "podman", "rm", "-f", "base", "user")
    assert busybox.ok("ps", "-aq") == ""


@pytest.mark.each
def test_rm(busybox: Store) -> None:
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    done = busybox("rm", "one")
    assert done.returncode == 1
    assert "is running" in done.stderr
    assert busybox.ok("rm", "-f", "one") == "one"
    done = busybox("rm", "one")
    assert (done.returncode, "No such container: one" in done.stderr) == (1, True)
    assert busybox("rm", "-f", "one").returncode == 0
    assert os.listdir(f"{busybox.root}/containers") == [".names"]
    assert os.listdir(f"{busybox.root}/containers/.names") == []


def test_rm_force_of_a_container_that_removes_itself(busybox: Store) -> None:
    for _ in range(5):
        busybox.ok("run", "-d", "--rm", "--name", "one", "busybox", "sleep", "1000")
        done = busybox("rm", "-f", "one")
        assert (done.stdout, done.stderr, done.returncode) == ("one\n", "", 0)


def test_several_wait(busybox: Store) -> None:
    for options in ([], ["--rm"]):
        script = "sleep 1; exit 6"
        busybox.ok("run", "-d", *options, "--name", "one", "busybox", "sh", "-c", script)
        waiters = [busybox.start("wait", "one") for _ in range(4)]
        results = [(p.communicate(timeout=30), p.returncode) for p in waiters]
        assert results == [(("6\n", ""), 0)] * 4
        busybox("rm", "one")


def test_wait_for_several(busybox: Store) -> None:
    for code in (1, 2):
        script = f"sleep 0.{code}; exit {code}"
        busybox.ok("run", "-d", "--name", f"c{code}", "busybox", "sh", "-c", script)
    assert busybox.ok("wait", "c2", "c1").split() == ["2", "1"]
    assert busybox("wait", "no-such").returncode != 0


def test_names_and_prefixes(busybox: Store) -> None:
    ids = [busybox.ok("create", "--name", f"name{n}", "busybox", "true") for n in range(20)]
    assert busybox.ok("inspect", "-f", "{{.Name}}", ids[3][:12]).endswith("name3")
    assert busybox.ok("inspect", "-f", "{{.Id}}", "name5") == ids[5]
    first = next(one for one in ids if sum(other[0] == one[0] for other in ids) > 1)[0]
    done = busybox("rm", first)
    assert done.returncode == 1
    assert "beginning of" in done.stderr
    done = busybox("rm", "name")  # the beginning of a name is none
    assert "No such container: name" in done.stderr
    # A name that looks like another's id wins.
    busybox.ok("create", "--name", ids[7][:12], "busybox", "true")
    assert busybox.ok("inspect", "-f", "{{.Id}}", ids[7][:12]) != ids[7]
    assert len(busybox.ok("rm", "-a").split()) == 21


def test_the_slash_before_a_name(busybox: Store) -> None:
    """docker's own names begin with it, and its scripts give them back as they come."""
    busybox.ok("create", "--name", "/foo", "busybox", "true")
    busybox.ok("create", "--name", "foobar", "--network", "container:/foo", "busybox", "true")
    assert busybox.ok("inspect", "-f", "{{.Name}}", "/foo", "foo") == "/foo\n/foo"
    for pattern, found in (
        ("^/foo$", "foo"),
        ("^foo$", "foo"),
        ("/foo", "foobar foo"),
        ("^/?foob", "foobar"),
        ("/oo", ""),
        ("oob", "foobar"),
    ):
        line = ["ps", "-a", "--format", "{{.Names}}", "--filter", f"name={pattern}"]
        assert busybox.ok(*line).split() == found.split(), pattern
    busybox.ok("rename", "/foobar", "/bar")
    assert "rename" in busybox.ok(
        *["events", "--stream=false", "--since", "1h", "--filter", "container=/bar"]
    )
    assert busybox.ok("ps", "-aq", "--filter", "before=/bar") != ""
    assert busybox.ok("rm", "/bar", "/foo") == "/bar\n/foo"
    assert busybox("create", "--name", "/", "busybox", "true").returncode == 1
    assert busybox("create", "--name", "//a", "busybox", "true").returncode == 1


def test_cleaning_up_twice_is_no_mistake(shared: Store) -> None:
    for line in (["rm", "-f", "nosuch"], ["rm", "--ignore", "nosuch"], ["rmi", "-f", "nosuch"]):
        done = shared(*line)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), line
    for line in (["rm", "nosuch"], ["rmi", "nosuch"]):
        assert shared(*line).returncode == 1


def test_who_uses_a_container(busybox: Store) -> None:
    def make(name: str, *options: str) -> None:
        busybox.ok("create", "--name", name, *options, "busybox", "true")

    def there() -> set[str]:
        return set(busybox.ok("ps", "-a", "--format", "{{.Names}}").split())

    make("one")
    make("two", "--network", "container:one")
    make("three", "--network", "container:two")
    for line in (["rm", "one"], ["rm", "-f", "one"], ["run", "--replace", "--name", "one", "host"]):
        refused = busybox(*line, *(["true"] if "run" in line else []))
        assert refused.returncode != 0
        assert "cannot remove container one: container" in refused.stderr
        assert "needs it" in refused.stderr
    assert there() == {"one", "two", "three"}
    assert busybox("rm", "one", "two").returncode == 1  # the third is left
    assert there() == {"one", "two", "three"}
    busybox.ok("rm", "one", "three", "two")  # in any order
    assert there() == set()
    make("one")
    make("two", "--network", "container:one")
    make("three", "--network", "container:one")
    refused = busybox("rm", "one")
    assert "need it" in refused.stderr
    assert "--depend" in refused.stderr
    busybox.ok("rm", "--depend", "one")
    assert there() == set()
    make("one")
    make("two", "--network", "container:one")
    busybox.ok("rm", "two")
    busybox.ok("rm", "one")
    make("one")
    make("two", "--network", "container:one")
    busybox.ok("rm", "--all")
    assert there() == set()


def test_rm_waits_for_who_needs_it(shared: Store) -> None:
    """The one goes with the last of those, however deep, but not while it runs again."""

    def there() -> str:
        return " ".join(sorted(shared.ok("ps", "-a", "--format", "{{.Names}}").split()))

    line = ["run", "-d", "--rm", "busybox", "sleep", "1000"]
    make = lambda name, *options: shared.ok(*line[:3], "--name", name, *options, *line[3:])  # noqa: E731
    make("one")
    make("two", "--network", "container:one")
    shared.ok("create", "--name", "three", "--requires", "two", "busybox", "true")
    shared.ok("create", "--name", "four", "--network", "container:one", "busybox", "true")
    shared.ok("stop", "-t", "0", "two", "one")
    assert there() == "four one three two"
    assert shared.ok("inspect", "-f", "{{.State.Status}}", "one", "two") == "exited\nexited"
    shared.ok("rm", "three")
    assert there() == "four one"
    shared.ok("start", "one")
    shared.ok("rm", "four")
    assert there() == "one"
    shared.ok("stop", "-t", "0", "one")
    assert there() == ""
    shared.ok("create", "--rm", "--name", "never", "busybox", "true")
    shared.ok("create", "--name", "five", "--network", "container:never", "busybox", "true")
    shared.ok("rm", "five")
    assert there() == "never"
    shared.ok("rm", "never")


def test_rm_of_one_whose_supervisor_was_killed_waits_as_well(shared: Store) -> None:
    shared.ok("run", "-d", "--rm", "--name", "one", "busybox", "sleep", "1000")
    shared.ok("create", "--name", "two", "--requires", "one", "busybox", "true")
    directory = f"{shared.root}/containers/" + shared.ok("inspect", "-f", "{{.Id}}", "one")
    state = json.loads(Path(directory, "state.json").read_text())
    os.kill(state["supervisor"], signal.SIGKILL)
    assert shared.ok("wait", "one") == "255"
    assert len(shared.ok("ps", "-aq").split()) == 2
    shared.ok("rm", "two")
    assert shared.ok("ps", "-aq") == ""


@pytest.mark.parametrize("ref", ["../x", "", ".", "..", ".names", "/", "a\nb", "x" * 5000])
def test_hostile_references(busybox: Store, ref: str) -> None:
    for command in ("rm", "stop", "logs", "start", "inspect"):
        done = busybox(command, ref)
        assert done.returncode in (1, 125)
        assert "Traceback" not in done.stderr
    assert os.path.isdir(f"{busybox.root}/containers")


def test_one_name_for_many_at_once(busybox: Store) -> None:
    makers = [busybox.start("create", "--name", "one", "busybox", "true") for _ in range(20)]
    results = [(p.communicate(timeout=60), p.returncode) for p in makers]
    made = [out for (out, _), code in results if code == 0]
    refused = [err for (_, err), code in results if code != 0]
    assert len(made) == 1
    assert all(
        f'"/one" is already in use by container "{made[0][:12]}' in err for err in refused
    ), refused
    assert busybox.ok("ps", "-aq", "--no-trunc") + "\n" == made[0]
    assert sorted(os.listdir(f"{busybox.root}/containers")) == [".names", made[0].strip()]


def test_many_replace_each_other(busybox: Store) -> None:
    line = ["run", "-d", "--replace", "--name", "one", "busybox", "sleep", "1000"]
    makers = [busybox.start(*line) for _ in range(6)]
    for process in makers:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0 or "No such container" in err or "in use" in err, err
    assert len(busybox.ok("ps", "-aq").split()) == 1


@pytest.mark.each
def test_parallel_runs_of_a_new_store(cli: Store) -> None:
    """Nobody has made the user namespace, the store or the cached filter yet."""
    runs = [cli.start("run", "--rm", "host", "sh", "-c", f"exit {n}") for n in range(12)]
    results = [(p.communicate(timeout=90), p.returncode) for p in runs]
    assert results == [(("", ""), n) for n in range(12)]
    assert [one for one in os.listdir(f"{cli.root}/containers") if one != ".names"] == []


def test_parallel_starts_of_one_container(busybox: Store) -> None:
    busybox.ok("create", "--name", "one", "busybox", "sh", "-c", "echo started; sleep 1000")
    starts = [busybox.start("start", "one") for _ in range(8)]
    results = [(p.communicate(timeout=60), p.returncode) for p in starts]
    assert results == [(("one\n", ""), 0)] * 8
    await_output(busybox, "one", "started")
    assert busybox.ok("logs", "one") == "started"


@pytest.mark.each
def test_parallel_life(busybox: Store) -> None:
    """Starting, stopping, removing and listing at once: each says something sensible."""
    busybox.ok("create", "--name", "one", "busybox", "sleep", "1000")
    words = [
        ["start", "one"],
        ["stop", "-t", "0", "one"],
        ["ps", "-a"],
        ["start", "one"],
        ["inspect", "one"],
        ["rm", "-f", "one"],
        ["logs", "one"],
        ["wait", "one"],
    ]
    started = [busybox.start(*line) for line in words * 2]
    for process in started:
        _, err = process.communicate(timeout=60)
        assert process.returncode in (0, 1)
        assert "Traceback" not in err
        assert "fault of rootless" not in err
    assert busybox.ok("ps", "-aq") == ""


def test_failed_start_is_kept_and_said(busybox: Store) -> None:
    done = busybox("run", "--name", "one", "busybox", "nothing")
    assert done.returncode == 127
    assert busybox.ok("inspect", "-f", "{{.State.ExitCode}} {{.State.Error}}", "one").startswith(
        "127 "
    )
    busybox.ok("rm", "one")


def test_list_is_newest_first_and_quick(busybox: Store) -> None:
    for number in range(5):
        busybox.ok("create", "--name", f"n{number}", "busybox", "true")
    assert busybox.ok("ps", "-a", "--format", "{{.Names}}").split() == [
        "n4",
        "n3",
        "n2",
        "n1",
        "n0",
    ]
    assert busybox.ok("ps", "-n", "2", "-a", "--format", "{{.Names}}").split() == ["n4", "n3"]
