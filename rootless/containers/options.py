"""The shapes that the engine's parts exchange about a container.

Types only. Modules import this under TYPE_CHECKING, so that the commands that start
containers never load `typing`.

    CreateOptions   what `run` and `create` were asked for, one key for each option that was given
    Record          what `create.compose` made of it: config.json in the container's directory
    Spec            the part of the record that the runtime reads: an OCI runtime configuration 1.2
    State           state.json, what became of it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypedDict

if TYPE_CHECKING:
    from rootless.netstack.addresses import Settings
    from rootless.netstack.ports import Port


class CreateOptions(TypedDict, total=False):
    """The options of `run` and `create`, raw as on the command line; absent is not asked for.

    A key is the long option with `-` as `_`; repeatable options are lists.
    """

    add_host: list[str]
    annotation: list[str]
    cap_add: list[str]
    cap_drop: list[str]
    cgroupns: str
    cidfile: str
    debug: bool
    detach: bool
    device: list[str]
    entrypoint: str | None
    env: list[str]
    env_file: list[str]
    env_host: bool
    group_add: list[str]
    health_cmd: str
    health_interval: str
    health_on_failure: str
    health_retries: int
    health_start_interval: str
    health_start_period: str
    health_startup_cmd: str
    health_startup_interval: str
    health_startup_retries: int
    health_startup_success: int
    health_startup_timeout: str
    health_timeout: str
    hostname: str
    http_proxy: bool
    init: bool
    interactive: bool
    ipc: str
    label: list[str]
    label_file: list[str]
    log_driver: str
    log_opt: list[str]
    mount: list[str]
    name: str
    network: str
    publish: list[str]
    publish_all: bool
    expose: list[str]
    publish_privileged: str
    dns: list[str]
    dns_search: list[str]
    dns_option: list[str]
    no_healthcheck: bool
    no_hosts: bool
    pid: str
    platform: str
    privileged: bool
    pull: str
    read_only: bool
    read_only_tmpfs: bool
    replace: bool
    restart: str
    rm: bool
    rootfs: bool
    sdnotify: str
    security_opt: list[str]
    shm_size: str
    stop_signal: str
    stop_timeout: int
    sysctl: list[str]
    tmpfs: list[str]
    tty: bool
    ulimit: list[str]
    user: str
    userns: str
    uts: str
    volume: list[str]
    workdir: str


class Image(Protocol):
    """What composing needs of an image (rootless.images.collection.Image)."""

    @property
    def id(self) -> str:
        """The digest of the configuration, hexadecimal."""

    @property
    def names(self) -> list[str]:
        """The references that name it."""

    @property
    def config(self) -> dict[str, Any]:
        """The OCI image configuration, the whole document."""

    @property
    def host(self) -> bool:
        """Whether it is the built-in image that shows the machine's own programs."""

    def lowers(self) -> list[str]:
        """Directories of the unpacked layers, bottom first; unpacks what is missing."""


class Volume(TypedDict):
    """Something that the user or the image wants mounted; also what `inspect` shows of it."""

    type: Literal["bind", "volume", "tmpfs"]
    name: str
    """Of a volume; an anonymous one has 64 hexadecimal digits."""
    source: str
    """An absolute path of the host: what to bind; empty for a tmpfs."""
    destination: str
    rw: bool
    propagation: str
    """rprivate, rslave, ... for a bind, else empty."""
    mode: str
    """The options as they were written, for `inspect`."""
    anonymous: bool
    """To be removed with the container by `--rm` and `rm -v`."""
    make: bool
    """Whether a missing source is made (`-v` and volumes) or an error (`--mount type=bind`)."""
    copy_up: bool
    """Whether an empty volume is filled with what the image has at the destination."""
    chown: bool
    """`:U`: the source is given to the container's user."""
    overlay: bool
    """`:O`: changes go to a throw-away layer above the source."""
    options: list[str]
    """The mount's options as the runtime specification writes them."""


class Rootfs(TypedDict):
    """Where the root file system comes from."""

    kind: Literal["layers", "host", "directory"]
    path: str
    overlay: bool
    """Only for a directory: changes are thrown away (`--rootfs DIR:O`)."""


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
    startup: StartupCheck | None


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
    """linux.namespaces[]: a new one, or the one at `path`; a type that is absent is the host's."""

    type: str
    path: str


class Linux(TypedDict, total=False):
    """linux."""

    namespaces: list[Namespace]
    maskedPaths: list[str]
    readonlyPaths: list[str]
    sysctl: dict[str, str]
    seccomp: dict[str, Any] | None
    """None, {"profile": "default"}, or a profile as docker's and podman's files hold it."""
    rootfsPropagation: str


