"""Where a build's words go: to the streams of this process, or to the file of --logfile."""

from __future__ import annotations

import os
import sys

from rootless.errors import UsageError
from rootless.oci.errors import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO


class Streams:
    """Standard output and error: what strangers have written is shown as text, with its tabs."""

    raw = False

    def out(self, text: str) -> None:
        """Print a line for whoever reads the output."""
        print(_plain(text), flush=True)

    def err(self, text: str) -> None:
        """Print a line for people."""
        print(_plain(text), file=sys.stderr, flush=True)


def _plain(text: str) -> str:
    return "\t".join(map(shown, text.split("\t")))


class Log(Streams):
    """A file, which has the bytes as they are."""

    raw = True

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._file: IO[bytes] = open(path, "wb")
        except OSError as error:
            raise UsageError(f"cannot write the log {path}: {error.strerror}") from error

    def out(self, text: str) -> None:
        """Write a line."""
        try:
            self._file.write(os.fsencode(text) + b"\n")
            self._file.flush()
        except OSError as error:
            raise UsageError(f"cannot write the log {self._path}: {error.strerror}") from error

    err = out


def is_terminal() -> bool:
    """Whether people look on as it happens."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
