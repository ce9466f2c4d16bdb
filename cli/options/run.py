"""The options of `run` and `create`, for Typer (see `common`); `Asked` is all that both have.

The key of `Asked` is the parameter's name, and the name of the long option with - as _.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from rootless.cli.options.accounts import AccountsAsked
from rootless.cli.options.declare import argument, option
from rootless.cli.options.health import HealthAsked
from rootless.cli.options.insides import InsidesAsked
from rootless.cli.options.life import BASIC, LifeAsked
from rootless.cli.options.network import NetworkAsked
from rootless.cli.options.registries import PatientReach
from rootless.cli.options.security import SecurityAsked, UsersAsked
from rootless.cli.options.volumes import FilesAsked

# Panels of the long help, in the order of `Asked`; those of the others are in their modules.
ENVIRONMENT = "Environment"
IMAGE = "Image"

Command = Annotated[
    list[str] | None,
    argument("[COMMAND] [ARG]...", "Command instead of the image's own, with its arguments."),
]
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
        about="max-size=10m, max-file=3, compress=true; tag, labels, env go with each line.",
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
        about="container, supervisor (or conmon), healthy, ignore: who tells systemd. (container)",
    ),
]
Systemd = Annotated[
    str,
    option(
        "--systemd",
        metavar="MODE",
        panel=BASIC,
        about="true, false, always: prepared for systemd, if that is the command. (true)",
    ),
]
Attach = Annotated[
    list[str],
    option(
        "--attach",
        "-a",
        metavar="STREAM",
        panel=BASIC,
        about="stdin, stdout or stderr alone; stdin needs -i. (what there is)",
    ),
]
DetachKeys = Annotated[
    str | None,
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
PreserveFds = Annotated[
    int,
    option(
        "--preserve-fds", metavar="N", panel=BASIC, about="It has our descriptors 3 to N+2 as well."
    ),
]
PreserveFd = Annotated[
    list[str] | None,
    option("--preserve-fd", metavar="FD,...", panel=BASIC, about="It has these of ours as well."),
]
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
EnvMerge = Annotated[
    list[str],
    option(
        "--env-merge",
        metavar="KEY=VALUE",
        panel=ENVIRONMENT,
        about="Make a variable of the image's: PATH='${PATH}:/opt/bin'.",
    ),
]
UnsetEnv = Annotated[
    list[str],
    option("--unsetenv", metavar="KEY", panel=ENVIRONMENT, about="Leave out one of the image's."),
]
UnsetEnvAll = Annotated[
    bool, option("--unsetenv-all", panel=ENVIRONMENT, about="Leave out the image's and ours.")
]
TimeZone = Annotated[
    str,
    option("--tz", metavar="ZONE", panel=ENVIRONMENT, about="Europe/Berlin, ..., or local."),
]
Umask = Annotated[
    str, option("--umask", metavar="MODE", panel=ENVIRONMENT, about="In octal. (0022)")
]
HttpProxy = Annotated[
    bool,
    option("--http-proxy", panel=ENVIRONMENT, about="Pass the proxy variables. (default: true)"),
]
Workdir = Annotated[
    str, option("--workdir", "-w", metavar="DIR", panel=ENVIRONMENT, about="Start in DIR.")
]
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
Arch = Annotated[
    str, option("--arch", metavar="ARCH", panel=IMAGE, about="Instead of this machine's.")
]
Os = Annotated[str, option("--os", metavar="OS", panel=IMAGE, about="Instead of linux.")]
Variant = Annotated[
    str,
    option("--variant", metavar="VARIANT", panel=IMAGE, about="Of the architecture: v7, v8, ..."),
]
QuietPull = Annotated[
    bool, option("--quiet", "-q", panel=IMAGE, about="Do not show how far a pull is.")
]
DecryptionKey = Annotated[
    list[str],
    option(
        "--decryption-key",
        metavar="KEY",
        panel=IMAGE,
        about="Refused: images cannot be encrypted here.",
    ),
]
ContentTrust = Annotated[
    bool, option("--disable-content-trust", panel=IMAGE, about="Accepted, as for docker.")
]


class BasicAsked(TypedDict, total=False):
    """What the container is."""

    interactive: Interactive
    tty: Tty
    attach: Attach
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
    systemd: Systemd


class EnvironmentAsked(TypedDict, total=False):
    """Its environment."""

    env: Env
    env_file: EnvFile
    env_host: EnvHost
    env_merge: EnvMerge
    unsetenv: UnsetEnv
    unsetenv_all: UnsetEnvAll
    http_proxy: HttpProxy
    workdir: Workdir
    tz: TimeZone
    umask: Umask


class ImageAsked(TypedDict, total=False):
    """Where its image comes from."""

    pull: PullPolicy
    quiet: QuietPull
    platform: Platform
    arch: Arch
    os: Os
    variant: Variant
    decryption_key: DecryptionKey
    disable_content_trust: ContentTrust


class Asked(
    BasicAsked,
    LifeAsked,
    HealthAsked,
    EnvironmentAsked,
    FilesAsked,
    NetworkAsked,
    UsersAsked,
    AccountsAsked,
    SecurityAsked,
    ImageAsked,
    PatientReach,
    InsidesAsked,
    total=False,
):
    """What run and create have in common. Only what was given is passed on."""
