"""The OCI runtime configuration, as far as it is used here, with what we add to it.

`complete` fills in what another program's config.json leaves out.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

    from rootless.netstack.addresses import Settings

    Kind: TypeAlias = Literal[
        "none", "host", "container", "ns", "private", "pasta", "slirp4netns", "named"
    ]
    """What makes a container's network; `networks.kinds` has a driver for each."""

    class Attachment(TypedDict):
        """One network that a container is attached to."""

        kind: Kind
        name: str
        """That of a container or network, or its id; the path of a namespace; else empty."""
        settings: Settings | None
        """Of private, pasta and slirp4netns; None for the usual ones."""
        interface: NotRequired[str]
        """What it is called inside, eth0 and so on where it is missing."""
        aliases: list[str]
        """Further names of the container in that network."""
        ipv4: str
        """Its address there, empty for any."""
        ipv6: str
        mac: str
        """Its link address, empty for any: six bytes in hexadecimal with colons between."""

    class User(TypedDict, total=False):
        """process.user: the raw text of `-u`, which the launcher looks up inside the container."""

        username: str
        umask: int

    class Rlimit(TypedDict):
        """process.rlimits[]."""

        type: str
        soft: int
        hard: int

    class Process(TypedDict, total=False):
        """process."""

        terminal: bool
        consoleSize: dict[str, int]
        user: User
        args: list[str]
        env: list[str]
        cwd: str
        capabilities: dict[str, list[str]]
        rlimits: list[Rlimit]
        noNewPrivileges: bool
        oomScoreAdj: int

    class Root(TypedDict):
        """root; the runtime fills in the path."""

        path: str
        readonly: bool

    class Mount(TypedDict):
        """mounts[]; `rro` among the options is ro for all that is mounted below, too."""

        destination: str
        type: str
        source: str
        options: list[str]

    class Namespace(TypedDict, total=False):
        """linux.namespaces[]: a new one, or that at `path`; a type that is absent is the host's."""

        type: str
        path: str

    class Personality(TypedDict):
        """linux.personality."""

        domain: Literal["LINUX", "LINUX32"]

    class Linux(TypedDict, total=False):
        """linux."""

        namespaces: list[Namespace]
        maskedPaths: list[str]
        readonlyPaths: list[str]
        sysctl: dict[str, str]
        seccomp: dict[str, Any] | None
        """None, {"profile": "default"}, or a profile as docker's and podman's files hold it."""
        rootfsPropagation: str
        personality: Personality

    class OverlayBind(TypedDict):
        """A mount of type overlay: what the fallback (fuse-overlayfs, copy) needs to know of it."""

        destination: str
        source: str
        upper: str
        work: str

    class Layers(TypedDict):
        """An image that is mounted: its trees, topmost first, or those below a path in it."""

        destination: str
        source: str
        """Its name."""
        subpath: str
        rw: bool
        lowers: list[str]
        """Empty where they were copied, or there are none."""
        place: str
        """The directory of the container for it, with upper, work, merged, and an empty one."""

    class CopyUp(TypedDict):
        """A volume that is filled from the image while it is empty."""

        source: str
        destination: str
        into: NotRequired[str]
        """A directory of the host that it shows, and that is filled in its place."""

    class Account(TypedDict):
        """The user as this machine knows him."""

        name: str
        full_name: str
        uid: int
        group: str
        """Empty for one that gets no line."""
        gid: int
        home: str
        """Where he is at home in the container."""

    class Segment(TypedDict):
        """A network with a name, as a switch has to know it: plain values."""

        id: str
        name: str
        gateway: str
        prefix: int
        range: list[str]
        """The first and the last address that containers get."""
        gateway6: str
        """Empty without IPv6."""
        prefix6: int
        range6: list[str]
        mtu: int
        internal: bool
        """Whether it leads nowhere."""
        resolves: bool
        """Whether names are looked up in it."""
        servers: list[str]
        """Who knows all other names; empty for the host's."""

    class Wire(TypedDict):
        """A container's place on a segment."""

        segment: Segment
        interface: str
        names: list[str]
        ipv4: str
        """That was asked for; empty for any."""
        ipv6: str
        mac: str
        before: list[str]
        """The addresses of its last life, v4 and v6, which it gets again where they are free."""
        route: bool
        """Whether it reaches the world this way."""
        servers: list[str]
        """Who knows all other names to this container; empty for the network's."""

    class PrivateNetwork(TypedDict):
        """A network of the container's own, behind a stack in user mode."""

        settings: Settings
        helper: str
        """pasta or slirp4netns, empty where the stack is ours."""
        names: str
        """The address that answers questions for names."""
        needed: bool
        """Whether it was asked for expressly: without it nothing starts."""
        wires: NotRequired[list[Wire]]
        """The networks with names that the container is on, in place of one of its own."""
        called: NotRequired[list[str]]
        """What it calls itself there in /etc/hosts."""

    class Private(TypedDict):
        """What the runtime is told beyond the OCI specification, under the key `rootless`."""

        init: bool
        userns: str
        """host, nomap, keep-id:uid=N,gid=N, or map:uid=MAP,gid=MAP.

        A MAP is INSIDE-OUTSIDE-COUNT with + between; outside is in the ids of `host`.
        """
        shifted: bool
        """Whether root's files are root's in it (userns.shift); old containers do not say it."""
        account: Account | None
        """Who is to have a name in it, with keep-id."""
        hostusers: list[Account]
        """Others of this machine who are to have one."""
        passwd: bool
        """Whether anybody gets one who has none; old containers do not say it."""
        passwd_entry: str
        """The line of such a user, with variables; empty for the usual one."""
        group_entry: str
        groups: list[str]
        """Supplementary groups by name or number, looked up by the launcher."""
        keep_groups: bool
        privileged: bool
        volumes_U: list[str]
        """Sources to give to the container's user."""
        container_env: str
        """The file that is to be at /run/.containerenv, empty for none; old ones do not say it.

        It is no mount of the specification: the release before would not write the file.
        """
        make_workdir: bool
        """Whether a working directory that is not there is made; old containers do not say it."""
        marks: bool
        """Whether its root is to have docker's signs of a container; old ones do not say it."""
        copy_up: list[CopyUp]
        overlay_binds: list[OverlayBind]
        layers: NotRequired[list[Layers]]
        """What is shown of images, known when it starts."""
        subpaths: NotRequired[dict[str, str]]
        """What of a volume is shown at a destination, known when it starts."""
        systemd: bool
        """Whether it is prepared for systemd, which divides the container's cgroup."""
        cgroupns: Literal["host", "private"]
        log_driver: str
        record_owners: NotRequired[bool]
        """Whether owners that it gives to files are remembered, where there is one id only."""
        network: PrivateNetwork | None

    class Spec(TypedDict):
        """config.json of the OCI runtime specification 1.2, as far as it is used here."""

        ociVersion: str
        process: Process
        root: Root
        hostname: str
        domainname: str
        mounts: list[Mount]
        annotations: dict[str, str]
        linux: Linux
        rootless: Private


