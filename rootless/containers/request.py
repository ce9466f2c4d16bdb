"""What a container is to be: one value of plain data, whoever asks for it.

A front end turns its own language into a Request; for the option texts of the command line `words`
does that. `request` makes one for everybody else, who names only what is not to be as usual. What a
Request holds is parsed: nothing that reads it takes a text apart. It goes into the container's
record as it is, so it is JSON; whether it makes sense says `conflicts.check`.
"""

from __future__ import annotations

from rootless.volumes.mounts import artifact as artifact
from rootless.volumes.mounts import bind as bind
from rootless.volumes.mounts import devpts as devpts
from rootless.volumes.mounts import image as image
from rootless.volumes.mounts import tmpfs as tmpfs
from rootless.volumes.mounts import volume as volume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Literal, TypedDict, Unpack

    from rootless.netstack.addresses import Settings
    from rootless.runtime.spec import Attachment, Kind, Mount, Rlimit
    from rootless.volumes.mounts import Volume

    class VolumesFrom(TypedDict):
        """Another container, all of whose mounts are to be had."""

        container: str
        """Its name, its id, or the beginning of that."""
        ro: bool

    class Link(TypedDict):
        """docker's --link: another container, by a further name."""

        container: str
        alias: str

    class Directory(TypedDict):
        """A root file system that is no image's."""

        path: str
        overlay: bool
        """Whether changes are thrown away."""

    class Publish(TypedDict):
        """One published port."""

        ip: str
        """Empty for all addresses of the host."""
        host: int
        """0 for one that is free."""
        container: int
        protocol: str

    class Dns(TypedDict):
        """What /etc/resolv.conf is to say otherwise than the host's does."""

        servers: list[str]
        """The word `none` alone leaves the image's file as it is."""
        search: list[str]
        options: list[str]

    class Namespaces(TypedDict):
        """Whose they are: private or host; of ipc also shareable, and none: without /dev/shm."""

        pid: str
        ipc: str
        uts: str
        cgroup: str

    class Userns(TypedDict):
        """How the ids of the container are those of the host."""

        mode: Literal["host", "nomap", "keep-id"]
        uid: int | None
        """The user's own id inside, with keep-id; None for the same as outside."""
        gid: int | None
        shared: bool
        """Whether root's files are the user's own, as out here, and not root's inside (keep-id)."""

    class Security(TypedDict):
        """How much of the machine a container may see and do: see `security`."""

        privileged: bool
        cap_add: list[str]
        cap_drop: list[str]
        no_new_privileges: bool
        seccomp: dict[str, Any] | None
        """None, {"profile": "default"}, or a profile as docker's and podman's files hold it.

        {"profile": "image"} is the one in the image's label io.containers.seccomp.profile.
        """
        masked: list[str]
        readonly: list[str]
        cgroup_writable: bool
        proc_options: list[str]
        """hidepid=, subset= and gid= of proc(5)."""
        labels: list[str]
        """disable, type:..., of SELinux, which confines by its own policy: for `inspect`."""
        apparmor: str
        """unconfined or nothing, for `inspect`: profiles cannot be chosen without root."""

    class Healthcheck(TypedDict, total=False):
        """A health check as image configurations hold it; times in nanoseconds."""

        Test: list[str]
        Interval: int
        Timeout: int
        StartPeriod: int
        StartInterval: int
        Retries: int

    class StartupCheck(TypedDict):
        """podman's check that comes before the regular one; times in seconds."""

        test: list[str]
        interval: float
        timeout: float
        retries: int
        successes: int

    class HealthExtras(TypedDict):
        """What podman has beyond the image's health check."""

        on_failure: str
        """none, kill, restart or stop."""
        startup: StartupCheck | None

    class HealthLog(TypedDict):
        """What is kept of the results of its health checks."""

        destination: str
        """local, events_logger, or the absolute path of a directory for a file of them."""
        count: int
        """How many; 0 for all."""
        size: int
        """How many characters of each; 0 for all."""

    class Restart(TypedDict):
        """Whether it starts again when it has ended."""

        policy: Literal["no", "on-failure", "always", "unless-stopped"]
        most: int
        """How often, with on-failure; 0 for no limit."""

    class Log(TypedDict):
        """Where its output goes."""

        driver: str
        options: dict[str, str]
        """max-size (bytes), max-file and compress (true, false) of files, tag of the journal."""

    class Fields(TypedDict, total=False):
        """All of a Request but its image and its command."""

        entrypoint: list[str] | None
        """None for the image's; given, the image's Cmd does not count either."""
        rootfs: Directory | None
        """In the place of an image."""
        name: str
        """Empty for one that is made up."""
        labels: dict[str, str]
        annotations: dict[str, str]
        preset: list[list[str]]
        """[name, value] before the image's variables, which win."""
        inherited: list[list[str]]
        """[name, value] of what comes from the caller's surroundings, such as http_proxy."""
        environment: list[list[str | None]]
        """[name, value] after the image's and the inherited ones; None takes it away."""
        env_merge: list[list[str]]
        """[name, value] of variables that are made of the image's: see `creation.merging`."""
        unsetenv: list[str]
        """Variables of the image, and of ours, that it does not have."""
        unsetenv_all: bool
        """Whether it has none of those."""
        timezone: str
        """A name of /usr/share/zoneinfo, or local; empty for the image's own."""
        umask: int
        user: str
        """USER[:GROUP], names or numbers, which the container's /etc/passwd knows."""
        passwd: bool
        """Whether users that the image does not know get lines in /etc/passwd and /etc/group."""
        passwd_entry: str
        """The line of such a user, with $USERNAME, $UID, $GID, $NAME and $HOME; empty for ours."""
        group_entry: str
        """The line of such a group, with $GROUPNAME, $GID and $USERLIST."""
        hostusers: list[str]
        """Users of this machine, names or numbers, who get a line as well."""
        groups: list[str]
        keep_groups: bool
        """Whether it has the supplementary groups of the caller."""
        workdir: str
        make_workdir: bool
        """Whether it is made where it is not there, or an error; in a mount it is always made."""
        hostname: str
        domainname: str
        """Behind the host name: its NIS domain (domainname(1)), and in /etc/hosts."""
        tty: bool
        stdin: bool
        detached: bool
        """Whether it is to run in the background: then the end of an input is not its own."""
        attach: list[str]
        """Which of stdin, stdout and stderr a front end has; empty for all that there are."""
        remove: bool
        """Whether it goes when it ends."""
        remove_image: bool
        """Whether then its image goes as well, by the name of it, unless another one uses it."""
        init: bool
        init_path: str
        """A program of the host's to be the init, an absolute path; empty for ours."""
        timeout: int
        """Seconds after which it is killed, 0 for never."""
        requires: list[str]
        """Names or ids of containers that are started before it."""
        pidfile: str
        """Absolute path of a file for the pid of its first process, empty for none."""
        conmon_pidfile: str
        """The same for that of its supervisor."""
        cidfile: str
        """Where a front end writes the id, for `inspect`."""
        create_command: list[str]
        """What was typed, for `inspect`."""
        mounts: list[Volume]
        tmpfs: list[Volume]
        """docker's --tmpfs, which it does not list among the mounts."""
        volumes_from: list[VolumesFrom]
        image_volumes: str
        """What the image's volumes are: anonymous ones, tmpfs, or ignore."""
        devices: list[Mount]
        read_only: bool
        read_only_tmpfs: bool
        shm_size: int
        """Bytes; 0 for the usual."""
        networks: list[Attachment]
        """Empty for a private one, where it can be had; what is named here must be."""
        ports: list[Publish]
        """Of no effect with the network none and with the host's, which has no ports to publish."""
        remap_ports: bool
        """Whether a port that needs a privilege is replaced by one that does not."""
        publish_all: bool
        expose: list[str]
        """PORT/PROTOCOL, beside the image's."""
        dns: Dns
        hosts: list[list[str]]
        """[address, name, ...], lines of /etc/hosts; the address may be host-gateway."""
        links: list[Link]
        no_hosts: bool
        host_address: str
        """What /etc/hosts calls the host's; "none" for no line of it, empty for what is found."""
        chrootdirs: list[str]
        """Roots inside, of which each has the files of /etc that are made for a container."""
        namespaces: Namespaces
        userns: Userns
        uidmap: list[list[int]]
        """[first id inside, first id there with the mode host, how many]; empty for `userns`."""
        gidmap: list[list[int]]
        """The same for groups; both or neither."""
        security: Security
        rlimits: list[Rlimit]
        sysctls: dict[str, str]
        oom_score_adj: int | None
        """See proc(5); None for the caller's own."""
        personality: Literal["", "LINUX", "LINUX32"]
        """See personality(2): a kernel of 32 bits, for uname."""
        healthcheck: Healthcheck
        """What it says otherwise than the image's."""
        health: HealthExtras
        health_log: HealthLog
        restart: Restart
        sdnotify: str
        """container, supervisor, healthy or ignore."""
        shm_size_systemd: int
        """Bytes of each place in memory for systemd; 0 for the usual."""
        systemd: str
        """true where the command is systemd, false or always: see `creation.systemd`."""
        record_owners: bool
        """Whether the owners that it gives to files are remembered, where there is one id only."""
        log: Log
        stop_signal: int
        """0 for the image's."""
        stop_timeout: int
        """Seconds until SIGKILL; -1 for no limit."""

    class Request(Fields):
        """The whole; as `request` returns it no key is missing."""

        image: str
        """As the user names it; with `rootfs` what it is to be called."""
        command: list[str]
        """Empty for the image's."""


