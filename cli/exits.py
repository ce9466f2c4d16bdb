"""Exit codes: the convention of docker and podman, in one place."""

from __future__ import annotations

OK = 0
"""Done."""

FAILED = 1
"""One of several objects could not be dealt with: `rm a b`, `inspect a b`, `exists a`."""

ENGINE = 125
"""An error of our own: a bad command line, a damaged store, a machine that lacks something."""

NOT_EXECUTABLE = 126
"""The container's command exists but cannot be executed."""

NOT_FOUND = 127
"""The container's command does not exist."""

SIGNALLED = 128
"""Plus the number of the signal that ended the container's command."""

INTERRUPTED = SIGNALLED + 2
"""Ctrl-C."""

BROKEN_PIPE = SIGNALLED + 13
"""Nobody reads our output any more: what a program says that SIGPIPE killed."""