def complete(config: Mapping[str, Any]) -> Spec:
    """Return the configuration with everything in it that the runtime reads.

    A config.json of another program has no part `rootless`, and may leave out whatever the
    specification lets it leave out; its user is a number, which we look up as well. What is there
    already stays as it is.
    """
    process, linux = config.get("process") or {}, config.get("linux") or {}
    user = process.get("user") or {}
    root = config.get("root") or {}
    spaces = linux.get("namespaces") or []
    private: Private = {
        "init": False,
        "userns": "host",
        "shifted": False,
        "account": None,
        "hostusers": [],
        "passwd": True,
        "passwd_entry": "",
        "group_entry": "",
        "groups": [str(group) for group in user.get("additionalGids") or ()],
        "keep_groups": False,
        "privileged": False,
        "container_env": "",
        "make_workdir": True,
        "marks": False,
        "volumes_U": [],
        "copy_up": [],
        "overlay_binds": [],
        "systemd": False,
        "cgroupns": "private" if any(one["type"] == "cgroup" for one in spaces) else "host",
        "log_driver": "none",
        "network": None,
    }
    return {
        "ociVersion": config.get("ociVersion", ""),
        "process": {"args": [], "env": [], "cwd": "/", **process, "user": _user(user)},  # type: ignore[typeddict-item]
        "root": {"path": root.get("path", ""), "readonly": root.get("readonly", False)},
        "hostname": config.get("hostname", ""),
        "domainname": config.get("domainname", ""),
        "mounts": [_mount(item) for item in config.get("mounts") or ()],
        "annotations": config.get("annotations") or {},
        "linux": {"rootfsPropagation": "rprivate", **linux, "namespaces": spaces},  # type: ignore[typeddict-item]
        "rootless": {**private, **config.get("rootless", {})},
    }


def _user(user: Mapping[str, Any]) -> User:
    """The user by the text that is looked up inside the container: ours, or another's numbers."""
    name = user.get("username", "")
    if not name and (user.get("uid") or user.get("gid")):
        name = f"{user.get('uid', 0)}:{user.get('gid', 0)}"
    return {"username": name, "umask": user.get("umask", 0o022)}


def _mount(item: Mapping[str, Any]) -> Mount:
    options = item.get("options") or []
    kind = item.get("type") or ("bind" if {"bind", "rbind"} & {*options} else "none")
    return {
        "destination": item["destination"],
        "type": kind,
        "source": item.get("source") or kind,
        "options": options,
    }
