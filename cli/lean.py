"""How a command line is read: with generated tables, and without typer.

Typer is where options are declared, and what the tables are made from; a property test holds both
to the same answer. What is not understood (help, an unknown option, a bad value, a missing
argument) is None here, and `mistakes` reads the line again to say why.

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
ALONE = 4
"""A text behind an equals sign alone: without one it is "true"."""

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

HELP = ("--help", "-h")
"""What asks for help, where it is no option of the command."""

BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
"""What a switch takes after `=`: what Go's strconv.ParseBool takes."""


_SWITCHED = frozenset(("logs",))
"""Functions of commands of which an option means something else in a dialect."""

CALLED: list[str] = []
"""The function of the command under way, once its line was understood."""


class NotUnderstood(Exception):
    """What is wrong with a line; `{}` in the message is the metavar of the argument it is about."""

    def __init__(
        self, message: str, *, unknown: str = "", argument: int = -1, help_asked: bool = False
    ) -> None:
        """`unknown` is a word that is no option or command; `argument` the place of one."""
        super().__init__(message)
        self.message = message
        self.unknown = unknown
        self.argument = argument
        self.help_asked = help_asked
        self.received = -1
        """How many words there were, where that is what is wrong."""
        self.rest: list[str] = []
        """The words after the option that is wrong."""


def load(folder: str, name: str) -> Any:
    """Return a generated table, a module; not before it is needed."""
    full = f"rootless.cli.{folder}.{name}"
    __import__(full)
    return sys.modules[full]


def parse(argv: list[str], load: Load = load) -> Call | None:
    """Return what the command line asks for; None where it is not understood."""
    try:
        return read(argv, load, [])
    except NotUnderstood:
        return None


def read(argv: list[str], load: Load, path: list[str]) -> Call:
    """Return what the command line asks for; `path` gets the words that name the command.

    Raises NotUnderstood.
    """
    settings: dict[str, Any] = {}
    given: dict[str, Any] = {}
    top = load("grammar", "top")
    words = _options(argv, top.OPTIONS, settings, interspersed=False)
    beside = (top.OPTIONS, settings)
    if settings.pop("version", False):
        return version_call()
    if not words:
        raise NotUnderstood("missing command", help_asked=True)
    name, *words = words
    commands = top.COMMANDS
    if name in top.GROUPS and (name not in commands or _is_member(name, words, load)):
        path.append(name)
        group = load("grammar", name)
        commands = group.COMMANDS
        asked: dict[str, Any] = {}
        left = _options(words, group.OPTIONS, asked, beside, interspersed=False)
        if not left:
            raise NotUnderstood("missing command", help_asked=not words)
        if group.OPTIONS:
            given[GROUP] = asked
        name, *words = left
    command = commands.get(name)
    if command is None:
        raise NotUnderstood(f"no such command '{name}'", unknown=name)
    path.append(name)
    if isinstance(command, str):  # the same as one without a group
        command = top.COMMANDS[command]
    module, function, options, arguments, interspersed = command
    if function in _SWITCHED:
        options = _in_dialect(function, options, settings)
    words = _options(words, options, given, beside, interspersed=interspersed)
    _arguments(words, arguments, given)
    return (module, function, given, settings)


def _is_member(group: str, words: list[str], load: Load) -> bool:
    """Whether the word behind the name of a group, which is a command too, is one of its own."""
    return bool(words) and words[0] in load("grammar", group).COMMANDS


def _in_dialect(
    function: str, options: dict[str, Option], settings: dict[str, Any]
) -> dict[str, Option]:
    """Return a command's options as the dialect has them. Raises UsageError for one that is none.

    As `settings` name it already, if they do.
    """
    from rootless.cli.dialects import choice

    if dialect := settings.get("dialect"):
        choice.ask(dialect)
    return {**options, **choice.current().switched.get(function, {})}


def known(kind: str, path: list[str], load: Load) -> Any:
    """Return what a table has of the command, or the group, or the program, that `path` names."""
    top, grammar = load(kind, "top"), load("grammar", "top")
    group = load(kind, path[0]) if path and path[0] in grammar.GROUPS else top
    if len(path) == 1 and path[0] in grammar.COMMANDS:  # which may be a group as well
        group = top
    elif len(path) == (0 if group is top else 1):
        return group
    found = group.COMMANDS[path[-1]]
    return top.COMMANDS[found] if isinstance(found, str) else found


