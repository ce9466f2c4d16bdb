"""Go's text/template, read: the texts of a template, and the tokens of its actions."""

from __future__ import annotations

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, TypeAlias

    Token: TypeAlias = tuple[str, Any, bool]
    """Kind, value, and whether it stands right behind the token before it."""

SPACE = " \t\r\n"


def fail(message: str) -> NoReturn:
    """Raise UsageError about a template."""
    raise UsageError(f"template: {message}")


def split(source: str) -> list[str | list[Token]]:
    """Split a template into its texts and the tokens of its actions."""
    pieces: list[str | list[Token]] = []
    at = 0
    trim = False
    while True:
        start = source.find("{{", at)
        text = source[at:] if start < 0 else source[at:start]
        if trim:
            text = text.lstrip(SPACE)
        if start < 0:
            pieces.append(_unescape(text))
            return pieces
        at = start + 2
        if source[at : at + 1] == "-" and source[at + 1 : at + 2] in SPACE:
            text = text.rstrip(SPACE)
            at += 1
        pieces.append(_unescape(text))
        tokens, at, trim = _action(source, at)
        if tokens:
            pieces.append(tokens)


def _unescape(text: str) -> str:
    r"""Replace \t and \n, which shells leave as they are within quotes: docker does so too."""
    return text.replace("\\t", "\t").replace("\\n", "\n")


def _action(source: str, at: int) -> tuple[list[Token], int, bool]:
    """Read one action up to its `}}`; return its tokens, where it ends, and whether `-}}` trims."""
    tokens: list[Token] = []
    while True:
        begin = at
        while source[at : at + 1] and source[at] in SPACE:
            at += 1
        glued = at == begin
        if source.startswith("/*", at):
            at = source.find("*/", at) + 2
            if at < 2:
                fail("unclosed comment")
        elif source.startswith("}}", at):
            return tokens, at + 2, False
        elif source.startswith("-}}", at) and not glued:
            return tokens, at + 3, True
        elif at >= len(source):
            fail("unclosed action: }} is missing")
        else:
            kind, value, at = _token(source, at)
            tokens.append((kind, value, glued))


def _token(source: str, at: int) -> tuple[str, Any, int]:
    """Read one token; return its kind, its value and where it ends."""
    char = source[at]
    if char in "\"`'":
        return _quoted(source, at)
    if source.startswith(":=", at):
        return "mark", ":=", at + 2
    if char in "|(),=":
        return "mark", char, at + 1
    number = char.isdigit() or (char in "+-." and source[at + 1 : at + 2].isdigit())
    end = at + 1
    while end < len(source) and (
        source[end].isalnum() or source[end] == "_" or (number and source[end] in ".+-")
    ):
        end += 1
    word = source[at:end]
    if number:
        return "value", _number(word), end
    if char == ".":
        return ("field", word[1:], end) if len(word) > 1 else ("dot", "", end)
    if char == "$":
        return "variable", word, end
    if char.isalpha() or char == "_":
        return "name", word, end
    fail(f"unexpected {char!r}")


def _number(word: str) -> int | float:
    for convert in (lambda text: int(text, 0), float):
        try:
            return convert(word)
        except ValueError:
            continue
    return fail(f"bad number {word!r}")


def _quoted(source: str, at: int) -> tuple[str, Any, int]:
    """Read a string in Go's spelling: "with escapes", `raw`, or a character."""
    quote = source[at]
    end = at + 1
    while end < len(source) and source[end] != quote:
        end += 2 if source[end] == "\\" and quote != "`" else 1
    if end >= len(source):
        fail("unterminated quoted string")
    text = source[at + 1 : end]
    if quote != "`" and "\\" in text:
        text = text.encode("latin-1", "backslashreplace").decode("unicode_escape")
    return "value", ord(text) if quote == "'" and len(text) == 1 else text, end + 1
