"""What is said of a build that failed: its last lines again, the lines of the file, a way in."""

from __future__ import annotations

import contextlib
import sys

from rootless.cli.building.lines import Lines, heading
from rootless.cli.building.output import Streams
from rootless.cli.dialects import choice
from rootless.oci.errors import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rootless.build.failing import StepFailed


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """Show the line of a mistake in a Dockerfile, before the error is told as all others are."""
    from rootless.build.dockerfile.errors import DockerfileError

    try:
        yield
    except DockerfileError as error:
        if error.line:
            for line in error.excerpt().split("\n"):
                Streams().err(line)
        raise


def tell(error: StepFailed, watcher: Lines) -> int:
    """Tell why a step failed, to standard error; return the exit code of the command."""
    from rootless.cli.fields import told

    sys.stdout.flush()
    dialect = choice.current()
    streams = Streams()
    tail = watcher.tail(error.step)
    if watcher.repeats:
        _place(error, tail if not dialect.numbered_steps else [])
    if error.code and (hint := error.marked[1]):
        streams.err(one_line(hint))
    words = error.said if error.code else told(error)
    streams.err(one_line(dialect.build_failed(words, error.step.written, error.code)))
    return dialect.build_code(error.code)


def _place(error: StepFailed, tail: list[str]) -> None:
    streams = Streams()
    if tail:
        streams.err("------")
        streams.err(f" > {heading(error.step)}:")
        for line in tail:
            streams.err(line)
        streams.err("------")
    for line in error.excerpt().split("\n"):
        streams.err(line)
    if error.left:
        streams.err(
            f"'{choice.program()} run --rm -it {error.left[:12]} /bin/sh' shows what is left"
        )