class OverlayBind(TypedDict):
    """A mount of type overlay: what the fallback (fuse-overlayfs, copy) needs to know of it."""

    destination: str
    source: str
    upper: str
    work: str


class CopyUp(TypedDict):
    """A volume that is filled from the image while it is empty."""

    source: str
    destination: str


class Account(TypedDict):
    """The user as this machine knows him."""

    name: str
    uid: int
    group: str
    gid: int
    home: str
    """Where he is at home in the container."""


class Private(TypedDict):
    """What the runtime is told beyond the OCI specification, under the key `rootless`."""

    init: bool
    userns: str
    """host, nomap, or keep-id:uid=N,gid=N."""
    shifted: bool
    """Whether root's files are root's in it (runtime.shift); containers of old do not say it."""
    account: Account | None
    """Who is to have a name in it, with keep-id."""
    groups: list[str]
    """Supplementary groups by name or number, looked up by the launcher."""
    keep_groups: bool
    privileged: bool
    volumes_U: list[str]
    """Sources to give to the container's user."""
    copy_up: list[CopyUp]
    overlay_binds: list[OverlayBind]
    cgroupns: Literal["host", "private"]
    log_driver: str
    network: PrivateNetwork | None


class PrivateNetwork(TypedDict):
    """A network of the container's own, behind a stack in user mode."""

    settings: Settings
    helper: str
    """pasta or slirp4netns, empty where the stack is ours."""
    names: str
    """The address that answers questions for names."""
    needed: bool
    """Whether it was asked for expressly: without it nothing starts."""


class Spec(TypedDict):
    """config.json of the OCI runtime specification 1.2, as far as it is used here."""

    ociVersion: str
    process: Process
    root: Root
    hostname: str
    mounts: list[Mount]
    annotations: dict[str, str]
    linux: Linux
    rootless: Private


class Publish(TypedDict):
    """One port of -p."""

    ip: str
    """Empty for all addresses of the host."""
    host: int
    """0 for one that is free."""
    container: int
    protocol: str


class Dns(TypedDict):
    """What /etc/resolv.conf is to say otherwise than the host's does."""

    servers: list[str]
    search: list[str]
    options: list[str]


class Record(TypedDict):
    """A container as it was asked for: written once, when it is created."""

    version: int
    id: str
    name: str
    created: float
    image: str
    """The image as the user named it; for --rootfs the directory."""
    image_id: str
    layers: list[str]
    rootfs: Rootfs
    asked: CreateOptions
    path: str
    args: list[str]
    entrypoint: list[str]
    cmd: list[str]
    user: str
    labels: dict[str, str]
    annotations: dict[str, str]
    tty: bool
    stdin: bool
    rm: bool
    stop_signal: int
    stop_timeout: int
    network: str
    """private, pasta, slirp4netns, none, host, container:ID or ns:PATH."""
    hostname: str
    hosts: list[list[str]]
    """--add-host: [address, name, ...]."""
    exposed: list[str]
    ports: list[Publish]
    """What is published, ports as they were asked for."""
    dns: Dns
    healthcheck: Healthcheck | None
    health: HealthExtras
    restart: str
    """no, on-failure[:N], always or unless-stopped."""
    sdnotify: str
    """container, supervisor, healthy or ignore."""
    log_driver: str
    log_options: dict[str, str]
    volumes: list[Volume]
    spec: Spec


class State(TypedDict, total=False):
    """What became of a container."""

    status: Literal["created", "running", "restarting", "exited"]
    pid: int
    started: float
    finished: float
    exit_code: int
    error: str
    boot: str
    degraded: list[str]


class Status(Protocol):
    """A state as `Container.state()` gives it: what `inspect` needs of it."""

    @property
    def status(self) -> str:
        """Created, running or exited, in small letters."""

    @property
    def pid(self) -> int:
        """The container's first process, on the host."""

    @property
    def started(self) -> float:
        """Seconds since the epoch; 0 for not yet."""

    @property
    def finished(self) -> float:
        """Seconds since the epoch; 0 for not yet."""

    @property
    def exit_code(self) -> int:
        """Of the last run."""

    @property
    def error(self) -> str:
        """Why it did not start."""

    @property
    def running(self) -> bool:
        """Whether its processes are there."""

    @property
    def active(self) -> bool:
        """Whether it runs, or will by itself."""

    @property
    def supervisor(self) -> int:
        """The supervisor's pid, 0 without one."""

    @property
    def restart_count(self) -> int:
        """How often its restart policy has started it."""

    @property
    def health(self) -> str:
        """What its health check says now, empty for nothing."""

    @property
    def ports(self) -> list[Port]:
        """What is published now."""

    @property
    def degraded(self) -> list[str]:
        """What was refused and what was done instead, in words."""
