"""help: a page about a topic, or the help of a command."""

from __future__ import annotations

from rootless.cli import output, pages
from rootless.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine as opt
    from rootless.engine import Engine


def help_(engine: Engine, words: opt.HelpWords = None) -> int:
    """Show a page about a topic, or the help of a command.

    Without an argument it lists both. A part of a topic's name will do where no other topic has it.

    Examples:
        rootless help
        rootless help coming-from-docker
        rootless help image tree
    """
    from rootless.cli.answers import mistakes

    names = pages.topics()
    if not words:
        mistakes.answer(["--help"])
        _list(names)
        return 0
    if _is_command(words):
        mistakes.answer([*words, "--help"])
        return 0
    found = pages.meant(" ".join(words), names)
    if len(found) != 1:
        raise _nothing(words, found or [*names])
    pages.show(pages.page(found[0]))
    return 0


def _list(names: dict[str, str]) -> None:
    output.say("")
    output.say("Topics, for rootless help TOPIC:")
    output.say_table((f"  {name}", about) for name, about in names.items())


def _is_command(words: list[str]) -> bool:
    from rootless.cli import lean

    top = lean.load("grammar", "top")
    name, *rest = words
    if name not in top.GROUPS:
        return name in top.COMMANDS and not rest
    return not rest or (rest[0] in lean.load("grammar", name).COMMANDS and not rest[1:])


def _nothing(words: list[str], topics: list[str]) -> NotFound:
    from rootless.cli import absent

    why = absent.command(words)
    hint = why or f"topics: {', '.join(topics)}; 'rootless help' lists commands, too"
    return NotFound(f"no such topic or command: {' '.join(words)}", hint)
