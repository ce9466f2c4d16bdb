"""What commands do differently in the two dialects, beyond their words."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rootless import times
from rootless.cli.dialects.docker import Docker
from rootless.cli.dialects.podman import Podman
from rootless.containers.words.request import request
from rootless.errors import UsageError

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = pytest.mark.once

PODMAN = ("--dialect", "podman")


def test_podman_makes_no_directory_that_is_named(shared: Store, tmp_path: Path) -> None:
    """But docker does; and in what is mounted it is made by both."""
    for number, option in enumerate(("-v", "--volume")):
        source = tmp_path / f"none{number}"
        line = ("run", "--rm", option, f"{source}:/x", "busybox", "true")
        done = shared(*PODMAN, *line)
        assert (done.returncode, source.exists()) == (125, False)
        assert f"statfs {source}: no such file or directory" in done.stderr
        shared.ok(*line)
        assert source.is_dir()
    for line in (("-w", "/none", "busybox", "pwd"), ("-w", "/etc/passwd/x", "busybox", "pwd")):
        done = shared(*PODMAN, "run", "--rm", *line)
        assert (done.returncode, done.stdout) == (126, "")
        assert f'workdir "{line[1]}" does not exist on container' in done.stderr
    assert shared.ok("run", "--rm", "-w", "/none", "busybox", "pwd") == "/none"
    for mount in (["-v", f"{tmp_path}:/on"], ["--tmpfs", "/on"]):
        line = ("run", "--rm", *mount, "-w", "/on/deep", "busybox", "pwd")
        assert shared.ok(*PODMAN, *line) == "/on/deep"


def test_the_directory_of_an_image_is_made_in_any_case(shared: Store) -> None:
    shared.ok("run", "--name", "base", "busybox", "true")
    shared.ok("commit", "-q", "--change", "WORKDIR /of/image", "base", "withdir")
    assert shared.ok(*PODMAN, "run", "--rm", "withdir", "pwd") == "/of/image"
    shared.ok("rm", "base")
    shared.ok("rmi", "withdir")


@pytest.mark.parametrize("asked", ["busybox", "box:1", "ID"])
def test_whole_names_of_images(shared: Store, asked: str) -> None:
    """By a short name, by the last part of one, and by the id."""
    shared.ok("tag", "busybox", "registry.example/team/box:1")
    id_ = shared.ok("image", "inspect", "-f", "{{.Id}}", "busybox").removeprefix("sha256:")
    asked = id_[:12] if asked == "ID" else asked
    wanted = {"busybox": "localhost/busybox:latest", "box:1": "registry.example/team/box:1"}
    name = wanted.get(asked, "localhost/busybox:latest")
    shared.ok(*PODMAN, "create", "--name", "one", asked, "true")
    template = "{{.ImageName}} {{.Config.Image}}"
    assert shared.ok(*PODMAN, "inspect", "-f", template, "one") == f"{name} {name}"
    assert shared.ok("inspect", "-f", "{{.Config.Image}}", "one") == asked
    events = ("events", "--since", "1m", "--stream=false", "--filter", "container=one")
    assert f"(image={name}, " in shared.ok(*PODMAN, *events).splitlines()[-1]
    assert f"(image={asked}, " in shared.ok(*events).splitlines()[-1]
    assert shared.ok(*PODMAN, "ps", "-a", "--format", "{{.Image}}") == name
    shared.ok("rm", "one")
    shared.ok("rmi", "registry.example/team/box:1")


def test_the_name_of_an_image_that_lost_it(busybox: Store) -> None:
    """podman goes on to call it as it was called when the container was made."""
    busybox.ok("run", "-d", "--name", "one", "busybox", "sleep", "1000")
    busybox.ok("untag", "busybox")
    busybox.ok("stop", "-t", "0", "one")
    name = "localhost/busybox:latest"
    assert busybox.ok(*PODMAN, "ps", "-a", "--format", "{{.Image}}") == name
    assert [
        one["Image"] for one in json.loads(busybox.ok(*PODMAN, "ps", "-a", "--format=json"))
    ] == [name]
    template = "{{.ImageName}} {{.Config.Image}}"
    assert busybox.ok(*PODMAN, "inspect", "-f", template, "one") == f"{name} {name}"
    events = ("events", "--since", "1m", "--stream=false", "--filter", "container=one")
    told = busybox.ok(*PODMAN, *events).splitlines()
    assert any(" died " in line for line in told)  # which the supervisor tells
    assert [line for line in told if f"(image={name}, " not in line] == []
    busybox.ok("rm", "one")
    assert " remove " in (last := busybox.ok(*PODMAN, *events).splitlines()[-1])
    assert f"(image={name}, " in last


@pytest.mark.parametrize(
    ("text", "docker", "podman"),
    [
        ("CMD-SHELL exit  0", ["CMD-SHELL", "CMD-SHELL exit  0"], ["CMD-SHELL", "exit  0"]),
        ("CMD a  b", ["CMD-SHELL", "CMD a  b"], ["CMD", "a", "b"]),
        ("NONE", ["CMD-SHELL", "NONE"], ["NONE"]),
        ("CMDX a", ["CMD-SHELL", "CMDX a"], ["CMD-SHELL", "CMDX a"]),
        ('["CMD","a b"]', ["CMD", "a b"], ["CMD", "a b"]),
    ],
)
def test_words_before_a_health_check(text: str, docker: list[str], podman: list[str]) -> None:
    for dialect, expected in ((Docker(), docker), (Podman(), podman)):
        asked = dialect.checks({"health_cmd": text})
        assert request("x", [], asked, base="/", environ={})["healthcheck"]["Test"] == expected


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"health_retries": 0}, "healthcheck-retries must be greater than 0"),
        ({"health_timeout": "0s"}, "healthcheck-timeout must be at least 1 second"),
    ],
)
def test_numbers_of_a_health_check(option: dict[str, Any], message: str) -> None:
    """Zero is docker's default, and refused by podman."""
    asked = {"health_cmd": "true", **option}
    assert request("x", [], Docker().checks(asked), base="/", environ={})
    with pytest.raises(UsageError, match=message):
        Podman().checks(asked)


