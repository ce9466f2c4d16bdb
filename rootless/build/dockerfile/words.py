"""How the text after an instruction is taken apart: flags, words, pairs, and JSON arrays.

Nothing is expanded here, and quotes stay: both happen when a stage is built.
"""

from __future__ import annotations

from rootless.oci.jsonio import loads

BLANKS = "\t\v\f\r "
"""What stands between words."""

SPACES = (
    BLANKS
    + "\n\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
    + "".join(map(chr, range(0x2000, 0x200B)))
)
"""What counts as space at the ends of a line, and between words that quotes may hold together."""

_ONE_SPACE = str.maketrans(SPACES, " " * len(SPACES))
_ONE_BLANK = str.maketrans(BLANKS, " " * len(BLANKS))


class NotPairs(ValueError):
    """A text that is no list of NAME=VALUE; `word` is what is wrong, "" for the whole."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def split(text: str) -> list[str]:
    """Return the words of a text, as blanks divide it."""
    return [word for word in text.translate(_ONE_BLANK).split(" ") if word]


def first(text: str, start: int = 0) -> tuple[int, int]:
    """Return where the word at `start` ends, and where what follows its blanks begins."""
    end = start
    while end < len(text) and text[end] not in BLANKS:
        end += 1
    after = end
    while after < len(text) and text[after] in BLANKS:
        after += 1
    return end, after


def strings(text: str) -> list[str] | None:
    """Return the strings of a JSON array of strings; None for any other text."""
    if not text.startswith("["):
        return None
    try:
        value = loads(text)
    except ValueError:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return None
    # JSON can hold half of a surrogate pair, which has no bytes.
    return [one if one.isascii() else _whole(one) for one in value]


def _whole(text: str) -> str:
    return "".join("\ufffd" if 0xD800 <= ord(letter) < 0xDC80 else letter for letter in text)


def flags(text: str, start: int) -> tuple[list[str], int]:
    """Return the flags that a text has at `start`, without quotes, and where they end.

    They end at the first word that does not begin with two hyphens, or at these alone.
    """
    found: list[str] = []
    at = start
    while text.startswith("--", at):
        flag, at = _flag(text, at)
        while at < len(text) and text[at] in SPACES:
            at += 1
        if flag == "--":
            break
        found.append(flag)
    return found, at


def _flag(text: str, at: int) -> tuple[str, int]:
    """Return the flag that begins at `at`, and where it ends."""
    letters: list[str] = []
    quote = ""
    while at < len(text):
        letter = text[at]
        if quote:
            if letter == quote:
                quote = ""
                at += 1
                continue
        elif letter in SPACES:
            break
        elif letter in "'\"":
            quote = letter
            at += 1
            continue
        if letter == "\\":
            at += 1
            letter = text[at : at + 1]
        letters.append(letter)
        at += 1
    return "".join(letters), at


def quoted(text: str, escape: str) -> list[str]:
    """Return words that quotes and escapes may hold together; both stay in the words."""
    if not any(mark in text for mark in ("'", '"', escape)):
        return [word for word in text.translate(_ONE_SPACE).split(" ") if word]
    found: list[str] = []
    at = 0
    while at < len(text):
        if text[at] in SPACES:
            at += 1
            continue
        word, at = _quoted(text, at, escape)
        found.append(word)
    return found


def _quoted(text: str, at: int, escape: str) -> tuple[str, int]:
    """Return the word that begins at `at`, and where it ends."""
    start = at
    quote = ""
    while at < len(text):
        letter = text[at]
        if letter == escape and quote != "'":
            if at + 1 == len(text):  # it has nothing to escape, and goes
                return text[start:at], at + 1
            at += 1
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in SPACES:
            break
        elif letter in "'\"":
            quote = letter
        at += 1
    return text[start:at], at


def pairs(text: str, escape: str) -> tuple[list[tuple[str, str]], bool]:
    """Return the names and values of ENV or LABEL, and whether in the old form, NAME VALUE.

    Raises NotPairs.
    """
    words = quoted(text, escape)
    if not words:
        return [], False
    if "=" not in words[0]:
        end, after = first(text)
        if after >= len(text):
            raise NotPairs("")
        return [(text[:end], text[after:])], True
    found = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise NotPairs(word)
        found.append((name, value))
    return found, False
