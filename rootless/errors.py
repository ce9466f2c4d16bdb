"""The engine's part of the exception tree; its root and the images' part are in `oci.errors`.

Error                        oci.errors: anything that a user is told in one line
|-- UsageError               wishes that contradict each other or make no sense; `field` says which
|-- NotFound                 no container, image, ... of this name
|-- Ambiguous                a shortened id that fits several
|-- Conflict                 a name in use, an object in the wrong state
|-- StoreError               a damaged record, a store that is not ours, a full disk
|-- HostError                the machine lacks something; the hint names the mend
|   `-- NotPermitted         the machine has it, but does not let us
|-- Interrupted              a signal to this process has ended what it did
`-- LaunchError              a step between the command and the running container failed
    |-- CommandNotFound      there is no such command in the container
    `-- CommandNotExecutable there is, but it cannot be executed

What a front end makes of them is its own matter: `cli.exits` has the exit codes.
"""

from __future__ import annotations

from rootless.oci.errors import Error, first_named, named

__all__ = [
    "Ambiguous",
    "CommandNotExecutable",
    "CommandNotFound",
    "Conflict",
    "Error",
    "HostError",
    "Interrupted",
    "LaunchError",
    "NotFound",
    "NotPermitted",
    "StoreError",
    "UsageError",
    "named",
]


class UsageError(Error):
    """A wish that contradicts another, or a value that makes no sense.

    `field` names what is wrong in the words of the request it belongs to, such as `restart` or
    `mounts.0`; empty where no one field is to blame. Where it is not given it is the first that the
    message names, or else the hint.
    """

    def __init__(self, message: str, hint: str = "", *, field: str = "") -> None:
        super().__init__(message, hint)
        self.field = field or first_named(message + hint)


class NotFound(Error):
    """No object of this name or id."""


class Ambiguous(Error):
    """A shortened id or name that fits several objects."""


class Conflict(Error):
    """A name in use, or an object in a state that forbids the request."""


class StoreError(Error):
    """The store on disk is damaged, full, read-only or not ours."""


class HostError(Error):
    """The machine lacks something that containers need; the hint names the mend."""


class NotPermitted(HostError):
    """The kernel, or a rule of this machine, does not let this user do it."""


class Interrupted(Error):
    """A signal to this process, of the number `signal`, has ended what it did for a container."""

    def __init__(self, signal: int) -> None:
        super().__init__(f"ended by signal {signal}")
        self.signal = signal


class LaunchError(Error):
    """A step between the command and the running container failed.

    `step` is the plan's description of it, `errno` the kernel's answer (0 where there is none).
    """

    def __init__(self, message: str, hint: str = "", *, step: str = "", errno: int = 0) -> None:
        super().__init__(message, hint)
        self.step = step
        self.errno = errno


class CommandNotFound(LaunchError):
    """The command does not exist in the container."""


class CommandNotExecutable(LaunchError):
    """The command exists in the container but cannot be executed."""
