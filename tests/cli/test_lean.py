"""Command lines are read as Typer reads them, and mistakes in them are explained."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from command_lines import every_command, lines
from hypothesis import given, settings

from rootless.cli import absent, app, exits, generate, lean
from rootless.cli.answers import mistakes
from rootless.cli.dialects import choice
from rootless.errors import UsageError

pytestmark = pytest.mark.once

TOP = lean.load("grammar", "top")

RUN = ("rootless.cli.commands.containers.run", "run")


def run_line(line: str) -> dict[str, Any]:
    """Parse `rootless run LINE` the quick way."""
    call = lean.parse(["run", *line.split()])
    assert call is not None
    assert call[:2] == RUN
    return call[2]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("img", {"image": "img"}),
        ("img -it --rm", {"image": "img", "command": ["-it", "--rm"]}),
        (
            "-it img sh -c x",
            {"interactive": True, "tty": True, "image": "img", "command": ["sh", "-c", "x"]},
        ),
        ("-itd img", {"interactive": True, "tty": True, "detach": True, "image": "img"}),
        ("--name=x img", {"name": "x", "image": "img"}),
        ("--name x img", {"name": "x", "image": "img"}),
        ("--name= img", {"name": "", "image": "img"}),
        ("-v/a:/b img", {"volume": ["/a:/b"], "image": "img"}),
        ("-v /a:/b -v=/c:/d img", {"volume": ["/a:/b", "/c:/d"], "image": "img"}),
        ("-ie A=1 img", {"interactive": True, "env": ["A=1"], "image": "img"}),
        ("-eA=1 -e=B=2 -e C img", {"env": ["A=1", "B=2", "C"], "image": "img"}),
        ("-e= img", {"env": ["="], "image": "img"}),
        ("--env -x img", {"env": ["-x"], "image": "img"}),
        ("--rm=false img", {"rm": False, "image": "img"}),
        ("--rm --rm=0 img", {"rm": False, "image": "img"}),
        ("--rm=F --rm img", {"rm": True, "image": "img"}),
        ("-i=false img", {"interactive": False, "image": "img"}),
        ("-it=false img", {"interactive": True, "tty": False, "image": "img"}),
        ("-- img -x", {"image": "img", "command": ["-x"]}),
        ("img -- -x", {"image": "img", "command": ["--", "-x"]}),
        ("-h box img", {"hostname": "box", "image": "img"}),
        ("--net host img", {"network": ["host"], "image": "img"}),
        ("--pull=never img", {"pull": "never", "image": "img"}),
        ("--stop-timeout -1 img", {"stop_timeout": -1, "image": "img"}),
        ("--stop-timeout +007 img", {"stop_timeout": 7, "image": "img"}),
        ("-", {"image": "-"}),
    ],
)
def test_lines_of_docker_and_podman(line: str, expected: dict[str, Any]) -> None:
    assert run_line(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--help",
        "nothing",
        "run",
        "run --bogus img",
        "run -Z img",
        "run -i= img",
        "run --rm=maybe img",
        "run --name",
        "run -e",
        "run --pull=sometimes img",
        "run --stop-timeout ten img",
        "run --stop-timeout 1_0 img",
        "run --help",
        "load file",
        "tag one",
        "completion tcsh",
        "container",
        "container nothing",
        "-- ps",
        "--root",
    ],
)
def test_what_is_not_understood(line: str) -> None:
    call = lean.parse(line.split())
    # `-- ps` is an ordinary line to both.
    assert call is None or line == "-- ps"


def test_options_may_follow_arguments_where_these_are_ours() -> None:
    call = lean.parse(["rm", "one", "-f", "two", "--", "-three"])
    assert call is not None
    assert call[2] == {"force": True, "containers": ["one", "two", "-three"]}


def test_groups_name_the_same_commands() -> None:
    for short, long in (
        ("ps -a", "container ls -a"),
        ("rmi x", "image rm x"),
        ("run x", "container run x"),
    ):
        assert lean.parse(short.split()) == lean.parse(long.split())


def test_global_options_are_kept_apart() -> None:
    call = lean.parse(["--root", "/x", "--debug", "ps", "-q"])
    assert call is not None
    assert call[2:] == ({"quiet": True}, {"root": "/x", "debug": True})


def test_version_wins_over_a_command() -> None:
    assert lean.parse(["-v", "ps"]) == lean.version_call() == app.parse(["-v", "ps"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run --rm=maybe img", "invalid value for '--rm': 'maybe' is neither true nor false"),
        ("run --bogus img", "no such option: --bogus"),
        ("run -Z img", "no such option: -Z"),
        ("run --rm=false --bogus img", "no such option: --bogus"),
        ("run --volum /a:/b img", "no such option: --volum. Did you mean '--volume'"),
        ("run --helpx", "no such option: --helpx. Did you mean '--help'?"),
        (
            "run --pull=x img",
            "invalid value for '--pull': 'x' is not one of 'always', 'missing', 'never', 'newer'",
        ),
        ("push --format=x img", "invalid value for '--format' / '-f': 'x' is not one of 'oci', "),
        (
            "run --stop-timeout x img",
            "invalid value for '--stop-timeout': 'x' is not a whole number",
        ),
        ("run --name", "option '--name' requires an argument"),
        ("run --bogus img --help", "no such option: --bogus"),
        ("psx", "no such command 'psx'. Did you mean 'ps'?"),
        ("imges", "no such command 'imges'. Did you mean 'images'?"),
        ("frobnicate", "no such command 'frobnicate'"),
        ("psx --help", "no such command 'psx'"),
        ("image lss", "no such command 'lss'. Did you mean 'ls'?"),
        ("--bogus ps", "no such option: --bogus"),
        ("completion tcsh", "invalid value for 'SHELL': 'tcsh' is not one of 'bash', 'zsh', 'fish"),
        ("completion {}", "invalid value for 'SHELL': '{}' is not one of "),
    ],
)
def test_mistakes_are_explained(line: str, message: str) -> None:
    assert lean.parse(line.split()) is None
    with pytest.raises(UsageError) as caught:
        mistakes.answer(line.split())
    assert caught.value.message.startswith(message)
    assert caught.value.hint == f"see '{helped(line)} --help'"
    with pytest.raises(UsageError):
        app.parse(line.split())


@pytest.mark.parametrize(
    ("line", "docker", "podman", "hint"),
    [
        ("run", "at least 1 argument", "requires at least 1 arg(s), only received 0", "IMAGE"),
        ("tag x", "at least 2 arguments", "requires at least 2 arg(s), only received 1", "TARGET"),
        ("rename x", "2 arguments", "accepts 2 arg(s), received 1", "NAME"),
        ("rename x y z", "2 arguments", "accepts 2 arg(s), received 3", ""),
        ("history", "1 argument", "accepts 1 arg(s), received 0", "IMAGE"),
        (
            "commit",
            "at least 1 and at most 2 arguments",
            "accepts between 1 and 2 arg(s), received 0",
            "CONTAINER",
        ),
        ("images x y", "at most 1 argument", "accepts at most 1 arg(s), received 2", ""),
        ("load x y", "", "`rootless load` takes no arguments", ""),
    ],
)
@pytest.mark.parametrize("dialect", choice.NAMES)
def test_arguments_are_counted(
    line: str, docker: str, podman: str, hint: str, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words of the dialect; the hint says which is missing."""
    monkeypatch.setattr(choice, "_LOADED", [])
    monkeypatch.setattr(choice, "_ASKED", [dialect])
    with pytest.raises(UsageError) as caught:
        mistakes.answer(line.split())
    wanted = f"requires {docker}" if docker else "accepts no arguments"
    name = helped(line)
    assert caught.value.message == (podman if dialect == "podman" else f"'{name}' {wanted}")
    assert hint in caught.value.hint
    assert (" is missing; " in caught.value.hint) == bool(hint)
    assert caught.value.hint.endswith(f"see '{name} --help'")
    assert exits.code_of(caught.value) == (125 if dialect == "podman" else 1)
    with pytest.raises(UsageError):
        app.parse(line.split())


