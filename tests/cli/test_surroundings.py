"""Options of all commands, docker's and podman's among them, before a command and behind it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless import trace
from rootless.cli import app, lean, output, surroundings
from rootless.cli.answers import mistakes
from rootless.errors import UsageError

if TYPE_CHECKING:
    from typing import Any

    from tests.conftest import Store

pytestmark = pytest.mark.once

PS = ("rootless.cli.commands.containers.ps", "ps")


@pytest.mark.parametrize(
    ("line", "given", "settings"),
    [
        ("--log-level debug ps", {}, {"log_level": "debug"}),
        ("-l error -D ps", {}, {"log_level": "error", "debug": True}),
        ("ps --log-level=debug", {}, {"log_level": "debug"}),
        ("ps -q --root /x -a", {"quiet": True, "all": True}, {"root": "/x"}),
        ("container ls --syslog", {}, {"syslog": True}),
        ("ps --syslog=false", {}, {"syslog": False}),
        (
            "--storage-opt a=1 ps --storage-opt b=2 --storage-opt=c",
            {},
            {"storage_opt": ["a=1", "b=2", "c"]},
        ),
        ("-H unix:///x -c default ps", {}, {"host": ["unix:///x"], "context": "default"}),
    ],
)
def test_where_they_stand(line: str, given: Any, settings: Any) -> None:
    words = line.split()
    assert lean.parse(words) == (*PS, given, settings)
    assert app.parse(words) == (*PS, given, settings)


@pytest.mark.parametrize("line", ["run i --root /x", "exec c ls --log-level x", "unshare a --root"])
def test_the_command_of_a_container_is_its_own(line: str) -> None:
    call = lean.parse(line.split())
    assert call is not None
    assert call[3] == {}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ps --context x", "no such option: --context"),
        ("ps --log-level", "option '--log-level' requires an argument"),
        ("ps --syslog=maybe", "invalid value for '--syslog': 'maybe' is neither true nor false"),
    ],
)
def test_mistakes(line: str, message: str) -> None:
    assert lean.parse(line.split()) is None
    with pytest.raises(UsageError) as caught:
        mistakes.answer(line.split())
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"log_level": "bogus"}, "--log-level: there is no level 'bogus'"),
        ({"host": ["unix:///x", "ssh://prod"]}, "--host ssh://prod: there is no other machine"),
        ({"url": "tcp://prod:22"}, "--url tcp://prod:22: there is no other machine"),
        ({"context": "prod"}, "--context prod: there is no other machine"),
        ({"out": "/no/such/place"}, "--out /no/such/place: No such file"),
    ],
)
def test_what_cannot_be(settings: Any, message: str) -> None:
    """Above all, what was meant for the containers of another machine must not meet ours."""
    with pytest.raises(UsageError, match=message):
        surroundings.apply(settings)


@pytest.mark.parametrize(
    ("called", "variable", "value", "refused"),
    [
        ("docker", "DOCKER_HOST", "ssh://prod", True),
        ("docker", "DOCKER_CONTEXT", "prod", True),
        ("docker", "DOCKER_HOST", "unix:///run/docker.sock", False),
        ("docker", "CONTAINER_HOST", "ssh://prod", False),
        ("podman", "CONTAINER_HOST", "tcp://prod:1", True),
        ("podman", "CONTAINER_CONNECTION", "prod", True),
        ("rootless", "DOCKER_HOST", "ssh://prod", False),
    ],
)
def test_variables_of_another_machine(
    cli: Store, called: str, variable: str, value: str, refused: bool
) -> None:
    """Who is called docker is meant like docker, whose variables may name another machine."""
    link = f"{cli.directory}/{called}"
    os.symlink(cli.command[-1], link)
    cli.command[-1] = link
    env = {variable: value}
    done = cli("ps", "-q", env=env)
    said = f"{variable} {value}: there is no other machine to connect to"
    assert (said in done.stderr) == bool(done.returncode) == refused
    if called != "rootless":
        assert cli("--context", "default", "ps", "-q", env=env).returncode == 0


def test_what_has_a_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_enabled", False)
    monkeypatch.setattr(output, "warnings", True)
    monkeypatch.setenv("DOCKER_CONFIG", "/before")
    surroundings.apply({"log_level": "WARN", "context": "default", "host": ["/run/x.sock"]})
    assert (trace.enabled(), output.warnings) == (False, True)
    surroundings.apply({"log_level": "fatal", "config": "/x"})
    assert (trace.enabled(), output.warnings, os.environ["DOCKER_CONFIG"]) == (False, False, "/x")
    surroundings.apply({"log_level": "trace"})
    assert trace.enabled()


def test_what_has_none_is_said_once(cli: Store) -> None:
    line = ("--cgroup-manager", "systemd", "--runtime=crun", "ps", "-q", "--storage-driver", "vfs")
    first = cli(*line)
    assert first.stderr == (
        "Warning: --cgroup-manager, --runtime, --storage-driver: of no effect here;"
        " this is said once\n"
    )
    again = cli(*line, "--tmpdir", "/x")
    assert again.stderr == "Warning: --tmpdir: of no effect here; this is said once\n"
    assert cli(*line).stderr == ""
    assert cli("--log-level", "error", "--conmon", "/x", "ps", "-q").stderr == ""
    assert first.returncode == again.returncode == 0


def test_output_elsewhere(cli: Store, tmp_path: Path) -> None:
    target = tmp_path / "out"
    assert cli.ok("--out", str(target), "ps") == ""
    assert target.read_text().startswith("CONTAINER ID")
    assert cli.ok("--noout", "run", "--rm", "host", "echo", "hello") == ""


def test_modules_of_containers_conf(shared: Store, tmp_path: Path) -> None:
    """By their paths or names, behind all other files but the overriding one."""
    places = {
        "first.conf": "A=1",
        "second.conf": "A=2",
        "own.conf": "A=3",
        "override.conf": "A=4",
    }
    own = Path(shared.env["XDG_CONFIG_HOME"], "containers/containers.conf.modules")
    own.mkdir(parents=True)
    for name, value in places.items():
        directory = own if name == "own.conf" else tmp_path
        (directory / name).write_text(f'[containers]\nenv = ["{value}"]\n')
    first, second = f"{tmp_path}/first.conf", f"{tmp_path}/second.conf"
    line = ("run", "--rm", "host", "sh", "-c", "echo $A")
    for modules, env, said in (
        ([second], {"CONTAINERS_CONF": first}, "2"),
        ([second, first], {}, "1"),
        ([first, "own.conf"], {}, "3"),
        ([first], {"CONTAINERS_CONF_OVERRIDE": f"{tmp_path}/override.conf"}, "4"),
    ):
        options = [f"--module={module}" for module in modules]
        assert shared.ok(*options, *line, env=env) == said
        assert shared(*line[:1], *options, *line[1:], env=env).stderr == ""
    for name in ("none.conf", f"{tmp_path}/none", "", "../own.conf"):
        done = shared("--module", name, *line)
        assert done.returncode == 125
        assert f"--module: there is no module {name}" in done.stderr
