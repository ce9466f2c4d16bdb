"""The OCI runtime configuration of a container, from values that are already parsed and checked.

Pure: the same input gives the same output. What differs from the specification is listed at
`runtime.spec`; how each part is carried out, and what happens where the kernel refuses it
(a nested container, an old kernel), is the runtime's business.
"""

from __future__ import annotations

import os

from rootless.containers import networks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rootless.containers.request import Namespaces, Request
    from rootless.runtime.spec import (
        Account,
        Attachment,
        Linux,
        Mount,
        Namespace,
        OverlayBind,
        Private,
        Process,
        Spec,
        User,
    )
    from rootless.volumes.mounts import Volume

HOST = "host"
"""The image that is this machine itself (images.finding)."""

VERSION = "1.2.0"
"""The version of the OCI runtime specification that is written."""

READ_ONLY_TMPFS = ("/run", "/tmp", "/var/tmp")  # noqa: S108 - paths inside the container
"""What stays writable with --read-only, in memory (podman's --read-only-tmpfs)."""

SHM_SIZE = 64 << 20
"""Bytes of shared memory when the request does not say, as docker and podman."""

INIT = "/run/podman-init"
"""Where a container has the init of --init-path; podman's place."""

_SAFE = ("nosuid", "noexec", "nodev")


class Plan:
    """What the configuration is built from: the request, and with what image and id add to it."""

    def __init__(self, request: Request, directory: str) -> None:
        self.request = request
        self.directory = directory
        self.networks: list[Attachment] = []
        self.hostname = ""
        self.user = ""
        self.userns = "host"
        """In full: host, nomap, keep-id:uid=N,gid=N, or the maps themselves."""
        self.account: Account | None = None
        self.hostusers: list[Account] = []
        self.args: list[str] = []
        self.env: list[str] = []
        self.cwd = "/"
        self.stop_signal = 15
        """Where neither the request nor the image says another."""
        self.systemd: tuple[str, ...] = ()
        """Where systemd wants to write, empty for no systemd."""
        self.volumes: list[Volume] = []
        """The mounts and tmpfs of the request, and the image's volumes, each with its source."""
        self.capabilities: dict[str, list[str]] = {}
        self.seccomp = request["security"]["seccomp"]


def build(plan: Plan) -> Spec:
    """Return the whole configuration."""
    request = plan.request
    return {
        "ociVersion": VERSION,
        "process": _process(plan),
        "root": {"path": "", "readonly": request["read_only"]},
        "hostname": "" if request["namespaces"]["uts"] == "host" else plan.hostname,
        "domainname": request["domainname"],
        "mounts": mounts(plan),
        "annotations": request["annotations"],
        "linux": _linux(plan),
        "rootless": _private(plan),
    }


def _process(plan: Plan) -> Process:
    user: User = {"username": plan.user, "umask": plan.request["umask"]}
    process: Process = {
        "terminal": plan.request["tty"],
        "user": user,
        "args": [*_init(plan.request), *plan.args],
        "env": plan.env,
        "cwd": plan.cwd,
        "capabilities": plan.capabilities,
        "rlimits": plan.request["rlimits"],
        "noNewPrivileges": plan.request["security"]["no_new_privileges"],
    }
    if plan.request["oom_score_adj"] is not None:
        process["oomScoreAdj"] = plan.request["oom_score_adj"]
    return process


def _init(request: Request) -> list[str]:
    return [INIT, "--"] if request["init_path"] else []


def _linux(plan: Plan) -> Linux:
    security = plan.request["security"]
    shared = [item["propagation"] for item in plan.volumes if "sha" in item["propagation"]]
    slave = [item["propagation"] for item in plan.volumes if "slave" in item["propagation"]]
    linux: Linux = {
        "namespaces": namespaces(plan.request["namespaces"], plan.networks),
        "maskedPaths": security["masked"],
        "readonlyPaths": security["readonly"],
        "sysctl": plan.request["sysctls"],
        "seccomp": plan.seccomp,
        # A mount can only pass on events if the root above it does (mount_namespaces(7)).
        "rootfsPropagation": "rshared" if shared else "rslave" if slave else "rprivate",
    }
    if plan.request["personality"]:
        linux["personality"] = {"domain": plan.request["personality"]}
    return linux


