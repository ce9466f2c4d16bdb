"""Old name for supervisors of release 0.1, until the release after the next."""

from rootless.runtime.supervision.members import left_in

__all__ = ["left_in"]
