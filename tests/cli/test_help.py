"""The help: everything is explained, with examples that parse; a line each in a pipe."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rootless.cli import app, helping, lean
from rootless.cli.answers import usage

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = pytest.mark.once

ENTRIES = pytest.mark.parametrize("entry", app.COMMANDS, ids=lambda entry: entry.name)


def options_of(name: str) -> list[Any]:
    params = app.tree().commands[name].params
    return [param for param in params if helping.is_option(param) and not param.hidden]


@ENTRIES
def test_every_option_is_explained(entry: app.Entry) -> None:
    for param in options_of(entry.name):
        assert param.help, param.opts
        assert param.help.endswith((".", ")")), param.opts
        assert param.is_flag or param.metavar, param.opts


@ENTRIES
def test_every_command_has_examples_that_parse(entry: app.Entry) -> None:
    lines = [line for line in helping.examples(app.resolve(entry)) if not line.startswith("#")]
    assert lines
    for line in lines:
        # Some are pipelines or redirected: the part that is ours.
        part = next(part for part in line.split(" | ") if part.startswith("rootless"))
        words = shlex.split(part.split(" > ")[0].split(" && ")[0])
        assert lean.parse(words[1:]) is not None, line


@ENTRIES
def test_summaries_fit_a_line_of_the_overview(entry: app.Entry) -> None:
    assert len(helping.summary(app.resolve(entry))) <= 62


def every() -> dict[tuple[str, ...], Any]:
    """All commands of the tree by their words."""
    found = {}
    for name, one in app.tree().commands.items():
        members = getattr(one, "commands", {})
        found.update({(name, each): member for each, member in members.items()})
        if not members or one.itself:
            found[name,] = getattr(one, "itself", one) or one
    return found


def test_filters_are_explained() -> None:
    """What an option leaves to be read elsewhere stands in the same help."""
    for words, command in every().items():
        for param in filter(helping.is_option, command.params):
            assert "see below" not in param.help, words
            if param.name == "filter" and "as for `ps`" not in param.help:
                assert "filter" in command.help.lower(), words


def test_no_option_is_declared_twice() -> None:
    for words, command in every().items():
        spelled = [name for param in command.params for name in param.opts]
        assert sorted(spelled) == sorted({*spelled}), words


@pytest.mark.parametrize("line", ["", "run", "ps", "container", "image rm"])
def test_on_a_terminal_it_fits(line: str) -> None:
    for width in (80, 57):
        lines = list(usage.lines(line.split(), lean.load, width))
        titles = [at for at, each in enumerate(lines) if "Examples:" in each]
        ours = lines[1 : titles[0]] if titles else lines[1:]
        assert max(map(len, ours)) <= width, line


@pytest.mark.parametrize(
    ("line", "about"),
    [
        ("", "  version         Show the version"),
        (
            "run",
            "  -v, --volume SRC:DST[:OPTS]    Show a directory or file of ours; OPTS: ro, rw, O",
        ),
        ("image rm", "  -a, --all        All images."),
        ("container", "  ls          List containers"),
        ("start", "  [CONTAINER]...      Names or ids, which may be shortened."),
        ("start", "  rootless start web"),
    ],
)
def test_in_a_pipe_each_option_is_a_line(line: str, about: str) -> None:
    lines = list(usage.lines(line.split(), lean.load))
    squeezed = [" ".join(each.split()) for each in lines]
    assert any(each.startswith(" ".join(about.split())) for each in squeezed)
    assert not any(each.endswith(" ") for each in lines)


def test_what_is_said_of_an_option_stands_in_its_line() -> None:
    lines = list(usage.lines(["run"], lean.load))
    for param in options_of("run"):
        (line,) = (
            each
            for each in lines
            if each.endswith(f" {param.help}")
            and all(name in each.replace(",", "").split() for name in param.opts)
        )
        assert param.is_flag or f" {param.metavar} " in line


def test_help_of_run_is_in_groups(cli: Store) -> None:
    text = cli.ok("run", "--help")
    titles = ["Container", "Environment", "Files and volumes", "Network", "Users and namespaces"]
    places = [text.index(f"\n{title}:\n") for title in [*titles, "Security and limits", "Image"]]
    assert places == sorted(places)


def test_h_is_help_where_it_is_nothing_else(cli: Store) -> None:
    assert cli.ok("ps", "-h") == cli.ok("ps", "--help")
    assert "  -h, --help" in cli.ok("ps", "-h")
    assert "      --help" in cli.ok("run", "--help")
    assert "--hostname" in cli.ok("run", "--help")


def test_nothing_asked_is_help(cli: Store) -> None:
    assert "Usage: rootless" in cli.ok()
    assert "Usage: rootless container" in cli.ok("container")
    assert "Usage: rootless" in cli.ok("--debug=false")


def test_titles_are_bold_on_a_terminal(cli: Store) -> None:
    def shown(**env: str) -> str:
        leader, terminal = os.openpty()
        with open(leader, "rb", buffering=0) as read:
            process = subprocess.Popen(
                [*cli.command, "wait", "--help"], env={**cli.env, **env}, stdout=terminal
            )
            os.close(terminal)
            assert process.wait() == 0
            return read.read(65536).decode()

    assert "\x1b[1mUsage:\x1b[0m rootless wait" in shown(TERM="xterm", COLUMNS="60")
    assert "\x1b" not in shown(TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in shown(TERM="dumb")


@pytest.mark.parametrize("line", ["--help", "run --help", "run", "run --bogus x", "bogus", "image"])
def test_no_answer_loads_typer(cli: Store, line: str) -> None:
    """Help and mistakes are told from tables: 20 ms instead of 400."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *cli.command[1:], *line.split()],
        env=cli.env,
        capture_output=True,
        text=True,
    )
    loaded = {each.rpartition("|")[2].strip() for each in done.stderr.splitlines()}
    assert "rootless.cli.answers.mistakes" in loaded
    assert loaded & {"typer", "rich", "re", "inspect", "typing", "rootless.cli.app"} == set()


def test_options_of_pull_that_do_nothing_come_last() -> None:
    names = [param.name for param in options_of("pull") if param.name != "help"]
    assert names[-2:] == ["decryption_key", "disable_content_trust"]