STOP_TIMEOUT = 10
"""Seconds between the stop signal and SIGKILL."""

UMASK = 0o022

MASKED = (
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/devices/virtual/powercap",  # CVE-2020-8694: energy counters as a side channel
    "/sys/firmware",
    "/sys/fs/selinux",
)
"""Hidden from containers: podman's list."""

READ_ONLY = (
    "/proc/asound",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
)
"""Shown to containers, not to be written: podman's list."""


def request(image: str, command: Iterable[str] = (), **fields: Unpack[Fields]) -> Request:
    """Return the request for a container of `image`; what `fields` do not say is as usual.

    Raises TypeError for a field that there is not.
    """
    usual: Request = {
        "image": image,
        "command": list(command),
        **_process(),
        **_surroundings(),
        **_life(),
    }
    if unknown := fields.keys() - usual.keys():
        raise TypeError(f"a request has no field {min(unknown)}")
    usual.update(fields)  # type: ignore[typeddict-item]
    return usual


def _process() -> Fields:
    """What runs, and as whom."""
    return {
        "entrypoint": None,
        "name": "",
        "labels": {},
        "annotations": {},
        "preset": [],
        "inherited": [],
        "environment": [],
        "env_merge": [],
        "unsetenv": [],
        "unsetenv_all": False,
        "timezone": "",
        "umask": UMASK,
        "user": "",
        "passwd": True,
        "passwd_entry": "",
        "group_entry": "",
        "hostusers": [],
        "groups": [],
        "keep_groups": False,
        "workdir": "",
        "make_workdir": True,
        "tty": False,
        "stdin": False,
    }