def version_call() -> Call:
    """Return what `rootless --version` asks for, whatever else stands on the line."""
    return ("rootless.cli.commands.machine.version", "version_line", {}, {})


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
        try:
            if word[1] == "-":
                name, equals, value = word.partition("=")
                there, into = options, given
                if name not in options and beside and _is_anywhere(name, beside[0]):
                    there, into = beside
                at += _take(there, name, value if equals else None, words[at : at + 1], into)
            else:
                at += _cluster(options, word[1:], words[at : at + 1], given)
        except NotUnderstood as error:
            error.rest = words[at:]
            raise
    return arguments + words[at:]


def _is_anywhere(name: str, options: dict[str, Option]) -> bool:
    """Whether an option of all commands may stand behind one."""
    return name in options and options[name][0] not in FIRST


def _cluster(
    options: dict[str, Option], letters: str, following: list[str], given: dict[str, Any]
) -> int:
    """Take `-it`, `-eKEY`, `-e=KEY` into `given`; return how many words of `following` it used."""
    while letters:
        name = "-" + letters[0]
        letters = letters[1:]
        value = letters[1:] if letters[:1] == "=" and len(letters) > 1 else None
        kind = options[name][1] if name in options else None
        if kind in (SWITCH, ALONE) and value is None:
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
        asked = name in HELP
        raise NotUnderstood(f"no such option: {name}", unknown=name, help_asked=asked)
    key, kind = options[name]
    if kind == SWITCH:
        if value is None:
            given[key] = True
        elif value in BOOLEANS:
            given[key] = BOOLEANS[value]
        else:
            raise _invalid(options, key, value, "is neither true nor false")
        return 0
    if kind == ALONE:
        given[key] = "true" if value is None else value
        return 0
    used = 0
    if value is None:
        if not following:
            raise NotUnderstood(f"option '{name}' requires an argument")
        value = following[0]
        used = 1
    if kind == LIST:
        given.setdefault(key, []).append(value)
    elif kind == NUMBER:
        digits = value[1:] if value[:1] in ("-", "+") else value
        if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
            raise _invalid(options, key, value, "is not a whole number")
        given[key] = int(value)
    elif kind == TEXT or value in kind:  # type: ignore[operator]
        given[key] = value
    else:
        raise _invalid(options, key, value, one_of(kind))  # type: ignore[arg-type]
    return used


def _invalid(options: dict[str, Option], key: str, value: str, why: str) -> NotUnderstood:
    """Return what is wrong with the value of an option, named by all its spellings."""
    names = " / ".join(f"'{name}'" for name, option in options.items() if option[0] == key)
    return NotUnderstood(f"invalid value for {names}: '{value}' {why}")


def one_of(choices: tuple[str, ...]) -> str:
    """Say what a value may be: choices but the empty one, which is a default."""
    return "is not one of " + ", ".join(f"'{choice}'" for choice in choices if choice)


def _arguments(
    words: list[str],
    arguments: tuple[tuple[str, int | tuple[str, ...]], ...],
    given: dict[str, Any],
) -> None:
    """Deal `words` out to the command's arguments."""
    try:
        left = _dealt(words, arguments, given)
        if left:
            more = "arguments" if len(left) > 1 else "argument"
            raise NotUnderstood(f"got unexpected extra {more} ({' '.join(left)})")
    except NotUnderstood as error:
        if not error.message.startswith("invalid value"):
            error.received = len(words)
        raise


def _dealt(
    words: list[str],
    arguments: tuple[tuple[str, int | tuple[str, ...]], ...],
    given: dict[str, Any],
) -> list[str]:
    """Deal them out, and return those that are left."""
    at = 0
    for place, (name, kind) in enumerate(arguments):
        if kind in (SEVERAL, ANY):
            if words[at:]:
                given[name] = words[at:]
            elif kind == SEVERAL:
                raise NotUnderstood("missing argument '{}'", argument=place)
            at = len(words)
        elif at < len(words):
            if isinstance(kind, tuple) and words[at] not in kind:
                why = one_of(kind)
                raise NotUnderstood(
                    f"invalid value for '{{}}': '{words[at]}' {why}", argument=place
                )
            given[name] = words[at]
            at += 1
        elif kind != OPTIONAL:
            raise NotUnderstood("missing argument '{}'", argument=place)
    return words[at:]
