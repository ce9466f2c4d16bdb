"""--env-merge: the value of a variable from those that there are, in the language of a shell."""

from __future__ import annotations

from rootless.errors import UsageError, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with the variables of `values` in the place of $NAME and ${NAME}.

    ${NAME:-WORD} is WORD where the variable is empty or not there, ${NAME:+WORD} where it is
    something; what is not there is empty. A backslash takes the meaning off what follows. Raises
    UsageError.
    """
    result, rest = "", text
    while rest:
        plain, dollar, rest = _until(rest, "$")
        result += plain
        if dollar:
            value, rest = _variable(rest, values, text)
            result += value
    return result


def _until(text: str, end: str) -> tuple[str, str, str]:
    """Return what stands before the first `end` that has no backslash, that, and what follows."""
    before, number = "", 0
    while number < len(text):
        if text[number] == end:
            return before, end, text[number + 1 :]
        if text[number] == "\\" and number + 1 < len(text):
            number += 1
        before += text[number]
        number += 1
    return before, "", ""


def _variable(rest: str, values: Mapping[str, str], text: str) -> tuple[str, str]:
    """Return the value of what `rest` begins with, behind its $, and what comes after it."""
    if not rest.startswith("{"):
        length = _length(rest)
        if not length:
            return "$", rest
        return values.get(rest[:length], ""), rest[length:]
    inner, end, after = rest[1:].partition("}")
    length = _length(inner)
    name, how, word = inner[:length], inner[length : length + 2], inner[length + 2 :]
    if not end or not name or how not in ("", ":-", ":+"):
        raise UsageError(
            f"{named('env_merge')}: {text!r}: what stands after $ makes no sense",
            "$NAME, ${NAME}, ${NAME:-WORD} or ${NAME:+WORD}",
            field="env_merge",
        )
    value = values.get(name, "")
    if how == ":-":
        value = value or word
    elif how == ":+":
        value = word if value else ""
    return value, after


def _length(text: str) -> int:
    """Return how many characters of `text` are the name of a variable."""
    for number, one in enumerate(text):
        if not (one.isascii() and (one.isalpha() or one == "_" or (number and one.isdigit()))):
            return number
    return len(text)
