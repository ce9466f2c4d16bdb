"""`rootless help`: pages, commands, and what is neither."""

from __future__ import annotations

import os
import pty
import subprocess
from typing import TYPE_CHECKING

import pytest

from rootless.cli import pages
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from tests.conftest import Store

pytestmark = pytest.mark.once

NAMES = dict.fromkeys(
    ("coming-from-docker", "coming-from-podman", "networking", "shared-stores"), ""
)


def test_a_page_goes_into_a_pipe_as_it_is(cli: Store) -> None:
    done = cli("help", "security", env={"PAGER": "false"})
    assert (done.stdout, done.stderr) == ((REPOSITORY / "docs/security.md").read_text(), "")


def test_without_a_word_it_lists_commands_and_topics(cli: Store) -> None:
    text = cli.ok("help")
    assert "Usage: rootless" in text
    after = text.partition("Topics, for rootless help TOPIC:")[2]
    assert [line.split()[0] for line in after.split("\n") if line] == sorted(pages.topics())


@pytest.mark.parametrize("line", ["ps", "image tree", "image", "container run"])
def test_a_command_has_its_help(cli: Store, line: str) -> None:
    assert cli.ok("help", *line.split()) == cli.ok(*line.split(), "--help")


def test_what_is_neither_says_so(cli: Store) -> None:
    done = cli("help", "no", "such")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("Error: no such topic or command: no such (topics: ")
    assert "compose files come with a later version" in cli("help", "compose").stderr


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("networking", ["networking"]),
        ("networking.md", ["networking"]),
        ("docker", ["coming-from-docker"]),
        ("from-p", ["coming-from-podman"]),
        ("coming", ["coming-from-docker", "coming-from-podman"]),
        ("Shared", ["shared-stores"]),
        ("red", []),
    ],
)
def test_a_part_of_a_name_will_do(word: str, found: list[str]) -> None:
    assert pages.meant(word, NAMES) == found


@pytest.mark.parametrize("pager", ["sed s/^/:/", ""])
def test_a_terminal_gets_a_pager(cli: Store, pager: str) -> None:
    """And where there is none, the text."""
    ours, theirs = pty.openpty()
    env = {**cli.env, "PAGER": pager, "TERM": "xterm", "COLUMNS": "70"}
    if not pager:
        env["PATH"] = "/nonexistent"
    process = subprocess.Popen([*cli.command, "help", "library"], stdout=theirs, env=env)
    os.close(theirs)
    text = b""
    while True:
        try:
            text += os.read(ours, 4096)
        except OSError:  # its last holder has closed it
            break
    os.close(ours)
    assert process.wait(60) == 0
    lines = text.decode().splitlines()
    assert any("rootless as a library" in line for line in lines)
    assert all(line.startswith(":") for line in lines) == bool(pager)


def test_each_page_begins_with_a_title_and_a_sentence() -> None:
    for name, about in pages.topics().items():
        first, empty, sentence, then, *_ = pages.page(name).split("\n")
        assert (first[:2], empty, then) == ("# ", "", ""), name
        assert sentence == f"{about}.", name
        assert len(about) <= 76 - len(max(pages.topics(), key=len)), name
