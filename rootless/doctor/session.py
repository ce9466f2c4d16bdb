"""What the user's session gives: a runtime directory, cgroups of his own, a life after logout."""

from __future__ import annotations

import os

from rootless.doctor import probe
from rootless.doctor.finding import BLOCKED, DEGRADED, OK, Finding
from rootless.doctor.host import container
from rootless.doctor.ids import user_name
from rootless.store.paths import fallback_runtime, is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.store.paths import Paths

_CGROUPS = "/sys/fs/cgroup"
_SYSTEMD = "/run/systemd/system"
"""There where systemd is what has booted the machine (sd_booted(3))."""
_WANTED = ("cpu", "io", "memory", "pids")


def findings(paths: Paths) -> list[Finding]:
    """Return the findings about the session."""
    return [runtime_directory(paths), cgroups(), linger()]


def runtime_directory(paths: Paths) -> Finding:
    """A place for sockets and locks that dies with the boot; nothing is made here."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    remedy = "export XDG_RUNTIME_DIR=DIRECTORY, one of your own with mode 0700"
    if base.startswith("/") and is_ours(base):
        path = f"{base}/rootless"
        if os.path.lexists(path) and not is_ours(path):
            found = f"{path} belongs to or is writable by somebody else"
            return Finding("runtime directory", BLOCKED, found, "no container can run", remedy)
        if not os.path.exists(path) and not os.access(base, os.W_OK):
            found = f"{base} cannot be written"
            return Finding("runtime directory", BLOCKED, found, "no container can run", remedy)
        return Finding("runtime directory", OK, path)
    why = f"{base} is missing or not yours alone" if base else "XDG_RUNTIME_DIR is not set"
    fallback = fallback_runtime()
    own, note = paths.runtime_instead(fallback)
    if own:
        return Finding("runtime directory", DEGRADED, f"{why}; {note}", f"{own} is used", remedy)
    effect = f"{fallback} is used; all sessions of yours must agree on it"
    return Finding("runtime directory", DEGRADED, why, effect, remedy)


def own_cgroup() -> str:
    """Return the directory of this process in the cgroup v2 tree, "" where there is none."""
    for line in probe.read("/proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            return _CGROUPS + line[3:].rstrip("/")
    return ""


def delegated() -> tuple[str, list[str]]:
    """Return the cgroup that this user may divide, and the controllers that it hands down.

    That of the user's systemd manager, else the one we are in, else ("", []).
    """
    uid = os.getuid()
    manager = f"{_CGROUPS}/user.slice/user-{uid}.slice/user@{uid}.service"
    for directory in (manager, own_cgroup()):
        if directory and os.access(f"{directory}/cgroup.subtree_control", os.W_OK):
            return directory, probe.read(f"{directory}/cgroup.controllers").split()
    return "", []


def cgroups() -> Finding:
    """Which limits a container can have."""
    way = Remedies(user_name(), systemd=os.path.isdir(_SYSTEMD), inside=bool(container()))
    effect = "containers run without limits"
    if not os.path.exists(f"{_CGROUPS}/cgroup.controllers"):
        found = f"version 2 is not mounted at {_CGROUPS}"
        return Finding("cgroups", DEGRADED, found, effect, way.unmounted())
    directory, controllers = delegated()
    missing = [name for name in _WANTED if name not in controllers]
    if directory and not missing:
        return Finding("cgroups", OK, f"{', '.join(controllers)} in {directory}")
    if directory:
        effect = f"no limits on {', '.join(missing)}"
        found = f"{', '.join(controllers) or 'nothing'} delegated in {directory}"
        return Finding("cgroups", DEGRADED, found, effect, way.partial(directory, missing))
    found = "version 2, but no cgroup that this user may divide"
    return Finding("cgroups", DEGRADED, found, effect, way.undivided())


class Remedies:
    """How to get cgroups: from systemd, from the outer engine, or else by hand."""

    def __init__(self, user: str, *, systemd: bool, inside: bool) -> None:
        self._user, self._systemd, self._inside = user, systemd, inside

    def unmounted(self) -> str:
        """Where there is no tree of version 2."""
        if self._systemd:
            return "boot with systemd.unified_cgroup_hierarchy=1"
        if self._inside:
            return "start the outer container on a host with cgroup v2, --cgroupns=private"
        return f"sudo mount -t cgroup2 none {_CGROUPS}, and the same at boot"

    def undivided(self) -> str:
        """Where none is the user's."""
        if self._systemd:
            return self._delegate()
        if self._inside:
            return "start the outer container with a writable cgroup (podman: --cgroupns=private)"
        own = f"{_CGROUPS}/{self._user}"
        return (
            f"sudo mkdir {own} && sudo chown -R {self._user} {own}"
            f" && echo $$ | sudo tee {own}/cgroup.procs"
        )

    def partial(self, directory: str, missing: list[str]) -> str:
        """Where the one that is his, `directory`, has not all controllers."""
        if self._systemd:
            return self._delegate()
        if self._inside:
            return f"start the outer container where its cgroup has {', '.join(missing)}"
        words = " ".join(f"+{name}" for name in missing)
        return f"echo '{words}' | sudo tee {os.path.dirname(directory)}/cgroup.subtree_control"

    @staticmethod
    def _delegate() -> str:
        drop_in = "/etc/systemd/system/user@.service.d"
        return (
            f"sudo mkdir -p {drop_in} && "
            "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n'"
            f" | sudo tee {drop_in}/delegate.conf && sudo systemctl daemon-reload"
        )


def linger() -> Finding:
    """Whether systemd keeps the user's processes after the last logout."""
    if not os.path.isdir(_SYSTEMD):
        return Finding("linger", OK, "not needed: no systemd here")
    if os.getuid() == 0:
        return Finding("linger", OK, "not needed: root")
    name = user_name()
    if os.path.exists(f"/var/lib/systemd/linger/{name}"):
        return Finding("linger", OK, f"enabled for {name}")
    return Finding(
        "linger",
        DEGRADED,
        f"not enabled for {name}",
        "the runtime directory and user units end with the last logout",
        f"loginctl enable-linger {name}",
    )
