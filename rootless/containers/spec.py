"""The OCI runtime configuration of a container, from values that are already parsed and checked.

Pure: the same input gives the same output. What differs from the specification is listed at
`runtime.spec`; how each part is carried out, and what happens where the kernel refuses it
(a nested container, an old kernel), is the runtime's business.
"""

from __future__ import annotations

import os

from rootless.containers.words import security

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.containers.environment import Change
    from rootless.containers.request import Dns, Healthcheck, HealthExtras, Publish, Volume
    from rootless.containers.words.asked import CreateOptions
    from rootless.runtime.spec import (
        Account,
        Linux,
        Mount,
        Namespace,
        OverlayBind,
        Private,
        PrivateNetwork,
        Process,
        Rlimit,
        Spec,
        User,
    )

VERSION = "1.2.0"
"""The version of the OCI runtime specification that is written."""

READ_ONLY_TMPFS = ("/run", "/tmp", "/var/tmp")  # noqa: S108 - paths inside the container
"""What stays writable with --read-only, in memory (podman's --read-only-tmpfs)."""

SHM_SIZE = 64 << 20
"""Bytes of shared memory when --shm-size does not say, as docker and podman."""

_SAFE = ("nosuid", "noexec", "nodev")


class Plan:
    """What the configuration is built from: the parsed halves of the options and of the image."""

    def __init__(self, asked: CreateOptions, directory: str) -> None:
        self.asked = asked
        self.directory = directory
        self.notes: list[str] = []
        """What is otherwise than asked for, for the user's eyes."""
        self.network = "none"
        self.private: PrivateNetwork | None = None
        self.hostname = ""
        self.user = ""
        self.userns = "host"
        self.shifted = False
        """Whether root's files are to be root's, see runtime.spec.Private."""
        self.account: Account | None = None
        self.args: list[str] = []
        self.env: list[str] = []
        self.cwd = "/"
        self.shm_size = SHM_SIZE
        self.rlimits: list[Rlimit] = []
        self.sysctls: dict[str, str] = {}
        self.annotations: dict[str, str] = {}
        self.volumes: list[Volume] = []
        self.devices: list[Mount] = []
        self.security = security.Security()
        self.allowed: list[str] = []
        """Capabilities that any process of the container may have."""
        self.capabilities: dict[str, list[str]] = {}
        self.log_driver = "json-file"
        self.log_options: dict[str, str] = {}
        self.healthcheck: Healthcheck = {}
        """What options say of the image's health check."""
        self.health: HealthExtras = {"on_failure": "none", "startup": None}
        self.changes: list[Change] = []
        """--env-file and --env."""
        self.labels: dict[str, str] = {}
        self.hosts: list[list[str]] = []
        self.ports: list[Publish] = []
        self.exposed: list[str] = []
        self.dns: Dns = {"servers": [], "search": [], "options": []}
        self.stop_signal = 0
        """0 where the image is to say it."""


def build(plan: Plan) -> Spec:
    """Return the whole configuration."""
    asked = plan.asked
    return {
        "ociVersion": VERSION,
        "process": _process(plan),
        "root": {"path": "", "readonly": bool(asked.get("read_only"))},
        "hostname": "" if asked.get("uts") == "host" else plan.hostname,
        "mounts": mounts(plan),
        "annotations": plan.annotations,
        "linux": _linux(plan),
        "rootless": _private(plan),
    }


def _process(plan: Plan) -> Process:
    user: User = {"username": plan.user, "umask": 0o022}
    return {
        "terminal": bool(plan.asked.get("tty")),
        "user": user,
        "args": plan.args,
        "env": plan.env,
        "cwd": plan.cwd,
        "capabilities": plan.capabilities,
        "rlimits": plan.rlimits,
        "noNewPrivileges": plan.security.no_new_privileges,
    }


