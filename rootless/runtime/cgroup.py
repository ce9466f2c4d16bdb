"""Old name for supervisors of release 0.1, until the release after the next."""

from rootless.runtime.supervision.cgroup import remove

__all__ = ["remove"]
