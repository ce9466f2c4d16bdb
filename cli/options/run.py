"""The options of `run` and `create`, declared once, for Typer (see `options`).

The key of `Asked` is the parameter's name, and the name of the long option with - as _.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from rootless.cli.options.common import option

# Panels of the long help of run and create, in the order in which they are shown.
BASIC = "Container"
ENVIRONMENT = "Environment"
FILES = "Files and volumes"
NETWORK = "Network"
USERS = "Users and namespaces"
SECURITY = "Security and limits"
HEALTH = "Health checks"
IMAGE = "Image"


# ---- run and create: the container ----------------------------------------------------------
Detach = Annotated[
    bool,
    option("--detach", "-d", panel=BASIC, about="Run in the background and print the id."),
]
Interactive = Annotated[
    bool, option("--interactive", "-i", panel=BASIC, about="Pass standard input on.")
]
Tty = Annotated[bool, option("--tty", "-t", panel=BASIC, about="Give the container a terminal.")]
Rm = Annotated[bool, option("--rm", panel=BASIC, about="Remove the container when it ends.")]
Name = Annotated[str, option("--name", metavar="NAME", panel=BASIC, about="Name the container.")]
Replace = Annotated[
    bool, option("--replace", panel=BASIC, about="Remove a container of the same name first.")
]
Entrypoint = Annotated[
    str,
    option("--entrypoint", metavar="COMMAND", panel=BASIC, about="Instead of the image's."),
]
Init = Annotated[
    bool, option("--init", panel=BASIC, about="Let our init reap the container's orphans.")
]
Label = Annotated[
    list[str],
    option("--label", "-l", metavar="KEY=VALUE", panel=BASIC, about="Attach a label."),
]
LabelFile = Annotated[
    list[str],
    option("--label-file", metavar="FILE", panel=BASIC, about="Labels, one a line."),
]
Annotation = Annotated[
    list[str],
    option("--annotation", metavar="KEY=VALUE", panel=BASIC, about="Attach an OCI annotation."),
]
CidFile = Annotated[
    str, option("--cidfile", metavar="FILE", panel=BASIC, about="Write the id to a new file.")
]
StopSignal = Annotated[
    str, option("--stop-signal", metavar="SIGNAL", panel=BASIC, about="What stop sends. (TERM)")
]
StopTimeout = Annotated[
    int,
    option("--stop-timeout", metavar="SECONDS", panel=BASIC, about="Before stop kills. (10)"),
]
LogDriver = Annotated[
    str,
    option(
        "--log-driver",
        metavar="DRIVER",
        panel=BASIC,
        about="json-file, k8s-file, journald, passthrough, none. (json-file)",
    ),
]
LogOpt = Annotated[
    list[str],
    option(
        "--log-opt",
        metavar="KEY=VALUE",
        panel=BASIC,
        about="max-size=10m, max-file=3, compress=true; tag for journald.",
    ),
]
Restart = Annotated[
    str,
    option(
        "--restart",
        metavar="POLICY",
        panel=BASIC,
        about="no, on-failure[:N], always, unless-stopped. (no)",
    ),
]
SdNotify = Annotated[
    str,
    option(
        "--sdnotify",
        metavar="MODE",
        panel=BASIC,
        about="container, supervisor, healthy, ignore: who tells systemd. (container)",
    ),
]
DetachKeys = Annotated[
    str,
    option(
        "--detach-keys",
        metavar="KEYS",
        panel=BASIC,
        about="What leaves a terminal; empty for nothing. (ctrl-p,ctrl-q)",
    ),
]
SigProxy = Annotated[
    bool, option("--sig-proxy", panel=BASIC, about="Pass signals on to it. (default: true)")
]
# ---- run and create: health -----------------------------------------------------------------
HealthCmd = Annotated[
    str,
    option(
        "--health-cmd", metavar="COMMAND", panel=HEALTH, about="For a shell; none for no check."
    ),
]
HealthInterval = Annotated[
    str, option("--health-interval", metavar="TIME", panel=HEALTH, about="Between checks. (30s)")
]
HealthTimeout = Annotated[
    str, option("--health-timeout", metavar="TIME", panel=HEALTH, about="Of one check. (30s)")
]
HealthRetries = Annotated[
    int, option("--health-retries", metavar="N", panel=HEALTH, about="Failures in a row. (3)")
]
HealthStartPeriod = Annotated[
    str,
    option(
        "--health-start-period",
        metavar="TIME",
        panel=HEALTH,
        about="Failures that do not count. (0s)",
    ),
]
HealthStartInterval = Annotated[
    str,
    option("--health-start-interval", metavar="TIME", panel=HEALTH, about="In that period. (5s)"),
]
NoHealthcheck = Annotated[
    bool, option("--no-healthcheck", panel=HEALTH, about="Ignore the image's health check.")
]
HealthOnFailure = Annotated[
    str,
    option(
        "--health-on-failure",
        metavar="ACTION",
        panel=HEALTH,
        about="When unhealthy: none, kill, restart, stop. (none)",
    ),
]
HealthStartupCmd = Annotated[
    str,
    option(
        "--health-startup-cmd", metavar="COMMAND", panel=HEALTH, about="A check that comes first."
    ),
]
HealthStartupInterval = Annotated[
    str,
    option("--health-startup-interval", metavar="TIME", panel=HEALTH, about="Between these. (30s)"),
]
HealthStartupTimeout = Annotated[
    str,
    option(
        "--health-startup-timeout", metavar="TIME", panel=HEALTH, about="Of one of these. (30s)"
    ),
]
HealthStartupRetries = Annotated[
    int,
    option(
        "--health-startup-retries", metavar="N", panel=HEALTH, about="Then it is restarted. (never)"
    ),
]
HealthStartupSuccess = Annotated[
    int,
    option(
        "--health-startup-success", metavar="N", panel=HEALTH, about="Successes that end it. (1)"
    ),
]
# ---- run and create: environment ------------------------------------------------------------
Env = Annotated[
    list[str],
    option(
        "--env",
        "-e",
        metavar="KEY[=VALUE]",
        panel=ENVIRONMENT,
        about="Set a variable; without a value, copy it from here.",
    ),
]
EnvFile = Annotated[
    list[str],
    option("--env-file", metavar="FILE", panel=ENVIRONMENT, about="Variables, one a line."),
]
EnvHost = Annotated[
    bool, option("--env-host", panel=ENVIRONMENT, about="Copy this whole environment.")
]
HttpProxy = Annotated[
    bool,
    option("--http-proxy", panel=ENVIRONMENT, about="Pass the proxy variables. (default: true)"),
]
Workdir = Annotated[
    str, option("--workdir", "-w", metavar="DIR", panel=ENVIRONMENT, about="Start in DIR.")
]
# ---- run and create: files ------------------------------------------------------------------
Volume = Annotated[
    list[str],
    option(
        "--volume",
        "-v",
        metavar="SRC:DST[:OPTS]",
        panel=FILES,
        about="Show a directory or file of ours; OPTS: ro, rw, O, U, z, Z, rslave, ...",
    ),
]
Mount = Annotated[
    list[str],
    option("--mount", metavar="type=TYPE,...", panel=FILES, about="bind or tmpfs, in long form."),
]
Tmpfs = Annotated[
    list[str],
    option("--tmpfs", metavar="DIR[:OPTS]", panel=FILES, about="An empty file system in memory."),
]
ReadOnly = Annotated[
    bool, option("--read-only", panel=FILES, about="Forbid writing to the root file system.")
]
ReadOnlyTmpfs = Annotated[
    bool,
    option(
        "--read-only-tmpfs", panel=FILES, about="With --read-only: /tmp, /run in memory. (true)"
    ),
]
Rootfs = Annotated[
    bool,
    option("--rootfs", panel=FILES, about="IMAGE is a directory; DIR:O keeps it untouched."),
]
ShmSize = Annotated[
    str, option("--shm-size", metavar="SIZE", panel=FILES, about="Size of /dev/shm. (64m)")
]
# ---- run and create: network ----------------------------------------------------------------
Network = Annotated[
    str,
    option(
        "--network",
        "--net",
        metavar="MODE",
        panel=NETWORK,
        about="private[:cidr=,mtu=,ipv6=,host-loopback=,buffers=], none, host, ... (private)",
    ),
]
Publish = Annotated[
    list[str],
    option(
        "--publish",
        "-p",
        metavar="[IP:][HOST:]PORT[/PROTO]",
        panel=NETWORK,
        about="Make a port, or PORT-PORT, reachable from outside.",
    ),
]
PublishAll = Annotated[
    bool,
    option("--publish-all", "-P", panel=NETWORK, about="All ports that are exposed."),
]
Expose = Annotated[
    list[str],
    option(
        "--expose", metavar="PORT[/PROTO]", panel=NETWORK, about="For -P, besides the image's own."
    ),
]
PublishPrivileged = Annotated[
    str,
    option(
        "--publish-privileged",
        metavar="WAY",
        panel=NETWORK,
        about="A port below 1024: error, or remap, 80 to 8080. (error)",
    ),
]
Dns = Annotated[
    list[str],
    option("--dns", metavar="IP", panel=NETWORK, about="Name server. (the host's)"),
]
DnsSearch = Annotated[
    list[str],
    option("--dns-search", metavar="DOMAIN", panel=NETWORK, about="Search domain; . for none."),
]
DnsOption = Annotated[
    list[str],
    option("--dns-option", "--dns-opt", metavar="OPT", panel=NETWORK, about="See resolv.conf(5)."),
]
Hostname = Annotated[
    str, option("--hostname", "-h", metavar="NAME", panel=NETWORK, about="By default the id.")
]
AddHost = Annotated[
    list[str],
    option(
        "--add-host",
        metavar="HOST:IP",
        panel=NETWORK,
        about="A line of /etc/hosts; the IP host-gateway is this machine's.",
    ),
]
NoHosts = Annotated[
    bool, option("--no-hosts", panel=NETWORK, about="Leave the image's /etc/hosts alone.")
]
# ---- run and create: users and namespaces ---------------------------------------------------
User = Annotated[
    str,
    option("--user", "-u", metavar="USER[:GROUP]", panel=USERS, about="Names or numbers."),
]
GroupAdd = Annotated[
    list[str],
    option("--group-add", metavar="GROUP", panel=USERS, about="Further group, or keep-groups."),
]
Userns = Annotated[
    str,
    option(
        "--userns",
        metavar="MODE",
        panel=USERS,
        about="host, nomap, or keep-id[:uid=N,gid=N,shared].",
    ),
]
Pid = Annotated[str, option("--pid", metavar="MODE", panel=USERS, about="private or host.")]
Ipc = Annotated[str, option("--ipc", metavar="MODE", panel=USERS, about="private or host.")]
Uts = Annotated[str, option("--uts", metavar="MODE", panel=USERS, about="private or host.")]
Cgroupns = Annotated[
    str, option("--cgroupns", metavar="MODE", panel=USERS, about="private or host.")
]
# ---- run and create: security ---------------------------------------------------------------
Privileged = Annotated[
    bool, option("--privileged", panel=SECURITY, about="All that the user may do, no masks.")
]
Device = Annotated[
    list[str],
    option("--device", metavar="SRC[:DST]", panel=SECURITY, about="Show a device of the host."),
]
CapAdd = Annotated[
    list[str],
    option("--cap-add", metavar="CAP", panel=SECURITY, about="Add a capability, or ALL."),
]
CapDrop = Annotated[
    list[str],
    option("--cap-drop", metavar="CAP", panel=SECURITY, about="Drop a capability, or ALL."),
]
SecurityOpt = Annotated[
    list[str],
    option(
        "--security-opt",
        metavar="OPT",
        panel=SECURITY,
        about="seccomp=FILE|unconfined, no-new-privileges, unmask=PATHS.",
    ),
]
Ulimit = Annotated[
    list[str],
    option("--ulimit", metavar="NAME=SOFT[:HARD]", panel=SECURITY, about="Set a limit."),
]
Sysctl = Annotated[
    list[str],
    option("--sysctl", metavar="NAME=VALUE", panel=SECURITY, about="Set a kernel parameter."),
]
# ---- run and create: the image --------------------------------------------------------------
PullPolicy = Annotated[
    Literal["always", "missing", "never", "newer"],
    option(
        "--pull", metavar="POLICY", panel=IMAGE, about="always, missing, never, newer. (missing)"
    ),
]
Platform = Annotated[
    str,
    option("--platform", metavar="OS/ARCH", panel=IMAGE, about="Of an image for many machines."),
]


class Asked(TypedDict, total=False):
    """What run and create have in common. Only what was given is passed on."""

    interactive: Interactive
    tty: Tty
    rm: Rm
    name: Name
    replace: Replace
    entrypoint: Entrypoint
    init: Init
    label: Label
    label_file: LabelFile
    annotation: Annotation
    cidfile: CidFile
    stop_signal: StopSignal
    stop_timeout: StopTimeout
    log_driver: LogDriver
    log_opt: LogOpt
    restart: Restart
    sdnotify: SdNotify
    health_cmd: HealthCmd
    health_interval: HealthInterval
    health_timeout: HealthTimeout
    health_retries: HealthRetries
    health_start_period: HealthStartPeriod
    health_start_interval: HealthStartInterval
    no_healthcheck: NoHealthcheck
    health_on_failure: HealthOnFailure
    health_startup_cmd: HealthStartupCmd
    health_startup_interval: HealthStartupInterval
    health_startup_timeout: HealthStartupTimeout
    health_startup_retries: HealthStartupRetries
    health_startup_success: HealthStartupSuccess
    env: Env
    env_file: EnvFile
    env_host: EnvHost
    http_proxy: HttpProxy
    workdir: Workdir
    volume: Volume
    mount: Mount
    tmpfs: Tmpfs
    read_only: ReadOnly
    read_only_tmpfs: ReadOnlyTmpfs
    rootfs: Rootfs
    shm_size: ShmSize
    network: Network
    publish: Publish
    publish_all: PublishAll
    expose: Expose
    publish_privileged: PublishPrivileged
    dns: Dns
    dns_search: DnsSearch
    dns_option: DnsOption
    hostname: Hostname
    add_host: AddHost
    no_hosts: NoHosts
    user: User
    group_add: GroupAdd
    userns: Userns
    pid: Pid
    ipc: Ipc
    uts: Uts
    cgroupns: Cgroupns
    privileged: Privileged
    device: Device
    cap_add: CapAdd
    cap_drop: CapDrop
    security_opt: SecurityOpt
    ulimit: Ulimit
    sysctl: Sysctl
    pull: PullPolicy
    platform: Platform