def _surroundings() -> Fields:
    """What it finds around it."""
    return {
        "rootfs": None,
        "hostname": "",
        "domainname": "",
        "mounts": [],
        "tmpfs": [],
        "volumes_from": [],
        "image_volumes": "anonymous",
        "devices": [],
        "read_only": False,
        "read_only_tmpfs": True,
        "shm_size": 0,
        "networks": [],
        "ports": [],
        "remap_ports": False,
        "publish_all": False,
        "expose": [],
        "dns": {"servers": [], "search": [], "options": []},
        "hosts": [],
        "links": [],
        "no_hosts": False,
        "host_address": "",
        "chrootdirs": [],
        "namespaces": {"pid": "private", "ipc": "private", "uts": "private", "cgroup": "private"},
        "userns": {"mode": "host", "uid": None, "gid": None, "shared": False},
        "uidmap": [],
        "gidmap": [],
        "security": security(),
        "rlimits": [],
        "sysctls": {},
        "oom_score_adj": None,
        "personality": "",
    }


def _life() -> Fields:
    """How it begins and ends."""
    return {
        "detached": False,
        "attach": [],
        "remove": False,
        "remove_image": False,
        "init": False,
        "init_path": "",
        "timeout": 0,
        "requires": [],
        "pidfile": "",
        "conmon_pidfile": "",
        "cidfile": "",
        "create_command": [],
        "healthcheck": {},
        "health": {"on_failure": "none", "startup": None},
        "health_log": {"destination": "local", "count": 5, "size": 4096},
        "restart": {"policy": "no", "most": 0},
        "sdnotify": "container",
        "shm_size_systemd": 0,
        "systemd": "true",
        "record_owners": False,
        "log": {"driver": "json-file", "options": {}},
        "stop_signal": 0,
        "stop_timeout": STOP_TIMEOUT,
    }


def unusual(wanted: Request) -> dict[str, Any]:
    """Return what a request says otherwise than usual, which is how it is written down.

    `{**request(""), **unusual(wanted)}` is `wanted` again.
    """
    usual = request(wanted["image"], wanted["command"])
    told = ("image", "command")
    return {key: value for key, value in wanted.items() if key in told or value != usual.get(key)}


def security(*, privileged: bool = False) -> Security:
    """Return what a container may see and do: with `privileged` all that its user may."""
    return {
        "privileged": privileged,
        "cap_add": [],
        "cap_drop": [],
        "no_new_privileges": False,
        "seccomp": None if privileged else {"profile": "default"},
        "masked": [] if privileged else list(MASKED),
        "readonly": [] if privileged else list(READ_ONLY),
        "cgroup_writable": privileged,
        "proc_options": [],
        "labels": [],
        "apparmor": "",
    }


def attachment(kind: Kind, name: str = "", settings: Settings | None = None) -> Attachment:
    """Attach a container to a network: the host's, that of the container `name`, one of its own...

    See `containers.networks` for the kinds.
    """
    return {
        "kind": kind,
        "name": name,
        "settings": settings,
        "aliases": [],
        "ipv4": "",
        "ipv6": "",
        "mac": "",
    }


def publish(container: int, host: int = 0, *, ip: str = "", protocol: str = "tcp") -> Publish:
    """Publish a port of the container at one of the host, 0 for one that is free."""
    return {"ip": ip, "host": host, "container": container, "protocol": protocol}