def _linux(plan: Plan) -> Linux:
    shared = [item["propagation"] for item in plan.volumes if "sha" in item["propagation"]]
    slave = [item["propagation"] for item in plan.volumes if "slave" in item["propagation"]]
    return {
        "namespaces": namespaces(plan.asked, plan.network),
        "maskedPaths": plan.security.masked,
        "readonlyPaths": plan.security.readonly,
        "sysctl": plan.sysctls,
        "seccomp": plan.security.seccomp,
        # A mount can only pass on events if the root above it does (mount_namespaces(7)).
        "rootfsPropagation": "rshared" if shared else "rslave" if slave else "rprivate",
    }


def namespaces(asked: CreateOptions, network: str) -> list[Namespace]:
    """The namespaces that are new; one that is left out is the host's."""
    host = {
        "pid": asked.get("pid") == "host",
        "network": network == "host" or ":" in network,
        "ipc": asked.get("ipc") == "host",
        "uts": asked.get("uts") == "host",
        "cgroup": asked.get("cgroupns") == "host",
    }
    found: list[Namespace] = [{"type": "mount"}]
    found += [{"type": name} for name in host if not host[name]]
    if ":" in network:
        # Of ns:PATH; that of another container is known when it is started.
        found.append({"type": "network", "path": network.removeprefix("ns:")})
    return found


def _private(plan: Plan) -> Private:
    asked = plan.asked
    groups = asked.get("group_add", [])
    return {
        "init": bool(asked.get("init")),
        "userns": plan.userns,
        "shifted": plan.shifted,
        "account": plan.account,
        "groups": [group for group in groups if group != "keep-groups"],
        "keep_groups": "keep-groups" in groups,
        "privileged": bool(asked.get("privileged")),
        "volumes_U": [item["source"] for item in plan.volumes if item["chown"]],
        "copy_up": [
            {"source": item["source"], "destination": item["destination"]}
            for item in plan.volumes
            if item["copy_up"]
        ],
        "overlay_binds": list(overlay_binds(plan).values()),
        "cgroupns": "host" if asked.get("cgroupns") == "host" else "private",
        "log_driver": plan.log_driver,
        "network": plan.private,
    }


def mounts(plan: Plan) -> list[Mount]:
    """All mounts in the order in which they are made: the system's, then the others by depth."""
    layers = overlay_binds(plan)
    others = [_volume(item, layers) for item in plan.volumes]
    others += plan.devices
    taken = {item["destination"] for item in others}
    if plan.asked.get("read_only") and plan.asked.get("read_only_tmpfs", True):
        others += [_scratch(path) for path in READ_ONLY_TMPFS if path not in taken]
    others += _etc(plan, taken)
    system = [
        item
        for item in system_mounts(plan)
        # As podman: a /dev of the user's own is taken as it is, with nothing put into it.
        if item["destination"] not in taken
        and not ("/dev" in taken and item["destination"].startswith("/dev/"))
    ]
    return system + sorted(others, key=_depth)


def _depth(item: Mount) -> int:
    return item["destination"].count("/")


