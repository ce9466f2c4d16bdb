"""docker's and podman's options, read from their help: each is ours, or `absent` says why not."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from rootless.cli import absent, app
from rootless.cli.helping import is_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Store

pytestmark = [pytest.mark.once, pytest.mark.timeout(600)]

PROGRAMS = [pytest.param(name, marks=pytest.mark.needs(name)) for name in ("docker", "podman")]

Words = tuple[str, ...]
Options = dict[Words, set[str]]


def ours() -> Options:
    """The options of each command of ours; () has those of all."""
    return {words: options for words, _, options in _below(app.tree(), ())}


def _below(command: object, words: Words) -> Iterator[tuple[Words, object, set[str]]]:
    itself = getattr(command, "itself", None) or command
    options = {name for param in itself.params if is_option(param) for name in param.opts}
    yield (words, command, options)
    for name, one in getattr(command, "commands", {}).items():
        yield from _below(one, (*words, name))


class Reader:
    """What another program says of itself, each page asked for once."""

    def __init__(self, program: str, store: Store) -> None:
        self._program = program
        self._store = store
        self.options: Options = {}
        known = ours()
        ahead: list[Words] = [()]
        while ahead:
            with ThreadPoolExecutor(2) as several:
                texts = [*zip(ahead, several.map(self._help, ahead), strict=True)]
            ahead = []
            for words, text in texts:
                self.options[words] = options_in(text)
                for name in commands_in(text):
                    below = (*words, name)
                    # A command of a group that there is without it as well has the same help.
                    if below in known and not (words and (name,) in self.options):
                        ahead.append(below)
                    else:
                        self.options.setdefault(below, set())

    def _help(self, words: Words) -> str:
        env = {**self._store.env, "HOME": self._store.directory, "COLUMNS": "200"}
        command = [self._program, *words, "--help"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout


def parts(text: str, title: str) -> Iterator[str]:
    """Yield the lines below headings of this kind."""
    for part in re.split(r"\n(?=\S)", text):
        heading, *lines = part.splitlines() or [""]
        if re.fullmatch(title, heading):
            yield from lines


def options_in(text: str) -> set[str]:
    """Return the options that a help lists, but for that of the help itself."""
    found: set[str] = set()
    for line in parts(text, r"(Global )?Options:"):
        if match := re.match(r" {2,6}(?:(-\w), )?(--[\w-]+)", line):
            found |= {name for name in match.groups() if name}
    return found - {"-h", "--help"}


def commands_in(text: str) -> list[str]:
    lines = parts(text, r"(\w+ )*Commands:")
    return [match[1] for line in lines if (match := re.match(r"  ([\w-]+)\*? ", line))]


@pytest.mark.parametrize("program", PROGRAMS)
def test_all_that_it_has_is_ours_or_has_a_reason(program: str, cli: Store) -> None:
    read = Reader(program, cli).options
    assert {"--rm", "--volume", "-v", "--memory", "-m"} <= read["run",]
    assert "--log-level" in read[()]
    assert ("image", "build") in read
    known = ours()
    groups = {words[:-1] for words in known}
    # Below a command that is no group of ours, the word is an argument: image trust show.
    missing = [words for words in read if words not in known and words[:-1] in groups]
    assert [" ".join(words) for words in missing if not absent.command([*words])] == []
    wrong = [
        f"{' '.join(words)} {name}"
        for words, options in read.items()
        if words in known
        for name in sorted(options - known[words])
        if not absent.option([*words], name)
    ]
    assert wrong == []


def test_no_reason_is_given_for_what_is_here() -> None:
    known = ours()
    every = set().union(*known.values())
    named = {name for names, _ in absent.OPTIONS for name in names.split()}
    assert named & every == set()
    assert [words for *words, name in absent.OWN if name in known.get(tuple(words), set())] == []
    assert [name for name in absent.COMMANDS if tuple(name.split()) in known] == []
