"""Where a build's words go: to the streams of this process, or to the file of --logfile."""

from __future__ import annotations

import os
import sys

from rootless.cli.output import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO


class Streams:
    """Standard output and error: what strangers have written is shown as text."""

    raw = False

    def out(self, text: str) -> None:
        """Print a line for whoever reads the output."""
        say(text)

    def err(self, text: str) -> None:
        """Print a line for people."""
        say(text, to_stderr=True)


class Log(Streams):
    """A file, which has the bytes as they are."""

    raw = True

    def __init__(self, path: str) -> None:
        from rootless.errors import UsageError

        try:
            self._file: IO[bytes] = open(path, "wb")
        except OSError as error:
            raise UsageError(f"cannot write the log {path}: {error.strerror}") from error

    def out(self, text: str) -> None:
        """Write a line."""
        self._file.write(os.fsencode(text) + b"\n")
        self._file.flush()

    err = out


def is_terminal() -> bool:
    """Whether people look on as it happens."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