def namespaces(wanted: Namespaces, attached: list[Attachment]) -> list[Namespace]:
    """The namespaces that are new, or another's; one that is left out is the host's."""
    network = networks.kind(attached)
    host = {
        "pid": wanted["pid"] == "host",
        "network": network in ("host", "container", "ns"),
        "ipc": wanted["ipc"] == "host",
        "uts": wanted["uts"] == "host",
        "cgroup": wanted["cgroup"] == "host",
    }
    found: list[Namespace] = [{"type": "mount"}]
    found += [{"type": name} for name in host if not host[name]]
    if network == "ns":
        found.append({"type": "network", "path": attached[0]["name"]})
    elif network == "container":
        # Where that is, is known when it is started (`joining`).
        found.append({"type": "network", "path": networks.mode(attached)})
    return found


def _private(plan: Plan) -> Private:
    request = plan.request
    userns = request["userns"]
    needed, own = bool(request["networks"]), request["rootfs"]
    return {
        "init": request["init"] and not request["init_path"],
        "userns": plan.userns,
        "shifted": plan.userns != "host" and not userns["shared"],
        "account": plan.account,
        "hostusers": plan.hostusers,
        "passwd": request["passwd"],
        "passwd_entry": request["passwd_entry"],
        "group_entry": request["group_entry"],
        "groups": request["groups"],
        "keep_groups": request["keep_groups"],
        "privileged": request["security"]["privileged"],
        # In a root of its own, not in one of this machine or of the user.
        "container_env": _container_env(plan),
        "marks": own["overlay"] if own else request["image"] != HOST,
        "make_workdir": request["make_workdir"] or _is_mounted(plan),
        "volumes_U": [item["source"] for item in plan.volumes if item["chown"]],
        "copy_up": [
            {"source": item["source"], "destination": item["destination"]}
            for item in plan.volumes
            if item["copy_up"]
        ],
        "overlay_binds": list(overlay_binds(plan).values()),
        "systemd": bool(plan.systemd),
        "cgroupns": "host" if request["namespaces"]["cgroup"] == "host" else "private",
        "log_driver": request["log"]["driver"],
        "record_owners": request["record_owners"],
        "network": networks.behind_stack(plan.networks, needed=needed),
    }


def _is_mounted(plan: Plan) -> bool:
    """Whether the working directory lies in something that is mounted (podman)."""
    return any(f"{plan.cwd}/".startswith(f"{item['destination']}/") for item in plan.volumes)


