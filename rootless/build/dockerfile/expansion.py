"""`$x`, `${x:-y}` and their relatives, quotes and escapes: what a word is when a step begins.

    $x ${x}               its value, nothing where it is unset
    ${x:-w} ${x-w}        w where x is unset; with a colon, also where it is empty
    ${x:+w} ${x+w}        w where it is set
    ${x:?w} ${x?w}        an error that says w, where it is unset
    ${x#p} ${x##p}        without the shortest, the longest match of a pattern at the beginning
    ${x%p} ${x%%p}        the same at the end
    ${x/p/w} ${x//p/w}    with the first match replaced, with all

Single quotes keep what is in them; in double quotes an escape is one before `"`, `$` and itself. A
word in a branch that is not taken is read, but neither sets an error off nor counts as used.

One pass over the text with a stack of our own: braces may be nested by the thousand.
"""

from __future__ import annotations

from rootless.build.dockerfile.errors import short
from rootless.build.dockerfile.patterns import (
    TooMuch,
    replaced,
    without_prefix,
    without_suffix,
)
from rootless.build.dockerfile.words import SPACES
from rootless.oci.errors import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_SPECIAL = frozenset("@*#?-$!0")
_SPACES = frozenset(SPACES)


class ExpansionError(ValueError):
    """A word that cannot be expanded; `token` is the part of it that says so."""

    def __init__(self, reason: str, token: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.token = token


class Expander:
    """Expands words with the variables of `environment`.

    `unset` collects the names that were asked for, had no value, and no word for that case.
    `used` collects all that were asked for.
    """

    def __init__(self, environment: Mapping[str, str], escape: str = "\\") -> None:
        self.environment = environment
        self.escape = escape
        self.unset: set[str] = set()
        self.used: set[str] = set()

    def word(self, text: str) -> str:
        """Return a text as one word. Raises ExpansionError."""
        if self.is_plain(text):
            return text
        return _Run(self, text).joined()

    def words(self, text: str) -> list[str]:
        """Return the words that a text comes to: values may be several. Raises ExpansionError."""
        return _Run(self, text).divided()

    def document(self, text: str) -> str:
        """Return the text of a heredoc: variables and escapes, no quotes.

        An escape goes wherever it stands, as in BuildKit, whose Dockerfiles double it: a shell
        would keep some.
        """
        if "$" not in text and self.escape not in text:
            return text
        return _Run(self, text, quotes=False).joined()

    def is_plain(self, text: str) -> bool:
        """Whether a text is what it comes to."""
        return not ("$" in text or "'" in text or '"' in text or self.escape in text)


class Raw(Expander):
    """Only divides: quotes, escapes and variables stay as they are written."""

    def __init__(self) -> None:
        super().__init__({})


class _Frame:
    """What is being put together: the whole text, or a word within braces."""

    __slots__ = ("dead", "double", "name", "operator", "pattern", "start", "stop", "text")

    def __init__(self, name: str, operator: str, start: int, *, dead: bool) -> None:
        self.name = name
        self.operator = operator
        self.start = start
        """Where its parts begin."""
        self.dead = dead
        """Whether nothing of it counts."""
        self.double = False
        """Whether a double quote is open."""
        self.pattern = operator in _PATTERNS
        """Whether its word is a pattern, in which escapes mean something later."""
        self.stop = "/" if operator in ("/", "//") else "}" if operator else ""
        self.text = ""
        """Of `${x/p/w}` the pattern, once it is read."""


class _Run:
    """One expansion of one text.

    All frames write to one list of parts: the word of an operator that is taken stays where it is,
    so that depth costs nothing.
    """

    def __init__(self, expander: Expander, text: str, *, quotes: bool = True) -> None:
        self.expander = expander
        self.text = text
        self.quotes = quotes
        self.raw = isinstance(expander, Raw)
        self.at = 0
        self.frames = [_Frame("", "", 0, dead=False)]
        self.parts: list[str] = []
        self.whole: list[bool] = []
        """Of each part whether blanks in it do not divide words."""
        self.stops = frozenset(("$", expander.escape, "}", "/", *("\"'" if quotes else "")))

    def joined(self) -> str:
        """Return the text expanded, as one word."""
        self._read()
        return "".join(self.parts)

    def divided(self) -> list[str]:
        """Return the text expanded, as the words that blanks divide."""
        self._read()
        words: list[str] = []
        word: list[str] = []
        for part, whole in zip(self.parts, self.whole, strict=True):
            if whole:
                word.append(part)
                continue
            for letter in part:
                if letter not in _SPACES:
                    word.append(letter)
                elif word:
                    words.append("".join(word))
                    word = []
        words.append("".join(word))
        return [word for word in words if word]

    def _read(self) -> None:
        text, escape = self.text, self.expander.escape
        while self.at < len(text):
            frame = self.frames[-1]
            letter = text[self.at]
            if letter == "$":
                self._dollar(frame)
            elif letter == escape:
                self._escaped(frame)
            elif frame.double:
                self._in_double(frame, letter)
            elif letter == frame.stop:
                self.at += 1
                self._close(frame)
            elif letter == '"' and self.quotes:
                frame.double = True
                self._mark(frame, letter)
            elif letter == "'" and self.quotes:
                self._single(frame)
            else:
                self._plain(frame)
        frame = self.frames[-1]
        if frame.double:
            raise ExpansionError("a double quote is not closed", short(text))
        if len(self.frames) > 1:
            wanted = f"${{{frame.name}{frame.operator}"
            missing = "'/'" if frame.stop == "/" else "'}'"
            raise ExpansionError(f"{short(wanted)} has no {missing}", wanted)

    def _put(self, frame: _Frame, value: str, *, whole: bool) -> None:
        """Add a value; `whole` where blanks in it do not divide words."""
        if not frame.dead:
            self.parts.append(value)
            # Within braces it is the whole outcome that blanks divide, or do not.
            self.whole.append(whole if len(self.frames) == 1 else self.frames[0].double)

    def _mark(self, frame: _Frame, letter: str) -> None:
        """Pass a quote, which stays where nothing is to change."""
        self.at += 1
        self._put(frame, letter if self.raw else "", whole=True)

    def _in_double(self, frame: _Frame, letter: str) -> None:
        if letter == '"':
            frame.double = False
            self._mark(frame, letter)
        else:
            self._plain(frame)

    def _plain(self, frame: _Frame) -> None:
        """Take what has no meaning, up to the next letter that may have one."""
        text, start, stops = self.text, self.at, self.stops
        end = start + 1
        while end < len(text) and text[end] not in stops:
            end += 1
        self.at = end
        self._put(frame, self._quoted(frame, text[start:end]), whole=frame.double)

    def _quoted(self, frame: _Frame, value: str) -> str:
        """Return what stands in double quotes: in a pattern that means itself."""
        if not (frame.double and frame.pattern) or self.raw:
            return value
        return _literal(value)

    def _escaped(self, frame: _Frame) -> None:
        escape, following = self.text[self.at], self.text[self.at + 1 : self.at + 2]
        self.at += 1
        if not following:
            return
        if frame.double and following not in ("$", escape, '"') and not self.raw:
            self._put(frame, "\\\\" if frame.pattern else escape, whole=True)
            return  # what follows is looked at for itself
        self.at += 1
        keep = escape if self.raw else "\\" if frame.pattern and following not in "}/" else ""
        self._put(frame, keep + following, whole=True)

    def _single(self, frame: _Frame) -> None:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise ExpansionError("a single quote is not closed", short(self.text[self.at :]))
        inside = self.text[self.at + 1 : end]
        if frame.pattern and not self.raw:
            inside = _literal(inside)
        self.at = end + 1
        self._put(frame, f"'{inside}'" if self.raw else inside, whole=True)

    def _name(self) -> str:
        """Take the name of a variable; "" where none begins here."""
        text, start = self.text, self.at
        end = start
        if text[end : end + 1].isdigit():
            while end < len(text) and text[end].isdigit():
                end += 1
        elif text[end : end + 1] in _SPECIAL:
            end += 1
        else:
            while end < len(text) and (text[end].isalnum() or text[end] == "_"):
                end += 1
        self.at = end
        return text[start:end]

    def _value(self, name: str, frame: _Frame, *, fallback: bool = False) -> str | None:
        value = self.expander.environment.get(name)
        if not frame.dead:
            self.expander.used.add(name)
            if value is None and not fallback:
                self.expander.unset.add(name)
        return value

    def _dollar(self, frame: _Frame) -> None:
        start = self.at
        self.at += 1
        braces = self.text[self.at : self.at + 1] == "{"
        self.at += braces
        name = self._name()
        operator = self._operator(start, name) if braces else ""
        if operator in ("", "}"):
            value = "$"
            if self.raw:
                value = self.text[start : self.at]
            elif name:
                value = self._value(name, frame) or ""
            self._put(frame, self._quoted(frame, value), whole=frame.double or not name)
            return
        if self.raw:
            self._put(frame, self.text[start : self.at], whole=frame.double)
        dead = not self.raw and (frame.dead or not self._wanted(name, operator))
        self.frames.append(_Frame(name, operator, len(self.parts), dead=dead))

    def _operator(self, start: int, name: str) -> str:
        """Take what follows the name within braces."""
        text, at = self.text, self.at
        letter = text[at : at + 1]
        if not letter:
            raise ExpansionError(f"{short(text[start:])} has no '}}'", short(text[start:]))
        if not name and letter in "{}:":
            whole = short(text[start : at + 1])
            raise ExpansionError(f"bad substitution {whole}", whole)
        taken = letter
        if letter == ":":
            taken = text[at : at + 2]
        elif letter in "#%/" and text[at + 1 : at + 2] == letter:
            taken = letter * 2
        if taken not in _OPERATORS and self.raw:
            return ""  # a shell may know it
        if taken not in _OPERATORS:
            whole = short(text[start : at + len(taken)])
            reason = f"unsupported modifier ({shown(taken)}) in substitution {whole}"
            raise ExpansionError(reason, whole)
        self.at = at + len(taken)
        return taken

    def _wanted(self, name: str, operator: str) -> bool:
        """Whether the word of an operator counts, by what the variable is."""
        value = self.expander.environment.get(name)
        missing = not value if operator.startswith(":") else value is None
        if operator in ("+", ":+"):
            return not missing
        return missing if operator in ("-", ":-", "?", ":?") else True

    def _close(self, frame: _Frame) -> None:
        """End the word of an operator: put its outcome into the place of its parts."""
        if self.raw:
            self._put(frame, frame.stop, whole=frame.double)
            if frame.stop == "/":
                frame.stop = "}"
            else:
                self.frames.pop()
            return
        if frame.stop == "/":
            frame.text, frame.stop, frame.pattern = self._cut(frame), "}", False
            return
        self.frames.pop()
        parent = self.frames[-1]
        kind = frame.operator[-1]
        value = self._value(frame.name, parent, fallback=kind in "-+?")
        if kind in "-+" and not frame.dead:
            return  # the word is the outcome, and there already
        if parent.dead:
            return
        word = self._cut(frame)
        if kind == "?" and not frame.dead:
            reason = word or f"is not allowed to be {'unset' if value is None else 'empty'}"
            raise ExpansionError(f"{frame.name}: {reason}", f"${{{frame.name}{frame.operator}")
        if kind != "+":
            value = value or ""
            outcome = value if kind in "-?" else self._changed(frame, value, word)
            self._put(parent, outcome, whole=parent.double)

    def _cut(self, frame: _Frame) -> str:
        """Take the parts of a frame away again; return what they come to."""
        word = "".join(self.parts[frame.start :])
        del self.parts[frame.start :]
        del self.whole[frame.start :]
        return word

    def _changed(self, frame: _Frame, value: str, word: str) -> str:
        """Return the value of a variable with a pattern taken away or replaced."""
        kind, twice = frame.operator[-1], len(frame.operator) > 1
        try:
            if kind == "#":
                return without_prefix(value, word, longest=twice)
            if kind == "%":
                return without_suffix(value, word, longest=twice)
            return replaced(value, frame.text, word, everywhere=twice)
        except TooMuch:
            name = f"${{{frame.name}{frame.operator}"
            raise ExpansionError(f"the pattern of {name} takes too long", name) from None


def _literal(text: str) -> str:
    """Return a pattern that matches a text and nothing else."""
    return "".join("\\" + letter if letter in "*?\\" else letter for letter in text)


_PATTERNS = frozenset(("#", "##", "%", "%%", "/", "//"))
_OPERATORS = _PATTERNS | {"}", "-", ":-", "+", ":+", "?", ":?"}
