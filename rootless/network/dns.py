"""Old name for supervisors of release 0.1, until the release after the next."""

from __future__ import annotations


class Servers:
    """What the stack was given."""
