"""What is said of a command line that is not understood, and the help where that is asked for.

From the generated tables, as the line is read (`lean`): a mistake costs no more than a command.
"""

from __future__ import annotations

from rootless.cli import lean
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 3
"""How many words are proposed in the place of one."""


def answer(argv: list[str], load: lean.Load = lean.load) -> int:
    """Show the help that a line asks for and return the exit code.

    Raises UsageError about a line that asks for none.
    """
    path: list[str] = []
    try:
        lean.read(argv, load, path)
    except lean.NotUnderstood as error:
        if not (error.help_asked or _helped(error.rest, path, load)):
            why = _absence(error, path)
            hint = (
                why or f"{_missing(error, path, load)}see '{' '.join(('rootless', *path))} --help'"
            )
            near = [] if why else alike(error.unknown, _known(error.unknown, path, load))
            raise UsageError(_message(error, near, path, load), hint) from error
    from rootless.cli.answers import usage

    usage.show(path, load)
    return 0


def _helped(rest: list[str], path: list[str], load: lean.Load) -> bool:
    """Whether help is asked for further on: who has made a mistake on the way wants it the more."""
    known = lean.known("grammar", path, load)
    interspersed = isinstance(known, tuple) and known[4]
    for word in rest:
        if word == "--" or not (interspersed or word.startswith("-")):
            return False
        if word == "--help":
            return True
    return False


def _absence(error: lean.NotUnderstood, path: list[str]) -> str:
    """Return why something is not here that docker or podman has."""
    from rootless.cli import absent

    if error.unknown.startswith("-"):
        return absent.option(path, error.unknown)
    return absent.command([*path, error.unknown]) if error.unknown else ""


def _message(error: lean.NotUnderstood, near: list[str], path: list[str], load: lean.Load) -> str:
    """Return what is wrong, with what may have been meant."""
    if error.received >= 0:
        from rootless.cli.dialects import choice

        kinds = [kind for _, kind in lean.known("grammar", path, load)[3]]
        least = len(kinds) - kinds.count(lean.OPTIONAL) - kinds.count(lean.ANY)
        endless = lean.SEVERAL in kinds or lean.ANY in kinds
        line = " ".join((choice.program(), *path))
        most = None if endless else len(kinds)
        return choice.current().miscounted(line, least, most, error.received)
    if error.argument >= 0:
        return error.message.replace("{}", _argument(error, path, load), 1)
    if not near:
        return error.message
    return f"{error.message}. Did you mean {' or '.join(repr(word) for word in near)}?"


def _missing(error: lean.NotUnderstood, path: list[str], load: lean.Load) -> str:
    """Return which argument is not there, for the beginning of a hint."""
    missing = error.received >= 0 and error.argument >= 0
    return f"{_argument(error, path, load)} is missing; " if missing else ""


def _argument(error: lean.NotUnderstood, path: list[str], load: lean.Load) -> str:
    name: str = lean.known("words", path, load)[2][error.argument][0]
    return name


def _known(unknown: str, path: list[str], load: lean.Load) -> Iterable[str]:
    """Return the words that could have stood where an unknown one does."""
    known = lean.known("grammar", path, load)
    if isinstance(known, tuple):
        return (*known[2], "--help")
    if unknown.startswith("-"):
        return (*known.OPTIONS, "--help")
    groups: tuple[str, ...] = () if path else known.GROUPS
    return (*known.COMMANDS, *groups)


def alike(word: str, known: Iterable[str]) -> list[str]:
    """Return the few words that are so much like `word` that they may have been meant."""
    bare = word.lstrip("-")
    most = max(1, len(bare) // 3)
    found = []
    for each in known:
        other = each.lstrip("-")
        # A letter is like any other letter, and the beginning of a word says what it will be.
        if len(bare) < 2 or len(other) < 2:
            continue
        away = _steps(bare, other)
        if len(bare) > 2 and other.startswith(bare):
            away = min(away, most)
        if away <= most:
            found.append((away, each))
    found.sort(key=lambda pair: pair[0])
    return [each for _, each in found[:MOST]]


def _steps(one: str, other: str) -> int:
    """Return how many letters to put in, take out, change or swap to get `other`."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        last, before, row = before, row, [at]
        for place, each in enumerate(other, 1):
            steps = min(before[place] + 1, row[-1] + 1, before[place - 1] + (letter != each))
            if at > 1 and place > 1 and one[at - 2] == each and letter == other[place - 2]:
                steps = min(steps, last[place - 2] + 1)
            row.append(steps)
    return row[-1]
