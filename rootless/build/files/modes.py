"""`--chmod`: permissions as octal digits, or symbolic as chmod(1) has them: `u=rwX,go=rX`.

    [ugoa...] followed by [-+=] and letters of rwxXst, or one of u, g, o; several with commas

Without u, g, o and a it is for all three, but for what a umask of 022 takes away.
"""

from __future__ import annotations

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 4, "w": 2, "x": 1}
_UMASK = 0o022


class Mode:
    """What permissions are to become."""

    def __init__(self, text: str) -> None:
        """Raises UsageError for what is neither form."""
        self.text = text
        self._number = -1
        self._clauses: list[tuple[str, str, str]] = []
        if text and not set(text) - set("01234567"):
            self._number = int(text, 8)
            if self._number > 0o7777:
                raise _wrong(text)
            return
        for clause in text.split(","):
            self._clauses += _read(text, clause)

    def of(self, mode: int, *, is_directory: bool) -> int:
        """Return what a file's permissions become."""
        if self._number >= 0:
            return self._number
        for who, sign, what in self._clauses:
            mode = _changed(mode, who, sign, _meant(mode, who, what, is_directory=is_directory))
        return mode


def _wrong(text: str) -> UsageError:
    return UsageError(f"invalid mode {text!r:.80}", "octal digits, as 755, or as u=rwX,go=rX")


def _read(text: str, clause: str) -> Iterator[tuple[str, str, str]]:
    """Yield (who, sign, what) of one clause, which may have several of the last two."""
    rest = clause.lstrip("ugoa")
    who = clause[: len(clause) - len(rest)]
    if not rest:
        raise _wrong(text)
    while rest:
        sign, rest = rest[0], rest[1:]
        after = rest.lstrip("rwxXst") if rest[:1] not in _SHIFTS else rest[1:]
        what, rest = rest[: len(rest) - len(after)], after
        if sign not in "+-=":
            raise _wrong(text)
        yield who, sign, what


def _classes(who: str) -> str:
    return "ugo" if not who or "a" in who else who


def _meant(mode: int, who: str, what: str, *, is_directory: bool) -> int:
    """Return the bits that the letters mean for those they are for."""
    three = sum(_BITS.get(letter, 0) for letter in set(what))
    if "X" in what and (is_directory or mode & 0o111) and "x" not in what:
        three += 1
    if what in _SHIFTS:
        three = mode >> _SHIFTS[what] & 7
    found = 0
    for one in set(_classes(who)):
        found |= three << _SHIFTS[one]
        if "s" in what and one != "o":
            found |= 0o4000 if one == "u" else 0o2000
    if "t" in what and (not who or set(who) & set("ao")):
        found |= 0o1000
    return found if who else found & ~_UMASK


def _changed(mode: int, who: str, sign: str, bits: int) -> int:
    if sign == "+":
        return mode | bits
    if sign == "-":
        return mode & ~bits
    kept = mode
    for one in set(_classes(who)):
        kept &= ~(7 << _SHIFTS[one])
        kept &= ~{"u": 0o4000, "g": 0o2000, "o": 0o1000}[one]
    return kept | bits


class Manner:
    """How files come into a layer."""

    def __init__(self) -> None:
        self.owner: tuple[int, int] | None = None
        """Of all that is brought; None for root's, or those of the stage it comes from."""
        self.mode: Mode | None = None
        """Of all that is brought; None for their own."""
        self.parents = False
        """Whether sources keep the directories that they are in."""
        self.linked = False
        """Whether the files come into a layer that knows nothing of those below: no link is
        followed, and what is in the way goes."""
        self.epoch: int | None = None
        """Seconds since 1970: when files of a context are from, and those of a stage at the latest.

        None for as they are.
        """
        self.now = 0
        """Nanoseconds since 1970: when directories are made."""
