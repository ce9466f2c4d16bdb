"""Manual pages, made from the Typer tree: what the build puts where man(1) finds it.

python -m rootless.cli.manual DIRECTORY      writes them there

They are in the language of man(7), for groff and mandoc alike.
"""

from __future__ import annotations

import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import rootless
from rootless.cli import app, helping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SECTION = "1"
GROUP_USAGE = r"[\fIOPTIONS\fP] \fICOMMAND\fP [\fIARGUMENT\fP]..."
SHOWN = str.maketrans({"\\": r"\e", "-": r"\-", "'": r"\(aq", "^": r"\(ha", "~": r"\(ti"})


def pages() -> dict[str, str]:
    """Return the text of every page, by the name of its file."""
    return {
        f"{'-'.join((app.PROGRAM, *words))}.{SECTION}": _page(command, words)
        for words, command in _commands(app.tree(), ())
    }


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield a command and those below it, each with its words."""
    yield (words, command)
    for name, one in getattr(command, "commands", {}).items():
        yield from _commands(one, (*words, name))


def _page(command: Any, words: tuple[str, ...]) -> str:
    """Return the page of a command, of a group, or of the program itself."""
    about, _, more = command.help.partition("\n")
    is_group = hasattr(command, "commands")
    lines = [
        *_head(words, about.rstrip("."), GROUP_USAGE if is_group else _usage(command)),
        *(".SH DESCRIPTION", *_text(more.strip() or about)),
        *(_members(command, words) if is_group else _arguments(command.params)),
        *_options(command.params),
        *_examples(helping.examples(command.callback if words else app.rootless)),
        *_foot(words),
    ]
    return "\n".join(lines) + "\n"


def _usage(command: Any) -> str:
    arguments = [_plain(p.metavar) for p in command.params if not helping.is_option(p)]
    return " ".join([r"[\fIOPTIONS\fP]", *arguments])


def _members(group: Any, words: tuple[str, ...]) -> Iterator[str]:
    yield ".SH COMMANDS"
    for name, one in group.commands.items():
        if not one.hidden:
            told = one.short_help or one.help
            yield from (".TP", _reference((*words, name)), _plain(told.rstrip(".") + "."))


def _head(words: tuple[str, ...], about: str, usage: str) -> Iterator[str]:
    name = "-".join((app.PROGRAM, *words))
    stamp = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    date = time.strftime("%Y-%m-%d", time.gmtime(stamp))
    yield f'.TH {name.upper()} {SECTION} "{date}" "{app.PROGRAM} {rootless.__version__}"'
    yield from (".SH NAME", rf"{_plain(name)} \- {_plain(about[:1].lower() + about[1:])}")
    yield from (".SH SYNOPSIS", rf"\fB{_plain(' '.join((app.PROGRAM, *words)))}\fP {usage}")


def _foot(words: tuple[str, ...]) -> Iterator[str]:
    more = r"\fBrootless help\fP shows pages on images, networks, security and more"
    yield from (".SH SEE ALSO", f"{_reference(words[:-1])}; {more}" if words else more)


def _arguments(params: Any) -> Iterator[str]:
    own = [param for param in params if not helping.is_option(param) and param.help]
    if own:
        yield ".SH ARGUMENTS"
    for param in own:
        yield from (".TP", rf"\fI{_plain(param.metavar)}\fP", *_text(param.help))


def _options(params: Any) -> Iterator[str]:
    """Yield the options, below the titles that they have in the help."""
    panels: dict[str, list[Any]] = {}
    for param in params:
        if helping.is_option(param) and not param.hidden:
            panels.setdefault(param.rich_help_panel or "", []).append(param)
    if panels:
        yield ".SH OPTIONS"
    for title, own in panels.items():
        if title:
            yield f".SS {_plain(title)}"
        for param in own:
            names = ", ".join(rf"\fB{_plain(name)}\fP" for name in param.opts)
            value = "" if param.is_flag else rf" \fI{_plain(param.metavar or 'VALUE')}\fP"
            yield from (".TP", names + value, *_text(param.help))


def _examples(lines: Iterable[str]) -> Iterator[str]:
    lines = [*lines]
    if lines:
        yield from (".SH EXAMPLES", ".EX", *(_plain(line) or r"\&" for line in lines), ".EE")


def _reference(words: tuple[str, ...]) -> str:
    return rf"\fB{_plain('-'.join((app.PROGRAM, *words)))}\fP({SECTION})"


def _text(text: str) -> Iterator[str]:
    """Yield paragraphs of running text, with what is quoted in bold."""
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        yield re.sub(r"`([^`]+)`", r"\\fB\1\\fP", _plain(" ".join(paragraph.split())))


def _plain(text: str) -> str:
    r"""Return text that is shown as it stands: no requests, no ligatures of dashes and quotes.

    >>> print(_plain(".'a-b' \\n"))
    \&.\(aqa\-b\(aq \en
    """
    shown = text.translate(SHOWN)
    return rf"\&{shown}" if text[:1] == "." else shown


def main(argv: list[str]) -> int:
    """Write the pages into a directory."""
    (directory,) = argv
    for name, text in pages().items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
