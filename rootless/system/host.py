"""What podman's `info` tells, under its names: host, store, version, registries, plugins.

podman-info(1). What is podman's own inside and has no counterpart here is empty.
"""

from __future__ import annotations

import os

import rootless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.engine import Engine

    Facts = dict[str, Any]

MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
"""The kernel's names of machines, where Go has others."""


def info(engine: Engine, facts: Facts) -> Facts:
    """Return the facts; `facts` are docker's of the same moment (`system.info`)."""
    machine = os.uname().machine
    arch = MACHINES.get(machine, machine)
    return {
        "host": _host(facts, arch),
        "plugins": {
            "authorization": None,
            "log": ["json-file", "k8s-file", "none", "passthrough", "journald"],
            "network": ["private", "host", "none", "pasta", "slirp4netns"],
            "volume": ["local"],
        },
        "registries": _registries(),
        "store": _store(engine, facts),
        "version": {
            "APIVersion": rootless.__version__,
            "Built": 0,
            "BuiltTime": "",
            "GitCommit": "",
            "GoVersion": "",
            "Os": "linux",
            "OsArch": f"linux/{arch}",
            "Version": rootless.__version__,
        },
    }


def _host(facts: Facts, arch: str) -> Facts:
    import shutil

    memory = _meminfo()
    ours = facts["Rootless"]
    maps = {"gidmap": ours.get("GidMap", []), "uidmap": ours.get("UidMap", [])}
    names = ("container_id", "host_id", "size")
    with open("/proc/uptime", encoding="utf-8") as file:
        seconds = float(file.read().split()[0])
    return {
        "arch": arch,
        "buildahVersion": "",
        "cgroupControllers": [n for n in ("cpu", "memory", "pids") if facts[_LIMITS[n]]],
        "cgroupManager": facts["CgroupDriver"],
        "cgroupVersion": f"v{facts['CgroupVersion']}",
        "conmon": {"package": "", "path": "", "version": ""},
        "cpuUtilization": _utilization(),
        "cpus": facts["NCPU"],
        "distribution": _distribution(),
        "eventLogger": "file",
        "hostname": facts["Name"],
        "idMappings": {
            kind: [dict(zip(names, extent, strict=True)) for extent in extents]
            for kind, extents in maps.items()
        },
        "kernel": facts["KernelVersion"],
        "linkmode": "dynamic",
        "logDriver": facts["LoggingDriver"],
        "memFree": memory.get("MemFree", 0),
        "memTotal": memory.get("MemTotal", 0),
        "networkBackend": "rootless",
        "ociRuntime": {
            "name": "rootless",
            "package": "",
            "path": ours["Python"],
            "version": rootless.__version__,
        },
        "os": "linux",
        "remoteSocket": {"exists": False, "path": ""},
        "rootlessNetworkCmd": "rootless",
        "security": {
            "apparmorEnabled": os.path.isdir("/sys/kernel/security/apparmor"),
            "capabilities": _default_capabilities(),
            "rootless": os.geteuid() != 0,
            "seccompEnabled": True,
            "seccompProfilePath": "default",
            "selinuxEnabled": os.path.isdir("/sys/fs/selinux/booleans"),
        },
        "serviceIsRemote": False,
        **{
            name: {"executable": shutil.which(name) or "", "package": "", "version": ""}
            for name in ("slirp4netns", "pasta")
        },
        "swapFree": memory.get("SwapFree", 0),
        "swapTotal": memory.get("SwapTotal", 0),
        "uptime": f"{int(seconds // 3600)}h {int(seconds % 3600 // 60)}m {seconds % 60:.2f}s",
    }


def _utilization() -> Facts:
    """Return what the processors have done since the machine was started; proc(5), stat."""
    with open("/proc/stat", encoding="utf-8") as file:
        user, nice, system, idle, *_ = map(int, file.readline().split()[1:])
    whole = (user + nice + system + idle) / 100 or 1
    shown = {"userPercent": user + nice, "systemPercent": system, "idlePercent": idle}
    return {name: round(ticks / whole, 2) for name, ticks in shown.items()}


_LIMITS = {"cpu": "CPUShares", "memory": "MemoryLimit", "pids": "PidsLimit"}
"""docker's facts of what is delegated, by the controller."""


def _default_capabilities() -> str:
    from rootless.runtime.privileges.caps import DEFAULT

    return ",".join(sorted(DEFAULT))


def _meminfo() -> dict[str, int]:
    """Return /proc/meminfo in bytes; proc_meminfo(5)."""
    with open("/proc/meminfo", encoding="utf-8") as file:
        parts = (line.replace(":", " ").split() for line in file)
        return {words[0]: int(words[1]) * 1024 for words in parts if len(words) > 2}


def _distribution() -> dict[str, str]:
    """Return what os-release(5) says."""
    found = {}
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as file:
            for line in file:
                key, equals, value = line.strip().partition("=")
                if equals:
                    found[key] = value.strip("\"'")
    except OSError:
        pass
    return {
        "codename": found.get("VERSION_CODENAME", ""),
        "distribution": found.get("ID", "unknown"),
        "version": found.get("VERSION_ID", ""),
    }


def _store(engine: Engine, facts: Facts) -> Facts:
    root = engine.paths.root
    room = os.statvfs(root) if os.path.isdir(root) else None
    return {
        "configFile": "",
        "containerStore": {
            "number": facts["Containers"],
            "paused": facts["ContainersPaused"],
            "running": facts["ContainersRunning"],
            "stopped": facts["ContainersStopped"],
        },
        "graphDriverName": facts["Driver"],
        "graphOptions": {},
        "graphRoot": root,
        "graphRootAllocated": room.f_blocks * room.f_frsize if room else 0,
        "graphRootUsed": (room.f_blocks - room.f_bfree) * room.f_frsize if room else 0,
        "graphStatus": dict(facts["DriverStatus"]),
        "imageCopyTmpDir": root,
        "imageStore": {"number": facts["Images"]},
        "runRoot": facts["Rootless"]["RuntimeDir"],
        "transientStore": False,
        "volumePath": f"{root}/volumes",
    }


def _registries() -> Facts:
    """Return what registries.conf lets short names be looked for in."""
    from rootless.errors import Error
    from rootless.oci.distribution.registries import Registries

    try:
        search = list(Registries.load().search)
    except Error:
        return {}  # a pull says what is wrong with the file
    return {"search": search} if search else {}
