"""A step that failed: which it was, where it stands in the Dockerfile, and what it left."""

from __future__ import annotations

from rootless.build.dockerfile import model
from rootless.errors import CommandNotFound, Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.build.dockerfile.errors import Source
    from rootless.build.watching import Step

    Document = dict[str, Any]

_AROUND = 4
"""So many lines around an instruction are shown with it."""

_WIDEST = 1000
"""So much of a line is shown."""


class StepFailed(Error):
    """An instruction that could not be carried out.

    `code` is the exit code of its command, 0 where none has run; `left` the id of an image that is
    what the command has left, "" for none. `reason` is the message without the place.
    """

    def __init__(self, step: Step, reason: str, hint: str = "") -> None:
        node = step.instruction.node if step.instruction else None
        self.reason = f"{node.name}: {reason}" if node else reason
        place = f"{node.source.name}:{node.line}: " if node else ""
        super().__init__(place + self.reason, hint)
        self.step = step
        self.code = 0
        self.left = ""
        self.said = ""
        """The error's own words."""

    @staticmethod
    def of(step: Step, error: Error) -> Error:
        """Return what an error of a step is told as; one that says where it is stays as it is."""
        from rootless.build.dockerfile.errors import DockerfileError
        from rootless.errors import Interrupted

        if isinstance(error, StepFailed | DockerfileError | Interrupted) or not step.instruction:
            return error
        message, hint = error.marked
        failed = StepFailed(step, message, step.meant or hint or _shell(step, error))
        failed.said = message
        failed.__cause__ = error
        return failed

    @staticmethod
    def ended(step: Step, words: list[str], value: Document) -> StepFailed:
        """Return the error of a command that has ended with another code than 0: see steps.run."""
        code = value["code"]
        reason = f'process "{" ".join(words)}" did not complete successfully: exit code: {code}'
        hint = ""
        if value["full"]:
            hint = f"the disk of {value['full']} is full: make room with rootless builder prune"
        failed = StepFailed(step, reason, hint)
        failed.said = reason
        failed.code, failed.left = code, value["left"]
        return failed

    def excerpt(self) -> str:
        """Return the lines of the instruction, marked, with some around them, as BuildKit does."""
        if self.step.instruction is None:
            return ""
        node = self.step.instruction.node
        word = self.said.split("'")[1] if self.said.count("'") > 1 and not self.code else ""
        return marked(node.source, node.line, max(node.line, node.end), word)


def _shell(step: Step, error: Error) -> str:
    """Return a hint where an image lacks the shell itself."""
    one = step.instruction
    if isinstance(error, CommandNotFound) and isinstance(one, model.Run) and one.command.shell:
        return 'the image has no such shell: RUN ["/PROGRAM"] needs none, SHELL names another'
    return ""


def marked(source: Source, first: int, last: int, word: str = "") -> str:
    """Return some lines of a file with `>>>` before those from `first` to `last`.

    Below a `word` that one of these has there is a caret.
    """
    name, lines = source.name, source.lines
    start, end = first, min(last, len(lines))
    around = _AROUND if first == last else _AROUND // 2
    while around > 0 and (start > 1 or end < len(lines)):
        if start > 1:
            start, around = start - 1, around - 1
        if end < len(lines):
            end, around = end + 1, around - 1
    rule = "-" * 20
    shown = []
    for number in range(start, end + 1):
        sign = ">>>" if first <= number <= last else "   "
        line = lines[number - 1].rstrip("\r")
        line = line.expandtabs(1) if len(line) <= _WIDEST else line[:_WIDEST] + "..."
        shown.append(f"{number:4} | {sign} {line}")
        if word and first <= number <= last and word in line:
            shown.append(f"{'':4} |     {'':{line.index(word)}}{'^' * len(word)}")
            word = ""
    return "\n".join([f"{name}:{first}", rule, *shown, rule])
