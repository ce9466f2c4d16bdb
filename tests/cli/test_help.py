"""The help: everything is explained, with examples that parse, in 80 columns."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest

from rootless.cli import app, helping, lean

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = pytest.mark.once

ENTRIES = pytest.mark.parametrize("entry", app.COMMANDS, ids=lambda entry: entry.name)


def options_of(name: str) -> list[Any]:
    return [param for param in app.tree().commands[name].params if helping.is_option(param)]


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


@pytest.mark.parametrize("line", ["", "run", "ps", "container", "import"])
def test_it_fits_80_columns(cli: Store, line: str) -> None:
    done = cli(*line.split(), "--help", env={"COLUMNS": "80"})
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "Usage: rootless" in done.stdout
    assert line == "container" or "Examples:" in done.stdout


def test_help_of_run_is_in_groups(cli: Store) -> None:
    text = cli.ok("run", "--help", env={"COLUMNS": "80"})
    titles = ["Container", "Environment", "Files and volumes", "Network", "Users and namespaces"]
    places = [text.index(f"─ {title} ─") for title in [*titles, "Security and limits", "Image"]]
    assert places == sorted(places)


def test_nothing_asked_is_help(cli: Store) -> None:
    assert "Usage: rootless" in cli.ok()
    assert "Usage: rootless container" in cli.ok("container")
    assert "Usage: rootless" in cli.ok("--debug=false")


def test_options_of_pull_that_do_nothing_come_last() -> None:
    names = [param.name for param in options_of("pull") if param.name != "help"]
    assert names[-2:] == ["decryption_key", "disable_content_trust"]
