"""Exit codes: the convention of docker and podman, in one place, and which error has which."""

from __future__ import annotations

from rootless import errors
from rootless.cli import lean

OK = 0
"""Done."""

FAILED = 1
"""One of several objects could not be dealt with: `rm a b`, `inspect a b`, `exists a`."""

ENGINE = 125
"""An error of our own: a bad command line, a damaged store, a machine that lacks something."""

NOT_EXECUTABLE = 126
"""The container's command exists but cannot be executed."""

NO_COMMAND = 127
"""The container's command does not exist."""

SIGNALLED = 128
"""Plus the number of the signal that ended the container's command."""

INTERRUPTED = SIGNALLED + 2
"""Ctrl-C."""

BROKEN_PIPE = SIGNALLED + 13
"""Nobody reads our output any more: what a program says that SIGPIPE killed."""

CODES: dict[type[Exception], int] = {
    errors.CommandNotFound: NO_COMMAND,
    errors.CommandNotExecutable: NOT_EXECUTABLE,
}
"""What ends a command with the same code in each dialect; a subclass has its ancestor's."""


def code_of(error: BaseException) -> int:
    """Return the exit code of a command that an error has ended: of its sentence, or the command's.

    ENGINE for what is a fault of ours.
    """
    if isinstance(error, errors.Interrupted):
        return SIGNALLED + error.signal
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
    if not isinstance(error, (errors.Error, OSError)):
        return ENGINE
    from rootless.cli.dialects import choice, sentences

    code = sentences.code(error.message) if isinstance(error, errors.Error) else 0
    return code or choice.current().exit_code("".join(lean.CALLED))
