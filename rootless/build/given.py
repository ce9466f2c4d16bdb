"""What a build is given for its commands alone: secrets and agents, which reach no layer."""

from __future__ import annotations

import posixpath

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.dockerfile.mounts import Mount

_MOST = 500 << 10
"""Bytes of a secret: docker's limit."""


class Given:
    """What a build was given for its commands."""

    def __init__(self) -> None:
        self.secrets: dict[str, bytes] = {}
        self.counted: set[str] = set()
        """Secrets that make a command another where their content is another."""
        self.agents: dict[str, str] = {}
        """Name -> path of the socket of an ssh agent."""

    @staticmethod
    def name_of(mount: Mount) -> str:
        """Return the name of the secret that a mount is of."""
        return mount.id or mount.source or posixpath.basename(mount.target)


def check_size(name: str, value: bytes) -> bytes:
    """Return a secret's content. Raises UsageError where it is longer than docker takes it."""
    if len(value) > _MOST:
        raise UsageError(f"the secret {name!r} has more than {_MOST >> 10} KiB")
    return value


def fingerprint(key: bytes, value: bytes) -> str:
    """Return what stands for a secret in the key of a step.

    By a key that only the store has: nobody can try out what a secret might be.
    """
    import hmac

    return hmac.new(key, value, "sha256").hexdigest()
