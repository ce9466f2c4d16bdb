"""What an error is called in the dialect: its words, and the exit code that goes with them.

Scripts look for some sentences, so each dialect has a table of them; the engine knows none.
"""

from __future__ import annotations

import sys

from rootless.cli import lean
from rootless.cli.dialects import choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.dialects.docker import Sentence


def said(text: str) -> str:
    """Return a message or a hint as the user reads it."""
    found = _find(text)
    if found is not None:
        (_, theirs, _), values = found
        text = theirs.format(*values, line=_line(values))
    name = choice.program()
    return text if name == choice.PROGRAM else _renamed(text, name)


def code(message: str) -> int:
    """Return the exit code that goes with a message, 0 where that is a matter of the command."""
    found = _find(message)
    if not found:
        return 0
    own = choice.current().codes
    return own.get(("".join(lean.CALLED), found[0][0]), found[0][2])


def _find(text: str) -> tuple[Sentence, list[str]] | None:
    for sentence in choice.current().sentences:
        values = _matched(sentence[0], text)
        if values is not None:
            return sentence, values
    return None


def _matched(sentence: str, text: str) -> list[str] | None:
    """Return what stands for {0}, {1} if the text is this sentence."""
    first, *rest = sentence.replace("{1}", "{0}").replace("{2}", "{0}").split("{0}")
    if not text.startswith(first):
        return None
    values, text = [], text[len(first) :]
    for number, part in enumerate(rest):
        at = text.find(part) if part and number < len(rest) - 1 else len(text) - len(part)
        if at < 0 or not text.startswith(part, at):
            return None
        values.append(text[:at])
        text = text[at + len(part) :]
    return None if text else values


def _line(values: list[str]) -> str:
    """Return the command as it is typed; of a line that makes no sense what stands before it."""
    name = "".join(lean.CALLED).rstrip("_").replace("_", " ")
    if not name:
        words = [word for word in sys.argv[1:] if not word.startswith("-")]
        before = words[: words.index(values[0])] if values and values[0] in words else []
        return " ".join([choice.program(), *before])
    return f"{choice.program()} {'exec' if name == 'execute' else name}".rstrip()


def _renamed(text: str, name: str) -> str:
    """Return a text with commands of ours under the name that the user has called."""
    import re

    return re.sub(r"(?<![\w./-])rootless (?=[a-z-])", f"{name} ", text)
