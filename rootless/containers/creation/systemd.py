"""What systemd needs of a container to be its first process, as podman gives it.

Places in memory that it may write to, a part of the cgroup tree to divide, its own signal for an
orderly end, and a variable that says which machine id to take, beside `container` (systemd's
"Container Interface").
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.containers.creation.spec import Plan

PLACES = ("/run", "/run/lock", "/tmp", "/var/log/journal")  # noqa: S108 - inside the container
SIGNAL = 37
"""SIGRTMIN+3: halt (systemd(1), "Signals"), by the C library's count."""


def prepare(plan: Plan, id: str) -> None:  # noqa: A002 - the record's own word
    """Prepare a container for it; what the request or the image say themselves stays so."""
    plan.systemd = PLACES
    plan.stop_signal = SIGNAL
    known = {text.partition("=")[0] for text in plan.env}
    own = {"container_uuid": id[:32]}
    plan.env += [f"{name}={value}" for name, value in own.items() if name not in known]