def helped(line: str) -> str:
    """The command whose help a mistake points to."""
    name = line.split()[0]
    return f"rootless {name}" if name in {*TOP.COMMANDS, *TOP.GROUPS} else "rootless"


@pytest.mark.parametrize("line", ["run --bogus --help", "run --pull=x --rm --help", "ps x --help"])
def test_who_has_made_a_mistake_and_asks_for_help_gets_it(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mistakes.answer(line.split()) == 0
    assert capsys.readouterr().out.startswith(f"Usage: {helped(line)} ")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("run -m 1g img", absent.LIMITS),
        ("container create -c 2 img", absent.LIMITS),
        ("run --link-local-ip=1.2.3.4 img", absent.NETWORKS),
        ("ps -p", absent.PODS),
        ("start --checkpoint=x name", absent.CHECKPOINTS),
        ("buildx stop", absent.BUILDERS),
        ("buildx bake web", absent.BAKING),
        ("system connection ls", absent.DAEMON),
        ("stop -c name", "see 'rootless stop --help'"),
        ("nothing", "see 'rootless --help'"),
    ],
)
def test_what_docker_and_podman_have_is_missed_with_a_reason(line: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        mistakes.answer(line.split())
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("psx", ["ps"]),
        ("strat", ["start"]),
        ("imgaes", ["images"]),
        ("--verb", ["--verbose"]),
        ("--vol", ["--volume"]),
        ("network", []),
        ("--gpus", []),
        ("-x", []),
        ("é", []),
    ],
)
def test_only_what_is_alike_is_proposed(word: str, meant: list[str]) -> None:
    known = ("ps", "start", "stat", "images", "--verbose", "--volume", "--pull", "--user", "-v")
    assert mistakes.alike(word, known)[:1] == meant


