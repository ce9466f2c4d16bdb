"""Texts around Typer: summaries and examples from docstrings, one line of each mistake.

A command's docstring is its help. Its lines after `Examples:` are shown below the options as
they stand: a line that starts with `#` explains the next.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MARK = "Examples:\n"

OVERVIEW = """Containers without root and without a daemon.

Command lines of docker and podman work as they are.

Examples:
    # what this machine can do, and what would better it
    rootless doctor
    # a shell in a container, from an image on disk
    rootless load -i busybox.tar
    rootless run -it --rm busybox
    # the same without any image: this machine's own files, read-only
    rootless run -it --rm host
"""


def description(function: Callable[..., object]) -> str:
    """Return the help of a command: its docstring up to the examples."""
    return unwrapped(inspect.getdoc(function) or "")


def unwrapped(text: str) -> str:
    """Return the paragraphs of a docstring before its examples, one line each."""
    paragraphs = text.partition(MARK)[0].strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def summary(function: Callable[..., object]) -> str:
    """Return the first sentence of a command's help, as the overview shows it."""
    return description(function).partition("\n")[0].rstrip(".")


def is_option(param: Any) -> bool:
    """Whether a parameter of the tree is an option, not an argument."""
    return bool(param.param_type_name == "option")


def tidy(params: Any) -> Any:
    """Leave out of the help what says nothing: types where a metavar or a switch says it all."""
    for param in params:
        if not is_option(param):
            param.display_type = lambda ctx: ""
        elif param.is_flag:
            param.metavar = ""
    return params


def examples(function: Callable[..., object] | None) -> list[str]:
    """Return the lines of a command's examples."""
    text = (inspect.getdoc(function) or "").partition(MARK)[2]
    return inspect.cleandoc(text).splitlines() if text else []


def show_examples(function: Callable[..., object] | None) -> None:
    """Print a command's examples on standard output."""
    lines = examples(function)
    if not lines:
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    console.print(" Examples:", style="bold")
    for line in lines:
        comment = line.lstrip().startswith("#")
        console.print(Text(f"   {line}", style="dim" if comment else "cyan"))
    console.print()


def message(error: Any) -> str:
    """Return Typer's message about a mistake in the style of our own: one line, no capital."""
    if getattr(error, "possibilities", None):
        error.possibilities = _alike(error.option_name, error.possibilities)
    text: str = " ".join(error.format_message().split()).rstrip(".").replace("\0false", "")
    text = text.replace("'', ", "")  # the default of a choice, which nobody types
    text = text.replace("Value error, ", "")  # pydantic's
    said, asked, guesses = text.partition(" Did you mean ")
    if asked:
        likely = _alike(said.split("'")[1], guesses.split("'")[1::2])
        shown = ", ".join(f"'{name}'" for name in likely)
        text = f"{said} Did you mean {shown}?" if likely else said.rstrip(".")
    return text[:1].lower() + text[1:]


_LIKENESS = 0.7
"""Of two words, from 0 to 1: Typer's 0.6 takes `--gpus` for `--pull` and `secret` for `search`."""


def _alike(name: str, words: Iterable[str]) -> list[str]:
    """Return those of `words` that somebody may have meant by `name`."""
    from difflib import SequenceMatcher

    pairs = [(SequenceMatcher(None, name.strip("-"), w.strip("-")).ratio(), w) for w in words]
    return [word for ratio, word in pairs if ratio >= _LIKENESS]


def hint(error: Any) -> str:
    """Return why something is not here that docker or podman has, or else where to read on."""
    words = _path(error)
    return _absence(error, words[1:]) or f"see '{' '.join(words)} --help'"


def _path(error: Any) -> list[str]:
    """Return the words of the command that a mistake was made in, the program's first."""
    ctx = getattr(error, "ctx", None)
    words = [ctx.info_name] if ctx is not None else ["rootless"]
    while ctx is not None and ctx.parent is not None:
        ctx = ctx.parent
        words.insert(0, ctx.info_name)
    return words


def _absence(error: Any, words: list[str]) -> str:
    from rootless.cli import absent

    name = getattr(error, "option_name", "")
    text = message(error)
    if name and text.startswith("no such option"):
        return absent.option(words, name)
    if text.startswith("no such command"):
        return absent.command([*words, text.split("'")[1]])
    return ""
