"""Exit codes: the convention of docker and podman, in one place, and which error has which."""

from __future__ import annotations

from rootless import errors
from rootless.oci import errors as oci

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
    errors.LaunchError: ENGINE,
    errors.Interrupted: SIGNALLED,
    errors.HostError: ENGINE,
    errors.StoreError: ENGINE,
    errors.Conflict: ENGINE,
    errors.Ambiguous: ENGINE,
    errors.NotFound: ENGINE,
    errors.UsageError: ENGINE,
    oci.SettingsError: ENGINE,
    oci.RegistryError: ENGINE,
    oci.ImageError: ENGINE,
    oci.DigestError: ENGINE,
    oci.InvalidReference: ENGINE,
}
"""What a command ends with that an error has ended; a subclass has its nearest ancestor's.

Each branch of the tree of errors is named, so that a new one is not forgotten; a test sees to it.
"""


def code_of(error: BaseException) -> int:
    """Return the exit code of a command that an error has ended: ENGINE for what is in no table."""
    code = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), ENGINE)
    return code + error.signal if isinstance(error, errors.Interrupted) else code
