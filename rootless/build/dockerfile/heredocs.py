"""Here-documents: `<<EOF`, `<<-EOF`, `<<"EOF"`, of which a line may have several."""

from __future__ import annotations

from rootless.build.dockerfile.expansion import Expander, ExpansionError, Raw


class Heredoc:
    """A document in a Dockerfile: its name, its text as it stands there, and how it is taken."""

    __slots__ = ("body", "chomp", "descriptor", "expand", "name")

    def __init__(
        self, name: str, body: str = "", *, expand: bool, chomp: bool, descriptor: int = 0
    ) -> None:
        self.name = name
        self.body = body
        self.expand = expand
        """Whether variables in it mean something to COPY: no part of its word is quoted."""
        self.chomp = chomp
        """Whether tabs at the beginning of lines go (<<-)."""
        self.descriptor = descriptor
        """The number before <<, 0 where there is none."""

    @property
    def content(self) -> str:
        """The text without the tabs that go."""
        if not self.chomp:
            return self.body
        return "\n".join(line.lstrip("\t") for line in self.body.split("\n"))

    @property
    def ending(self) -> str:
        """What the document begins with in the line: its name with all that is before."""
        return f"<<{'-' * self.chomp}{self.name}"

    def with_body(self, body: str) -> Heredoc:
        """Return the same document with another text."""
        return Heredoc(
            self.name, body, expand=self.expand, chomp=self.chomp, descriptor=self.descriptor
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Heredoc) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    def __hash__(self) -> int:
        return hash((self.name, self.body))

    def __repr__(self) -> str:
        return f"Heredoc({self.ending!r}, {self.body!r})"


def announced(text: str) -> list[Heredoc]:
    """Return the documents that a line announces, without their texts.

    What the shell would not take for one, as within quotes, is none; nor is any in a line whose
    quotes are not closed.
    """
    if "<<" not in text:
        return []
    try:
        words = Raw().words(text)
    except ExpansionError:
        return []
    found = [heredoc(word) for word in words if "<<" in word]
    return [one for one in found if one is not None]


def heredoc(word: str) -> Heredoc | None:
    """Return the document that a word announces; None where it is another word."""
    number, arrows, rest = word.partition("<<")
    if not arrows or (number and not (number.isascii() and number.isdigit())) or "<" in rest:
        return None
    chomp = rest.startswith("-")
    rest = rest[1:] if chomp else rest
    try:
        names = Expander({}).words(rest)
    except ExpansionError:
        return None
    if len(names) != 1:
        return None
    quoted = any(mark in rest for mark in "'\"")
    return Heredoc(names[0], expand=not quoted, chomp=chomp, descriptor=int(number[-9:] or "0"))