def test_dialects_of_checks_are_heard(shared: Store) -> None:
    """By `create` and by `update`."""
    shared.ok(*PODMAN, "create", "--name", "one", "--health-cmd", "CMD a b", "busybox", "true")
    template = "{{json .Config.Healthcheck.Test}}"
    assert shared.ok("inspect", "-f", template, "one") == '["CMD","a","b"]'
    shared.ok(*PODMAN, "update", "--health-cmd", "CMD-SHELL a b", "one")
    assert shared.ok("inspect", "-f", template, "one") == '["CMD-SHELL","a b"]'
    shared.ok("rm", "one")


def test_the_stop_signal_comes_first(busybox: Store) -> None:
    """podman's `rm -f` gives a container its time, docker's none."""
    script = "trap 'sleep 1; echo asked > /out/said; exit' TERM; touch /out/up; sleep 100 & wait"
    out = Path(busybox.directory, "out")
    out.mkdir(mode=0o777)
    for dialect, asked in ((PODMAN, True), ((), False)):
        words = ("-v", f"{out}:/out", "--stop-timeout", "30", "busybox", "sh", "-c", script)
        busybox.ok("run", "-d", "--name", "one", *words)
        while not (out / "up").exists():
            time.sleep(0.01)
        assert busybox.ok(*dialect, "rm", "-f", "one") == "one"
        assert (out / "said").exists() == asked
        busybox.ok("run", "--rm", "-v", f"{out}:/out", "busybox", "sh", "-c", "rm /out/*")


def test_what_is_said_of_a_stop_by_force(busybox: Store) -> None:
    """Where SIGKILL was sent; who ends with 137 by itself was not killed."""
    for name, script, told in (
        ("itself", "trap 'exit 137' TERM; echo; while :; do sleep 0.1; done", False),
        ("killed", "trap '' TERM; echo; while :; do sleep 0.1; done", True),
    ):
        busybox.ok("run", "-d", "--name", name, "busybox", "sh", "-c", script)
        while not busybox.ok("logs", "-t", name):
            time.sleep(0.01)
        done = busybox(*PODMAN, "stop", "-t", "1" if told else "20", name)
        said = f"StopSignal SIGTERM failed to stop container {name} in 1 seconds, resorting"
        assert (said in done.stderr) == told, done.stderr
        assert bool(done.stderr) == told
        assert busybox.ok("inspect", "-f", "{{.State.ExitCode}}", name) == "137"


def test_times_until_which(shared: Store) -> None:
    """podman's span lies ahead, docker's behind."""
    shared.ok("run", "--name", "one", "busybox", "echo", "said")
    assert shared.ok(*PODMAN, "logs", "--until", "1h", "one") == "said"
    assert shared.ok("logs", "--until", "1h", "one") == ""
    events = ("events", "--since", "1h", "--filter", "container=one", "--stream=false")
    assert "create" in shared.ok(*PODMAN, *events, "--until", "1s")
    assert shared.ok(*events, "--until", "30m") == ""
    shared.ok("rm", "one")


