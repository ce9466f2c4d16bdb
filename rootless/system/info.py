"""What `rootless info` tells: this engine, its store and this machine, under docker's names.

Tools ask for single values ({{.Driver}}, {{.ServerVersion}}, {{.CgroupVersion}}), so the keys
that docker and podman share keep their names and meanings; what is ours alone is below Rootless.
"""

from __future__ import annotations

import os
import sys

import rootless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.engine import Engine
    from rootless.store.paths import Paths

    Facts = dict[str, Any]


def info(engine: Engine) -> Facts:
    """Return the facts. A new store is laid out, and its driver tried, as for a container."""
    from rootless.doctor import session, storage
    from rootless.doctor.probe import writable_ancestor

    kernel = os.uname()
    paths = engine.paths
    containers = engine.containers.list()
    states = [one.state().status for one in containers]
    controllers = session.delegated()[1]
    driver = _driver(paths)
    return {
        "Containers": len(containers),
        "ContainersRunning": states.count("running"),
        "ContainersPaused": states.count("paused"),
        "ContainersStopped": len(states) - states.count("running") - states.count("paused"),
        "Images": len(engine.images.list()),
        "ServerVersion": rootless.__version__,
        "DockerRootDir": paths.root,
        "Driver": driver or "unknown",
        "DriverStatus": [
            ["Backing Filesystem", storage.file_system(writable_ancestor(paths.root))]
        ],
        "LoggingDriver": "json-file",
        "CgroupDriver": "systemd" if os.path.isdir("/run/systemd/system") else "none",
        "CgroupVersion": "2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "1",
        "MemoryLimit": "memory" in controllers,
        "PidsLimit": "pids" in controllers,
        "CPUShares": "cpu" in controllers,
        "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"],
        "KernelVersion": kernel.release,
        "OperatingSystem": operating_system(),
        "OSType": "linux",
        "Architecture": kernel.machine,
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "Name": kernel.nodename,
        "HttpProxy": os.environ.get("http_proxy", ""),
        "HttpsProxy": os.environ.get("https_proxy", ""),
        "NoProxy": os.environ.get("no_proxy", ""),
        "Rootless": _rootless(paths, driver),
    }


def _rootless(paths: Paths, driver: str) -> Facts:
    """What is ours alone: how users are mapped, where things are, which steps are second best."""
    from rootless.doctor import host, session
    from rootless.errors import Error
    from rootless.runtime.privileges import seccomp
    from rootless.runtime.userns import identity, nesting

    facts: Facts = {}
    try:
        who = identity.detect()
        facts["Mode"] = who.mode
        facts["UidMap"] = [list(extent) for extent in who.uid_map]
        facts["GidMap"] = [list(extent) for extent in who.gid_map]
    except Error as error:
        facts["Mode"] = f"none: {error.message}"
    runtime = session.runtime_directory(paths)
    facts["RuntimeDir"] = _runtime_directory(paths)
    facts["Container"] = host.container()
    facts["Seccomp"] = seccomp.library() or "libseccomp"
    facts["Python"] = sys.executable
    degraded = []
    if facts["Mode"] == "single":
        degraded.append("one user id: owners are kept beside the layers, changes of them pretended")
    if driver not in ("", "overlay"):
        degraded.append(f"root file systems by {driver}, not by the kernel's overlay")
    if not runtime.ok:
        degraded.append(f"runtime directory: {runtime.found}")
    if nesting.proc_is_covered():
        degraded.append("nested: containers share the outer pid namespace and /proc where needed")
    facts["Degraded"] = degraded
    facts["ContainersConf"] = containers_conf()
    return facts


def containers_conf() -> Facts:
    """Which containers.conf are read, and which of their keys mean nothing here, or not yet."""
    from rootless.defaults.settings import load
    from rootless.errors import UsageError

    try:
        conf = load()
    except UsageError as error:
        return {"Files": [], "Ignored": [], "Error": str(error)}
    if conf is None:
        return {"Files": [], "Ignored": []}
    return {"Files": conf.files, "Ignored": conf.ignored()}


def _runtime_directory(paths: Paths) -> str:
    from rootless.errors import HostError

    try:
        return paths.runtime
    except HostError:
        return ""


def _driver(paths: Paths) -> str:
    """How root file systems are put together on this store; "" where no store can be had."""
    from rootless.errors import Error
    from rootless.runtime.tree import rootfs

    try:
        paths.prepare()
        return rootfs.choose_driver(paths)
    except (Error, OSError):
        return ""


def operating_system() -> str:
    """The name of the distribution; see os-release(5)."""
    from rootless.doctor.probe import read

    for path in ("/etc/os-release", "/usr/lib/os-release"):
        for line in read(path).splitlines():
            key, _, value = line.partition("=")
            if key == "PRETTY_NAME":
                return value.strip("\"'")
    return "Linux"
