"""What becomes of options that name the insides of docker and podman.

Scripts carry many of them along: those are taken, and said to do nothing. Of others the user wants
something that is not to be had here: those are refused, before anything has happened.
"""

from __future__ import annotations

import os

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options.insides import InsidesAsked
    from rootless.teller import Teller

_RUNTIMES = ("", "rootless", "runc", "crun", "youki", "io.containerd.runc.v2", "oci")
_CGROUPS = ("enabled", "split", "no-conmon", "disabled")

_REFUSED = {
    "cgroup_parent": (
        "a container is in the control group of whoever starts it",
        "systemd-run --user --slice=NAME --scope rootless run ... starts it in another",
    ),
    "cgroup_conf": (
        "limits of control groups come with a later version",
        "until then systemd-run --user --scope -p MemoryMax=1G rootless run ... sets some",
    ),
    "device_cgroup_rule": (
        "only root can decide which devices may be made",
        "--device shows those that this user may use",
    ),
    "gpus": (
        "GPUs by name come with a later version",
        "until then show each of its devices, such as --device /dev/dri/renderD128",
    ),
}
"""Option -> why it cannot be done, and what to do instead."""


def _without_systemd(hint: str) -> str:
    """Return a hint where there is systemd to follow it."""
    here = "systemd-run" not in hint or os.path.isdir("/run/systemd/system")
    return hint if here else "there is no systemd here, which could"


def heed(asked: InsidesAsked, teller: Teller) -> None:
    """Refuse what cannot be done, and tell of what does nothing. Raises UsageError."""
    for option, (reason, hint) in _REFUSED.items():
        if asked.get(option):
            raise UsageError(f"{_dashed(option)}: {reason}", _without_systemd(hint))
    runtime, cgroups = asked.get("runtime", ""), asked.get("cgroups") or "enabled"
    if runtime.rpartition("/")[2] not in _RUNTIMES:
        raise UsageError(f"--runtime {runtime}: containers run by rootless alone", "leave it out")
    if cgroups not in _CGROUPS:
        raise UsageError(f"--cgroups: unknown mode {cgroups!r}", ", ".join(_CGROUPS))
    idle = []
    if runtime.rpartition("/")[2] not in ("", "rootless"):
        idle.append(f"--runtime {runtime}")
    if cgroups in ("no-conmon", "disabled"):
        idle.append(f"--cgroups {cgroups}")
    if asked.get("oom_kill_disable"):
        idle.append("--oom-kill-disable")
    if idle:
        does = "do nothing" if len(idle) > 1 else "does nothing"
        teller.note(f"{' and '.join(idle)} {does} here")


def _dashed(option: str) -> str:
    return "--" + option.replace("_", "-")
