"""Old name for supervisors of release 0.1, until the release after the next."""

from rootless.doors import resume

__all__ = ["resume"]
