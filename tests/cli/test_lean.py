"""Both parsers read a command line alike, or the quick one leaves it to Typer."""

from __future__ import annotations

from typing import Any

import pytest
from command_lines import every_command, lines
from hypothesis import given, settings

from rootless.cli import absent, app, generate, lean
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
        ("--net host img", {"network": "host", "image": "img"}),
        ("--pull=never img", {"pull": "never", "image": "img"}),
        ("--stop-timeout -1 img", {"stop_timeout": -1, "image": "img"}),
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
        "run --stop-timeout 007 img",
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
def test_what_is_left_to_typer(line: str) -> None:
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
        ("run", "missing argument 'IMAGE'"),
        ("run --rm=maybe img", "invalid value for '--rm': 'maybe' is neither true nor false"),
        ("run --bogus img", "no such option: --bogus"),
        ("run --rm=false --bogus img", "no such option: --bogus"),
        ("run --pull=x img", "invalid value for '--pull': 'x' is not one of 'always'"),
        ("push --format=x img", "invalid value for '--format' / '-f': 'x' is not one of 'oci'"),
        ("run --stop-timeout x img", "invalid value for '--stop-timeout'"),
        ("run --name", "option '--name' requires an argument"),
        ("psx", "no such command 'psx'. Did you mean 'ps'?"),
        ("load file", "got unexpected extra argument"),
    ],
)
def test_typer_says_what_is_wrong(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        app.parse(line.split())
    assert caught.value.message.startswith(message)
    assert caught.value.hint == f"see '{helped(line)} --help'"


def helped(line: str) -> str:
    """The command whose help a mistake points to."""
    name = line.split()[0]
    return f"rootless {name}" if name in TOP.COMMANDS else "rootless"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("run -m 1g img", absent.LIMITS),
        ("container create -c 2 img", absent.LIMITS),
        ("run --network-alias=web img", absent.NETWORKS),
        ("ps -p", absent.PODS),
        ("start --checkpoint=x name", absent.CHECKPOINTS),
        ("build .", absent.BUILDS),
        ("image build .", absent.BUILDS),
        ("network create x", absent.NETWORKS),
        ("system connection ls", absent.DAEMON),
        ("stop -c name", "see 'rootless stop --help'"),
        ("nothing", "see 'rootless --help'"),
    ],
)
def test_what_docker_and_podman_have_is_missed_with_a_reason(line: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        app.parse(line.split())
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("frobnicate", "no such command 'frobnicate'"),
        ("secret ls", "no such command 'secret'"),
        ("imges", "no such command 'imges'. Did you mean 'images', 'image'?"),
        ("run --frobnicate x", "no such option: --frobnicate"),
        ("run --volum a:b x", "no such option: --volum (Possible options: --volume)"),
    ],
)
def test_guesses_are_good_or_none(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        app.parse(line.split())
    assert caught.value.message == message


# ---- the property: random lines -------------------------------------------------------------
@settings(max_examples=400)
@given(lines(every_command(lean.load)))
def test_both_parsers_agree(line: list[str]) -> None:
    quick = lean.parse(line)
    if quick is not None:
        assert app.parse(line) == quick


# ---- the table ------------------------------------------------------------------------------
def test_the_tables_are_current() -> None:
    assert generate.main(["--check"]) == 0, "run: python -m rootless.cli.generate"


def test_the_tables_have_every_command_of_the_tree() -> None:
    tree = app.tree()
    assert {*tree.commands} == {*TOP.COMMANDS, *TOP.GROUPS}
    for name in TOP.GROUPS:
        assert {*tree.commands[name].commands} == {*lean.load("grammar", name).COMMANDS}
