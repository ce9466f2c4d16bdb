"""The text of a Dockerfile -> one node an instruction. `parse` makes typed instructions of them."""

from __future__ import annotations

from rootless.build.dockerfile import words
from rootless.build.dockerfile.errors import Source, short
from rootless.build.dockerfile.heredocs import announced
from rootless.build.dockerfile.nodes import Node, Syntax
from rootless.build.dockerfile.typed import typed
from rootless.build.dockerfile.words import SPACES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.dockerfile.heredocs import Heredoc
    from rootless.build.dockerfile.model import Dockerfile

_DIRECTIVES = ("syntax", "escape", "check")
_HEREDOCS = frozenset(("ADD", "COPY", "RUN"))
_JSON = frozenset(("ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"))
_LISTS = frozenset(("ADD", "COPY", "EXPOSE", "FROM", "VOLUME"))
_LINES = frozenset(
    ("CMD", "ENTRYPOINT", "MAINTAINER", "RUN", "SHELL", "STOPSIGNAL", "USER", "WORKDIR")
)
_PAIRS = frozenset(("ENV", "LABEL"))


def parse(text: str | bytes, name: str) -> Dockerfile:
    """Return the instructions of a Dockerfile, checked one by one. Raises DockerfileError."""
    return typed(syntax(text, name))


def syntax(text: str | bytes, name: str) -> Syntax:
    """Return the nodes of a Dockerfile; unknown instructions are among them.

    Raises DockerfileError where a line cannot be taken apart.
    """
    if isinstance(text, bytes):
        # Bytes that are no UTF-8 go into the image as they are.
        text = text.decode("utf-8", "surrogateescape")
    lines = text.removeprefix("\ufeff").split("\n")
    if not lines[-1]:
        lines.pop()
    result = _Reader(Source(name, lines)).read()
    if not result.nodes:
        raise result.source.error("file with no instructions", "it begins with FROM")
    return result


class _Reader:
    """Goes through the lines of one file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines = source.lines
        self.at = 0
        self.result = Syntax(source)
        self.comments: list[str] = []
        self.beginning = True
        """Whether directives may still come."""

    def read(self) -> Syntax:
        while self.at < len(self.lines):
            line = self.lines[self.at].rstrip("\r").lstrip(SPACES)
            self.at += 1
            if not line:
                self.comments = []
                self.beginning = False
            elif line[0] == "#":
                if not (self.beginning and self._directive(line)):
                    comment = line[1:].strip(SPACES)
                    if comment:
                        self.comments.append(comment)
                    else:
                        self.comments = []
            else:
                self.beginning = False
                self._instruction(line)
        return self.result

    def _directive(self, line: str) -> bool:
        """Read a directive; whether it is one. With the first other line they end."""
        name, equals, value = line[1:].partition("=")
        name, value = name.strip(SPACES).lower(), value.strip(SPACES)
        if not equals or not value or name not in _DIRECTIVES:
            self.beginning = False
            return False
        if name in self.result.directives:
            reason = f"only one {name} parser directive can be used"
            hint = f"the first is in line {self.result.directives[name][1]}"
            raise self.source.error(reason, hint, self.at, name)
        if name == "escape":
            if value not in ("\\", "`"):
                reason = f"invalid escape token {value!r}"
                raise self.source.error(reason, "it may be \\ or `", self.at, value)
            self.result.escape = value
        self.result.directives[name] = (value, self.at)
        return True

    def _instruction(self, line: str) -> None:
        first, blank = self.at, False
        part, more = self._continued(line)
        parts = [part]
        while more and self.at < len(self.lines):
            line = self.lines[self.at].rstrip("\r")
            self.at += 1
            begins = line.lstrip(SPACES)[:1]
            if not begins:
                blank = True
            elif begins != "#":
                part, more = self._continued(line)
                parts.append(part)
        whole = "".join(parts).strip(SPACES)
        if not whole:
            return
        node = Node(self.source, whole, 0, first, self.at)
        node.blank = self.at if blank else 0
        node.comments, self.comments = self.comments, []
        self._take_apart(node)
        node.end = self.at
        self.result.nodes.append(node)

    def _continued(self, line: str) -> tuple[str, bool]:
        """Return a line without the escape that continues it, and whether there is one."""
        escape = self.result.escape
        text = line.rstrip(" \t")
        if text.endswith(escape) and text[-2:-1] != escape:
            return text[:-1], True
        return line, False

    def _take_apart(self, node: Node) -> None:
        """Read flags and words of an instruction, those of the one within ONBUILD, and heredocs."""
        whole = node.whole
        inner = node
        while True:
            end, after = words.first(whole, inner.start)
            inner.keyword = whole[inner.start : end]
            inner.flags, after = words.flags(whole, after)
            if inner.name != "ONBUILD" or after >= len(whole):
                break
            inner.child = Node(self.source, whole, after, node.line, node.end)
            inner = inner.child
        self._words(inner, whole[after:].lstrip(SPACES))
        if inner.name in _HEREDOCS and not inner.json:
            node.heredocs = inner.heredocs = [self._body(node, one) for one in announced(whole)]
            inner.end = self.at

    def _words(self, node: Node, rest: str) -> None:
        name, escape = node.name, self.result.escape
        if name == "HEALTHCHECK":
            end, after = words.first(rest)
            node.words = [rest[:end]] if rest else []
            rest = rest[after:]
        if name in _JSON or name == "HEALTHCHECK":
            found = words.strings(rest)
            if found is not None:
                node.json = True
                node.words += found
                return
        if name in _LINES or name == "HEALTHCHECK":
            node.words += [rest] if rest else []
        elif name == "ARG":
            node.words = words.quoted(rest, escape)
        elif name in _PAIRS:
            self._pairs(node, rest)
        else:
            node.words = words.split(rest)

    def _pairs(self, node: Node, rest: str) -> None:
        name = node.name
        try:
            found, old = words.pairs(rest, self.result.escape)
        except words.NotPairs as error:
            if not error.word:
                reason = f"{name} must have two arguments: {short(rest)} has no value"
                raise node.error(reason, f"{name} {short(rest)}=VALUE", rest) from None
            reason = f"{name}: can't find = in {short(error.word)}"
            raise node.error(reason, "it must be of the form name=value", error.word) from None
        node.pairs = " " if old else "="
        node.words = [word for pair in found for word in pair]

    def _body(self, node: Node, heredoc: Heredoc) -> Heredoc:
        """Read the text of a document, up to the line that has its name alone."""
        start = self.at
        while self.at < len(self.lines):
            line = self.lines[self.at].rstrip("\r")
            self.at += 1
            if (line.lstrip("\t") if heredoc.chomp else line) == heredoc.name:
                body = "".join(line + "\n" for line in self.lines[start : self.at - 1])
                return heredoc.with_body(body)
        lines = range(node.line, node.end + 1)
        written = [n for n in lines if "<<" in self.source.line(n)]
        first = next((n for n in written if heredoc.name in self.source.line(n)), node.line)
        raise self.source.error(
            f"the heredoc was not ended: {short(heredoc.ending)} of line {first}",
            f"a line that has {short(heredoc.name)} alone ends it",
            first,
            "<<",
        )
