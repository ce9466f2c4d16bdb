"""The values that some fields of a request can have."""

from __future__ import annotations

NAMESPACES = {
    "pid": ("host", "private"),
    "ipc": ("host", "private", "shareable", "none"),
    "uts": ("host", "private"),
    "cgroup": ("host", "private"),
}
IMAGE_VOLUMES = ("anonymous", "tmpfs", "ignore")
STREAMS = ("stdin", "stdout", "stderr")
RESTARTS = ("no", "on-failure", "always", "unless-stopped")
LOG_DRIVERS = ("json-file", "k8s-file", "journald", "none", "passthrough")
LOG_MODES = ("blocking", "non-blocking")
NOTIFIERS = ("container", "supervisor", "healthy", "ignore")
SYSTEMD = ("true", "false", "always")
FAILURE_ACTIONS = ("none", "kill", "restart", "stop")
PERSONALITIES = ("", "LINUX", "LINUX32")
USERNS = ("host", "nomap", "keep-id")

NEVER = 2**63 - 1
"""Interval of a health check that none comes by itself: docker's longest time, in nanoseconds."""
