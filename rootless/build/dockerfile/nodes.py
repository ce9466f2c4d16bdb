"""Syntax nodes: one for each instruction, as it is written."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.dockerfile.errors import DockerfileError, Source
    from rootless.build.dockerfile.heredocs import Heredoc


class Node:
    """One instruction as it is written: what its parts mean is not looked at yet.

    Of ONBUILD, `child` is the instruction after it.
    """

    __slots__ = (
        *("blank", "child", "comments", "end", "flags", "heredocs", "json", "keyword", "line"),
        *("pairs", "source", "start", "whole", "words"),
    )

    def __init__(self, source: Source, whole: str, start: int, line: int, end: int) -> None:
        self.source = source
        self.whole = whole
        """The line that continuation lines come to; within ONBUILD, of which this is a part."""
        self.start = start
        """Where in it this instruction begins."""
        self.line = line
        self.end = end
        """First and last line in the file, with heredocs."""
        self.keyword = ""
        """The instruction as it is written."""
        self.flags: list[str] = []
        self.words: list[str] = []
        self.pairs = ""
        """Of ENV and LABEL what stands between names and values: "=", or " " in the old form."""
        self.json = False
        """Whether the words were a JSON array."""
        self.heredocs: list[Heredoc] = []
        self.child: Node | None = None
        self.comments: list[str] = []
        """Comment lines directly before it."""
        self.blank = 0
        """The last of its lines, heredocs not counted, if one before is empty; else 0."""

    @property
    def name(self) -> str:
        """The instruction in capitals."""
        return self.keyword.upper()

    @property
    def text(self) -> str:
        """The instruction as one line, without heredocs."""
        return self.whole[self.start :]

    def error(self, reason: str, hint: str = "", token: str = "") -> DockerfileError:
        """Return an error about this instruction, at the first of its lines that has `token`."""
        line = self.line
        if token:
            numbers = range(self.line, self.end + 1)
            line = next((n for n in numbers if token in self.source.line(n)), self.line)
        return self.source.error(reason, hint, line, token)


class Syntax:
    """A Dockerfile as nodes, with its directives: name -> value and line."""

    __slots__ = ("directives", "escape", "nodes", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.nodes: list[Node] = []
        self.directives: dict[str, tuple[str, int]] = {}
        self.escape = "\\"