def system_mounts(plan: Plan) -> list[Mount]:
    """What every container has mounted: proc, dev and what is in it, sys and the cgroups."""
    asked = plan.asked
    result = [
        _proc(plan),
        _mount("/dev", "tmpfs", ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"]),
        _mount(
            "/dev/pts",
            "devpts",
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
    ]
    if asked.get("ipc") == "host":
        # The host's: nothing but a bind shows them. A minimal host may lack mqueue.
        result += [
            _mount(path, "bind", ["rbind", *_SAFE, "rprivate"], path)
            for path in ("/dev/shm", "/dev/mqueue")  # noqa: S108 - not a temporary file
            if os.path.isdir(path)
        ]
    else:
        if asked.get("ipc") != "none":
            result.append(
                _mount("/dev/shm", "tmpfs", [*_SAFE, "mode=1777", f"size={plan.shm_size}"], "shm")  # noqa: S108
            )
        result.append(_mount("/dev/mqueue", "mqueue", [*_SAFE]))
    return [*result, *_sys(plan)]


def _proc(plan: Plan) -> Mount:
    if plan.asked.get("pid") == "host":
        # A new proc shows the mounter's pid namespace, whose owner he must be: not of the host's.
        return _mount("/proc", "bind", ["rbind", *_SAFE, "rprivate"], "/proc")
    return _mount("/proc", "proc", [*_SAFE, *plan.security.proc_options])


def _sys(plan: Plan) -> list[Mount]:
    write = bool(plan.asked.get("privileged"))
    locked = [] if write else ["ro"]
    cgroup_locked = [] if write or plan.security.cgroup_writable else ["ro"]
    if plan.network == "host":
        # A new sysfs shows the mounter's network namespace, whose owner he must be
        # (sysfs_init_fs_context): with the host's network only the host's own /sys can be shown.
        below = [] if write else ["ro", "rro"]
        result = [_mount("/sys", "bind", ["rbind", *_SAFE, *below, "rprivate"], "/sys")]
    else:
        result = [_mount("/sys", "sysfs", [*_SAFE, *locked])]
    path = "/sys/fs/cgroup"
    if plan.asked.get("cgroupns") == "host":
        below = ["ro", "rro"] if cgroup_locked else []
        result.append(_mount(path, "bind", ["rbind", *_SAFE, *below, "rprivate"], path))
    else:
        result.append(_mount(path, "cgroup2", [*_SAFE, "relatime", *cgroup_locked]))
    return result


def _mount(where: str, kind: str, options: list[str], source: str = "") -> Mount:
    return {"destination": where, "type": kind, "source": source or kind, "options": options}


def _scratch(path: str) -> Mount:
    """A tmpfs of --read-only: it begins with what the image has there."""
    # Small images have no /tmp; every user may write to it all the same.
    mode = ["mode=1777"] if path.endswith("/tmp") else []  # noqa: S108 - inside the container
    return _mount(path, "tmpfs", ["rw", "nosuid", "nodev", "tmpcopyup", *mode])


def _etc(plan: Plan, taken: Iterable[str]) -> list[Mount]:
    """Files that the runtime side writes into the container's directory at each start."""
    if "/etc" in taken:
        return []
    wanted = ["hostname"] if plan.asked.get("no_hosts") else ["hosts", "hostname"]
    if plan.network != "none":
        wanted.append("resolv.conf")  # without a network no name server can be reached anyway
    options = ["bind", "rprivate"] + (["ro"] if plan.asked.get("read_only") else [])
    return [
        _mount(f"/etc/{name}", "bind", list(options), f"{plan.directory}/{name}")
        for name in wanted
        if f"/etc/{name}" not in taken
    ]


def overlay_binds(plan: Plan) -> dict[str, OverlayBind]:
    """The `:O` mounts by destination, each with the place of its throw-away layer."""
    result: dict[str, OverlayBind] = {}
    for item in plan.volumes:
        if item["overlay"]:
            place = f"{plan.directory}/overlay/{len(result)}"
            result[item["destination"]] = {
                "destination": item["destination"],
                "source": item["source"],
                "upper": f"{place}/upper",
                "work": f"{place}/work",
            }
    return result


def _volume(item: Volume, layers: dict[str, OverlayBind]) -> Mount:
    """Return a volume as an entry of `mounts`."""
    if item["type"] == "tmpfs":
        return _mount(item["destination"], "tmpfs", item["options"])
    if not item["overlay"]:
        return _mount(item["destination"], "bind", item["options"], item["source"])
    layer = layers[item["destination"]]
    options = [
        f"lowerdir={_escape(layer['source'])}",
        f"upperdir={_escape(layer['upper'])}",
        f"workdir={_escape(layer['work'])}",
    ]
    return _mount(item["destination"], "overlay", options)


def _escape(path: str) -> str:
    r"""Protect what separates options and layers in the data of mount(2) (overlayfs.rst: `\:`)."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