def mounts(plan: Plan) -> list[Mount]:
    """All mounts in the order in which they are made: the system's, then the others by depth."""
    layers = overlay_binds(plan)
    others = [_volume(item, layers) for item in plan.volumes]
    others += plan.request["devices"]
    taken = {item["destination"] for item in others}
    scratch = dict.fromkeys(plan.systemd)
    if plan.request["read_only"] and plan.request["read_only_tmpfs"]:
        scratch |= dict.fromkeys(READ_ONLY_TMPFS)
    size = plan.request["shm_size_systemd"]
    others += [
        _scratch(path, size if path in plan.systemd else 0) for path in scratch if path not in taken
    ]
    others += _etc(plan, taken)
    others += _local_time(plan, taken)
    if plan.request["init_path"]:
        options = ["bind", "ro", "nosuid", "nodev", "rprivate"]
        others.append(_mount(INIT, "bind", options, plan.request["init_path"]))
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
    ipc = plan.request["namespaces"]["ipc"]
    result = [
        _proc(plan),
        _mount("/dev", "tmpfs", ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"]),
        _mount(
            "/dev/pts",
            "devpts",
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
    ]
    if ipc == "host":
        # The host's: nothing but a bind shows them. A minimal host may lack mqueue.
        result += [
            _mount(path, "bind", ["rbind", *_SAFE, "rprivate"], path)
            for path in ("/dev/shm", "/dev/mqueue")  # noqa: S108 - not a temporary file
            if os.path.isdir(path)
        ]
    else:
        if ipc != "none":
            size = plan.request["shm_size"] or SHM_SIZE
            result.append(
                _mount("/dev/shm", "tmpfs", [*_SAFE, "mode=1777", f"size={size}"], "shm")  # noqa: S108
            )
        result.append(_mount("/dev/mqueue", "mqueue", [*_SAFE]))
    return [*result, *_sys(plan)]


def _proc(plan: Plan) -> Mount:
    if plan.request["namespaces"]["pid"] == "host":
        # A new proc shows the mounter's pid namespace, whose owner he must be: not of the host's.
        return _mount("/proc", "bind", ["rbind", *_SAFE, "rprivate"], "/proc")
    return _mount("/proc", "proc", [*_SAFE, *plan.request["security"]["proc_options"]])


def _sys(plan: Plan) -> list[Mount]:
    security = plan.request["security"]
    write = security["privileged"]
    locked = [] if write else ["ro"]
    private = plan.request["namespaces"]["cgroup"] != "host"
    divided = security["cgroup_writable"] or (plan.systemd and private)
    cgroup_locked = [] if write or divided else ["ro"]
    if networks.kind(plan.networks) == "host":
        # A new sysfs shows the mounter's network namespace, whose owner he must be
        # (sysfs_init_fs_context): with the host's network only the host's own /sys can be shown.
        below = [] if write else ["ro", "rro"]
        result = [_mount("/sys", "bind", ["rbind", *_SAFE, *below, "rprivate"], "/sys")]
    else:
        result = [_mount("/sys", "sysfs", [*_SAFE, *locked])]
    path = "/sys/fs/cgroup"
    if plan.request["namespaces"]["cgroup"] == "host":
        below = ["ro", "rro"] if cgroup_locked else []
        result.append(_mount(path, "bind", ["rbind", *_SAFE, *below, "rprivate"], path))
    else:
        result.append(_mount(path, "cgroup2", [*_SAFE, "relatime", *cgroup_locked]))
    return result


def _mount(where: str, kind: str, options: list[str], source: str = "") -> Mount:
    return {"destination": where, "type": kind, "source": source or kind, "options": options}


def _scratch(path: str, size: int = 0) -> Mount:
    """A tmpfs of --read-only, or for systemd: it begins with what the image has there."""
    # Small images have no /tmp; every user may write to it all the same.
    mode = ["mode=1777"] if path.endswith("/tmp") else []  # noqa: S108 - inside the container
    mode += [f"size={size}"] if size else []
    return _mount(path, "tmpfs", ["rw", "nosuid", "nodev", "tmpcopyup", *mode])


def _etc(plan: Plan, taken: Iterable[str]) -> list[Mount]:
    """Files that the runtime side writes into the container's directory at each start."""
    wanted = ["hostname"] if plan.request["no_hosts"] else ["hosts", "hostname"]
    if networks.kind(plan.networks) != "none" and plan.request["dns"]["servers"] != ["none"]:
        wanted.append("resolv.conf")  # without a network no name server can be reached anyway
    options = ["bind", "rprivate"] + (["ro"] if plan.request["read_only"] else [])
    return [
        _mount(f"{root}/etc/{name}", "bind", list(options), f"{plan.directory}/{name}")
        for root in ("", *plan.request["chrootdirs"])
        for name in wanted
        if f"{root}/etc/{name}" not in taken
    ]


def _local_time(plan: Plan, taken: Iterable[str]) -> list[Mount]:
    """The time zone, by the file of this machine."""
    place = "/etc/localtime"
    if not plan.request["timezone"] or not {place, "/etc"}.isdisjoint(taken):
        return []
    from rootless.containers.creation import zones

    options = ["bind", "ro", *_SAFE, "rprivate"]
    return [_mount(place, "bind", options, zones.source(plan.request["timezone"]))]


def _container_env(plan: Plan) -> str:
    """The file that is podman's sign of a container; none in a directory of the user's own."""
    taken = {item["destination"] for item in plan.volumes if item["type"] == "bind"}
    if not taken.isdisjoint(("/run", "/run/.containerenv")):
        return ""
    return f"{plan.directory}/containerenv"


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
    # Of an image the start knows what is mounted.
    if item["type"] in ("tmpfs", "ramfs", "devpts", "image"):
        return _mount(item["destination"], item["type"], item["options"])
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
