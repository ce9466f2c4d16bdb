"""The quick way to read a command line: with generated tables, and without typer.

It reads what is plainly right and answers None to all else (help, an unknown option, a bad
value, a missing argument): then Typer, the source of the tables, reads the line again and has
the good message. A property test holds both to the same answer.

Options are spelled as docker and podman (Go's pflag) read them: `--name x`, `--name=x`,
`-it`, `-eKEY`, `-e=KEY`, `--rm=false`, and `--` ends them. Those of all commands stand before the
first word, those of a group between its word and that of the command.

Of the tables (`grammar`) the first word says which is needed: that of the commands without a group
is always loaded, those of the groups only for commands in them.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    Call: TypeAlias = tuple[str, str, dict[str, Any], dict[str, Any]]
    """What to do: module, function, its keyword arguments that were given, global options given."""

    Option: TypeAlias = tuple[str, int | tuple[str, ...]]
    """A parameter's name, and the kind of its value: one of the numbers below, or the choices."""

    Load: TypeAlias = Callable[[str, str], Any]
    """`load(folder, name)` returns a generated table: `grammar` or `words`, `top` or a group's."""

SWITCH = 0
TEXT = 1
LIST = 2
NUMBER = 3

ONE = 0
OPTIONAL = 1
SEVERAL = 2
ANY = 3
"""How many words an argument takes: one, one or none, one or more, any number; or the choices
for the one that it takes."""

FIRST = frozenset(
    "version config context host identity noout out remote ssh url".split()  # noqa: SIM905
)
"""The options of all commands that stand before the command only. podman takes its others, by
their long names, behind it as well.
"""

GROUP = "group"
"""The keyword argument by which a command gets the options of its group, if that has any."""

BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
"""What a switch takes after `=`: what Go's strconv.ParseBool takes."""


CALLED: list[str] = []
"""The function of the command under way, once its line was understood."""


class _NotUnderstood(Exception):
    """This line is for Typer."""


def load(folder: str, name: str) -> Any:
    """Return a generated table, a module; not before it is needed."""
    full = f"rootless.cli.{folder}.{name}"
    __import__(full)
    return sys.modules[full]


def parse(argv: list[str], load: Load = load) -> Call | None:
    """Return what the command line asks for; None where Typer shall read it."""
    settings: dict[str, Any] = {}
    given: dict[str, Any] = {}
    try:
        top = load("grammar", "top")
        words = _options(argv, top.OPTIONS, settings, interspersed=False)
        beside = (top.OPTIONS, settings)
        if settings.pop("version", False):
            return version_call()
        if not words:
            return None
        name, *words = words
        commands = top.COMMANDS
        if name in top.GROUPS:
            group = load("grammar", name)
            asked: dict[str, Any] = {}
            words = _options(words, group.OPTIONS, asked, beside, interspersed=False)
            if group.OPTIONS:
                given[GROUP] = asked
            commands = group.COMMANDS
            name, *words = words or [""]
        command = commands.get(name)
        if command is None:
            return None
        if isinstance(command, str):  # the same as one without a group
            command = top.COMMANDS[command]
        module, function, options, arguments, interspersed = command
        words = _options(words, options, given, beside, interspersed=interspersed)
        _arguments(words, arguments, given)
    except _NotUnderstood:
        return None
    return (module, function, given, settings)


def version_call() -> Call:
    """Return what `rootless --version` asks for, whatever else stands on the line."""
    return ("rootless.cli.commands.machine.info", "version_line", {}, {})


def _options(
    words: list[str],
    options: dict[str, Option],
    given: dict[str, Any],
    beside: tuple[dict[str, Option], dict[str, Any]] | None = None,
    *,
    interspersed: bool,
) -> list[str]:
    """Take the options from `words` into `given` and return the arguments.

    `beside` are the options that all commands have, and what of them is given.
    """
    arguments = []
    at = 0
    count = len(words)
    while at < count:
        word = words[at]
        at += 1
        if word[:1] != "-" or word == "-":
            arguments.append(word)
            if interspersed:
                continue
            break
        if word == "--":
            break
        if word[1] == "-":
            name, equals, value = word.partition("=")
            known, into = options, given
            if beside and name not in options and beside[0].get(name, ("version",))[0] not in FIRST:
                known, into = beside
            at += _take(known, name, value if equals else None, words[at : at + 1], into)
        else:
            at += _cluster(options, word[1:], words[at : at + 1], given)
    return arguments + words[at:]


def _cluster(
    options: dict[str, Option], letters: str, following: list[str], given: dict[str, Any]
) -> int:
    """Take `-it`, `-eKEY`, `-e=KEY` into `given`; return how many words of `following` it used."""
    while letters:
        name = "-" + letters[0]
        letters = letters[1:]
        value = letters[1:] if letters[:1] == "=" and len(letters) > 1 else None
        kind = options[name][1] if name in options else None
        if kind == SWITCH and value is None:
            _take(options, name, None, [], given)
            continue
        if kind != SWITCH and value is None and letters:
            value = letters
        return _take(options, name, value, following, given)
    return 0


def _take(
    options: dict[str, Option],
    name: str,
    value: str | None,
    following: list[str],
    given: dict[str, Any],
) -> int:
    """Take one option into `given`; return how many words of `following` it used."""
    if name not in options:
        raise _NotUnderstood
    key, kind = options[name]
    if kind == SWITCH:
        if value is None:
            given[key] = True
        elif value in BOOLEANS:
            given[key] = BOOLEANS[value]
        else:
            raise _NotUnderstood
        return 0
    used = 0
    if value is None:
        if not following:
            raise _NotUnderstood
        value = following[0]
        used = 1
    if kind == LIST:
        given.setdefault(key, []).append(value)
    elif kind == NUMBER:
        given[key] = _number(value)
    elif kind == TEXT or value in kind:  # type: ignore[operator]
        given[key] = value
    else:
        raise _NotUnderstood
    return used


def _number(text: str) -> int:
    """Return a plainly written number; Typer sees to `+1`, `1_000` and the like."""
    digits = text[1:] if text[:1] == "-" else text
    if (
        not (digits.isascii() and digits.isdigit() and len(digits) < 10)
        or digits[:1] == "0" < digits[1:]
    ):
        raise _NotUnderstood
    return int(text)


def _arguments(
    words: list[str],
    arguments: tuple[tuple[str, int | tuple[str, ...]], ...],
    given: dict[str, Any],
) -> None:
    """Deal `words` out to the command's arguments."""
    at = 0
    for name, kind in arguments:
        if kind in (SEVERAL, ANY):
            if words[at:]:
                given[name] = words[at:]
            elif kind == SEVERAL:
                raise _NotUnderstood
            at = len(words)
        elif at < len(words) and (kind in (ONE, OPTIONAL) or words[at] in kind):  # type: ignore[operator]
            given[name] = words[at]
            at += 1
        elif kind != OPTIONAL:
            raise _NotUnderstood
    if at < len(words):
        raise _NotUnderstood
