"""What a build is given for its commands alone: secrets and agents, which reach no layer."""

from __future__ import annotations

from rootless.errors import UsageError

_MOST = 500 << 10
"""Bytes of a secret: docker's limit."""


class Given:
    """What a build was given for its commands."""

    def __init__(self) -> None:
        self.secrets: dict[str, bytes] = {}
        self.agents: dict[str, str] = {}
        """Name -> path of the socket of an ssh agent."""


def check_size(name: str, value: bytes) -> bytes:
    """Return a secret's content. Raises UsageError where it is longer than docker takes it."""
    if len(value) > _MOST:
        raise UsageError(f"the secret {name!r} has more than {_MOST >> 10} KiB")
    return value