@pytest.mark.parametrize(("text", "span"), [("10s", 10), ("1h30m", 5400)])
def test_a_limit(text: str, span: int) -> None:
    now = time.time()
    assert abs(times.limit(text, ahead=True) - now - span) < 5
    assert abs(times.limit(text, ahead=False) - now + span) < 5
    assert times.limit("1000", ahead=True) == times.limit("1000", ahead=False) == 1000


@pytest.mark.parametrize("line", ["logs -n one two", "logs one two -n", "logs -nt one two"])
def test_names_before_lines(shared: Store, line: str) -> None:
    """-n is podman's --names and docker's --tail."""
    for name in ("one", "two"):
        shared.ok("run", "--name", name, "busybox", "echo", "said")
    lines = shared.ok(*PODMAN, *line.split()).splitlines()
    assert sorted(each.split()[0] for each in lines) == ["one", "two"]
    assert shared.ok(*PODMAN, "logs", "--names", "one") == "said"
    assert shared.ok("logs", "-n", "0", "one") == ""
    shared.ok("rm", "one", "two")


def test_several_values_in_one_text(shared: Store, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"{name}={name}1\n")
    files = f"{tmp_path}/a,{tmp_path}/b"
    options = ("--annotation", "x=1,y=2,z", "--env-file", files, "--label-file", files)
    shared.ok(*PODMAN, "run", "-d", "--name", "one", *options, "busybox", "sleep", "100")
    template = "{{json .Config.Annotations}} {{json .Config.Labels}}"
    told = shared.ok("inspect", "-f", template, "one")
    assert told == '{"x":"1","y":"2,z"} {"a":"a1","b":"b1"}'
    line = ("exec", "--env-file", files, "one", "sh", "-c", "echo $a$b")
    assert shared.ok(*PODMAN, *line) == "a1b1"
    shared.ok("rm", "-f", "one")
    shared.ok("create", "--name", "one", "--annotation", "x=1,y=2", "busybox")
    assert shared.ok("inspect", "-f", "{{json .Config.Annotations}}", "one") == '{"x":"1,y=2"}'
    assert shared("run", "--rm", "--env-file", files, "busybox").returncode == 125
    shared.ok("rm", "one")


def test_the_namespace_that_podmans_variable_asks_for(shared: Store) -> None:
    env = {"PODMAN_USERNS": "keep-id"}
    template = ("inspect", "-f", "{{.HostConfig.UsernsMode}}", "one")
    for words, options, wanted in (
        (PODMAN, [], True),
        ((), [], False),
        (PODMAN, ["--userns", "host"], False),
        (PODMAN, ["--uidmap", "0:0:1"], False),
    ):
        done = shared(*words, "create", "--name", "one", *options, "busybox", env=env)
        assert done.returncode == 0, done.stderr
        assert shared.ok(*template).startswith("keep-id") == wanted
        shared.ok("rm", "one")
    done = shared(*PODMAN, "create", "busybox", env={"PODMAN_USERNS": "bogus"})
    assert done.returncode == 125
    assert done.stderr.startswith("Error: PODMAN_USERNS: ")


def test_how_often_stats_looks(shared: Store) -> None:
    """podman every five seconds, docker every second."""
    shared.ok("run", "-d", "--name", "one", "busybox", "sleep", "100")
    began = time.monotonic()
    watching = shared.start(*PODMAN, "stats", "--no-reset", "--format", "{{.Name}}", "one")
    assert watching.stdout
    assert watching.stdout.readline() == "one\n"
    assert time.monotonic() - began >= 5
    watching.terminate()
    watching.communicate()
    shared.ok("rm", "-f", "one")


@pytest.mark.parametrize(
    ("line", "podmans"),
    [
        (["exec"], "exec requires the name or ID of a container or the --latest flag"),
        (["exec", "nosuch"], 'no container with name or ID "nosuch" found'),
    ],
)
def test_exec_without_a_command(shared: Store, line: list[str], podmans: str) -> None:
    """docker counts before it looks."""
    done = shared(*line)
    assert (done.returncode, done.stdout) == (1, "")
    assert "exec' requires at least 2 arguments" in done.stderr
    done = shared(*PODMAN, *line)
    assert done.returncode == 125
    assert podmans in done.stderr
