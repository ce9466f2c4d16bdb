"""The help of the program, a group or a command, from the generated tables and its docstring.

In a pipe each option is one line, however long, so that `rootless run --help | grep volume` has all
of it; on a terminal what is said of it is wrapped beside it.
"""

from __future__ import annotations

import os
import sys

from rootless.cli import helping, lean
from rootless.cli.dialects import choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    Section: TypeAlias = tuple[str, list[tuple[str, str]]]
    """A title, and below it lines of two columns."""


WIDEST = 100
"""Columns of a terminal that are made use of."""

LEFT = 34
"""Columns of what is explained, at most, on a terminal; longer ones have a line of their own."""

HELP = (("-h", "--help"), "", "Show this.", "")
"""The option that every command has, as the tables have the others."""


def show(path: list[str], load: lean.Load) -> None:
    """Print the help of what `path` names: the words of a command, of a group, or none."""
    width = 0
    if sys.stdout.isatty():
        # What COLUMNS says goes before what the terminal says, as for others.
        columns = os.environ.get("COLUMNS", "")
        width = int(columns) if columns.isascii() and columns.isdigit() else 0
        width = min(width or os.get_terminal_size(1).columns or 80, WIDEST)
    sys.stdout.write("".join(f"{line}\n" for line in lines(path, load, width)))


def lines(path: list[str], load: lean.Load, width: int = 0) -> Iterable[str]:
    """Return the lines of a help; for a terminal of some `width`, or for a pipe."""
    called, about, sections, examples = _content(path, load)
    yield f"{_bold('Usage:', width)} {called}"
    for paragraph in about.split("\n\n"):
        yield ""
        yield from _wrapped(paragraph, width)
    most = max(len(left) for _, rows in sections for left, _ in rows)
    column = 2 + (min(most, LEFT, width // 2) if width else most) + 2
    for title, rows in sections:
        yield ""
        yield _bold(f"{title}:", width)
        for left, right in rows:
            yield from _row(f"  {left}", right, column, width)
    if examples:
        yield ""
        yield _bold("Examples:", width)
        yield from (f"  {_as_called(line)}" for line in examples)


def _as_called(line: str) -> str:
    """Return a line of the examples by the name that the program was called by."""
    first, _, rest = line.partition(" ")
    return f"{choice.program()} {rest}" if first == choice.PROGRAM and rest else line


def _content(path: list[str], load: lean.Load) -> tuple[str, str, list[Section], list[str]]:
    """Return the usage line, what is said first, the sections and the examples."""
    known = lean.known("grammar", path, load)
    told = lean.known("words", path, load)
    called = " ".join((choice.program(), *path))
    if isinstance(known, tuple):
        __import__(known[0])
        function = getattr(sys.modules[known[0]], known[1])
        _, options, arguments = told
        usage = " ".join((called, "[OPTIONS]", *(metavar for metavar, _ in arguments)))
        sections: list[Section] = [("Arguments", list(arguments))] if arguments else []
        sections += _panels(options, known[2])
        if len(path) == 1 and path[0] in load("grammar", "top").GROUPS:
            sections.append((helping.STEPS, _members(load("words", path[0]), load)))
        return usage, helping.description(function), sections, helping.examples(function)
    sections = _panels(told.OPTIONS, known.OPTIONS)
    if path:
        usage = f"{called} {'[OPTIONS] ' if told.OPTIONS else ''}COMMAND"
        about = load("words", "top").GROUPS[path[0]]
        return usage, about, [*sections, ("Commands", _members(told, load))], []
    for title, names in told.PANELS.items():
        sections.append((title, [(name, told.COMMANDS[name][0]) for name in names]))
    alone = [each for each in told.GROUPS.items() if each[0] not in told.COMMANDS]
    sections.append((helping.GROUPS, alone))
    about, examples = helping.parts(helping.OVERVIEW)
    return f"{called} [OPTIONS] COMMAND", about, sections, examples


def _members(told: Any, load: lean.Load) -> list[tuple[str, str]]:
    """Return the commands of a group, each with what it is for."""
    return [
        (name, _summary(each, load))
        for name, each in told.COMMANDS.items()
        if not helping.is_other_name(name, isinstance(each, str))
    ]


def _summary(words: Any, load: lean.Load) -> str:
    """Return what the table of a group says of a command in a line."""
    entry = load("words", "top").COMMANDS[words] if isinstance(words, str) else words
    return str(entry[0])


def _panels(options: Any, known: dict[str, Any]) -> list[Section]:
    """Return the options by their panels, those without one among the last."""
    panels: dict[str, list[tuple[str, str]]] = {}
    names = tuple(name for name in HELP[0] if name not in known)
    for spellings, metavar, about, panel in (*options, (names, *HELP[1:])):
        short = [name for name in spellings if len(name) == 2]
        long = [name for name in spellings if len(name) != 2]
        left = ", ".join(short + long) if short else f"    {', '.join(long)}"
        left = f"{left} {metavar}" if metavar else left
        panels.setdefault(panel or "Options", []).append((left, about))
    return list(panels.items())


def _row(left: str, right: str, column: int, width: int) -> Iterable[str]:
    if not width:
        yield f"{left.ljust(column)}{right}"
        return
    if len(left) > column - 2:
        yield left
        left = ""
    for line in _wrapped(right, max(width - column, 20)):
        yield f"{left.ljust(column)}{line}"
        left = ""


def _wrapped(text: str, width: int) -> Iterable[str]:
    """Return a text in lines of at most `width` columns, or in one for no width."""
    line = ""
    for word in text.split(" "):
        if width and line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
        while width and len(line) > width:  # a word that no line has room for
            yield line[:width]
            line = line[width:]
    yield line


def _bold(text: str, width: int) -> str:
    plain = not width or os.environ.get("NO_COLOR") or os.environ.get("TERM") in (None, "dumb")
    return text if plain else f"\x1b[1m{text}\x1b[0m"