# ---- the property: random lines -------------------------------------------------------------
@settings(max_examples=400)
@given(lines(every_command(lean.load)))
def test_both_parsers_agree(line: list[str]) -> None:
    quick = lean.parse(line)
    if quick is not None:
        assert app.parse(line) == quick


@settings(max_examples=200)
@given(lines(every_command(lean.load)))
def test_no_line_is_without_an_answer(line: list[str]) -> None:
    if lean.parse(line) is None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(UsageError):
            assert mistakes.answer(line) == 0


# ---- the table ------------------------------------------------------------------------------
def test_the_tables_are_current() -> None:
    assert generate.main(["--check"]) == 0, "run: python -m rootless.cli.generate"


def test_the_tables_have_every_command_of_the_tree() -> None:
    tree = app.tree()
    assert {*tree.commands} == {*TOP.COMMANDS, *TOP.GROUPS}
    for name in TOP.GROUPS:
        assert {*tree.commands[name].commands} == {*lean.load("grammar", name).COMMANDS}


@pytest.mark.parametrize(
    ("line", "function", "given"),
    [
        ("build", "build", {}),
        ("build from x", "build_from", {"image": "x"}),
        ("build ./from", "build", {"context": "./from"}),
        ("build -t x from", "build", {"tag": ["x"], "context": "from"}),
        ("build -- from", "build", {"context": "from"}),
        ("build froms", "build", {"context": "froms"}),
        ("image build ls", "build", {"context": "ls"}),
        ("build ls -q", "build_ls", {"quiet": True}),
        ("build run c -- x -y", "build_run", {"container": "c", "command": ["--", "x", "-y"]}),
    ],
)
def test_a_command_that_is_a_group_as_well(line: str, function: str, given: Any) -> None:
    """The word behind it decides, and nothing else; Typer reads it as we do."""
    call = lean.parse(line.split())
    assert call == app.parse(line.split())
    assert call is not None
    assert (call[1], call[2]) == (function, given)
