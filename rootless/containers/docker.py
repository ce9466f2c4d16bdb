"""Parts of a request as docker has them in its own documents."""

from __future__ import annotations

from rootless.containers.request import MASKED, READ_ONLY
from rootless.oci import jsonio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from rootless.containers.request import Security, VolumesFrom
    from rootless.volumes.mounts import Volume


def binds(mounts: Sequence[Volume]) -> list[str]:
    """Return binds and named volumes as docker's Binds: SOURCE:DESTINATION[:OPTIONS]."""
    return [
        ":".join(filter(None, (item["name"] or item["source"], item["destination"], _words(item))))
        for item in mounts
        if item["type"] in ("bind", "volume") and not item["anonymous"]
    ]


def volumes_from(wanted: Sequence[VolumesFrom]) -> list[str] | None:
    """Return docker's VolumesFrom: CONTAINER[:ro]."""
    return [one["container"] + ":ro" * one["ro"] for one in wanted] or None


def _words(item: Volume) -> str:
    if item["mode"]:
        return item["mode"]
    words = [] if item["rw"] else ["ro"]
    words += ["U"] * item["chown"]
    return ",".join(words + [item["propagation"]] * (item["propagation"] not in ("", "rprivate")))


def security_options(security: Security) -> list[str]:
    """Return what is otherwise than by default, or by --privileged, as --security-opt says it."""
    usual = [] if security["privileged"] else [*MASKED, *READ_ONLY]
    hidden = [*security["masked"], *security["readonly"]]
    profile = security["seccomp"]
    found = ["no-new-privileges"] if security["no_new_privileges"] else []
    if profile is None and not security["privileged"]:
        found.append("seccomp=unconfined")
    elif profile is not None and "profile" not in profile:
        found.append(f"seccomp={jsonio.dumps(profile)}")
    if usual and not hidden:
        found.append("unmask=ALL")
    elif shown := [path for path in usual if path not in hidden]:
        found.append("unmask=" + ":".join(shown))
    if masked := [path for path in security["masked"] if path not in usual]:
        found.append("mask=" + ":".join(masked))
    if security["proc_options"]:
        found.append("proc-opts=" + ",".join(security["proc_options"]))
    found += [f"label={word}" for word in security["labels"]]
    if security["apparmor"]:
        found.append(f"apparmor={security['apparmor']}")
    return found


def human_size(count: float) -> str:
    """Return bytes with four digits, as Go's units.HumanSize does: 10.49MB."""
    units = ["B", "kB", "MB", "GB", "TB", "PB"]
    while count >= 1000 and len(units) > 1:
        count /= 1000
        del units[0]
    return f"{count:.4g}{units[0]}"
