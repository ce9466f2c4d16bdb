"""What docstrings say to users: the help of commands, their summaries and examples.

A command's docstring is its help. Its lines after `Examples:` are shown below the options as
they stand: a line that starts with `#` explains the next.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MARK = "Examples:\n"

GROUPS = "Groups, as docker has them"
"""The panel of the overview that shows the groups."""

STEPS = "Step by step"
"""The panel of the help of a command that is a group as well: the commands in it."""

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
    return parts(function.__doc__ or "")[0]


def summary(function: Callable[..., object]) -> str:
    """Return the first sentence of a command's help, as the overview shows it."""
    return description(function).partition("\n")[0].rstrip(".")


def examples(function: Callable[..., object]) -> list[str]:
    """Return the lines of a command's examples."""
    return parts(function.__doc__ or "")[1]


def parts(text: str) -> tuple[str, list[str]]:
    """Return the paragraphs of a docstring, one line each, and the lines of its examples."""
    before, _, after = text.partition(MARK)
    paragraphs: list[list[str]] = [[]]
    for line in before.splitlines():
        if line.strip():
            paragraphs[-1] += line.split()
        elif paragraphs[-1]:
            paragraphs.append([])
    lines = after.rstrip().splitlines()
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    about = "\n\n".join(" ".join(words) for words in paragraphs if words)
    return about, [line[indent:] for line in lines]


def is_option(param: Any) -> bool:
    """Whether a parameter of the tree is an option, not an argument."""
    return bool(param.param_type_name == "option")


def is_other_name(name: str, is_alias: bool) -> bool:
    """Whether a command in a group has a better name, by which the help shows it."""
    return name == "list" or (name == "remove" and is_alias)
