"""Options of `build from`, `build run`, `build copy` and `build add`."""

from __future__ import annotations

from typing import Annotated, TypedDict

from rootless.cli.options import buildflags, network, run, security
from rootless.cli.options.declare import argument, option, option_with, silent
from rootless.cli.options.registries import Patience, PatientReach

HISTORY = "--add-history"

FromImage = Annotated[str, argument("IMAGE", "An image, or scratch for none.")]
Working = Annotated[str, argument("CONTAINER", "A working container, by name or id.")]
RunWords = Annotated[list[str] | None, argument("COMMAND [ARG]...", "The command.")]
Places = Annotated[
    list[str],
    argument(
        "SOURCE... [TARGET]", "Files, and where they go; one alone into the working directory."
    ),
]
WorkingName = Annotated[
    str, option("--name", metavar="NAME", about="Instead of IMAGE-working-container.")
]
FromPull = Annotated[
    str,
    option_with(
        "--pull", metavar="POLICY", about="always, missing, never, newer. (missing; alone: newer)"
    ),
]
PullAlways = Annotated[bool, silent("--pull-always")]
PullNever = Annotated[bool, silent("--pull-never")]
FromPlatform = Annotated[
    str, option("--platform", metavar="OS/ARCH", about="Of an image for several platforms.")
]
CidFile = Annotated[str, option("--cidfile", metavar="FILE", about="Write the id to this file.")]
FromQuiet = Annotated[bool, option("--quiet", "-q", about="Do not show progress.")]
AddHistory = Annotated[bool, option(HISTORY, about="Tell of it in the image's history.")]
Terminal = Annotated[bool, option("--terminal", "--tty", "-t", about="Give it a terminal.")]
RunUser = Annotated[
    str, option("--user", metavar="USER[:GROUP]", about="Instead of the image's, this once.")
]
RunDir = Annotated[
    str,
    option("--workingdir", "--cwd", metavar="DIR", about="Instead of the image's, this once."),
]
RunHostname = Annotated[
    str, option("--hostname", metavar="NAME", about="What it sees as its name.")
]
RunMount = Annotated[
    list[str] | None,
    option(
        "--mount",
        metavar="type=TYPE,...",
        about="As RUN has it (cache, secret, ssh, from=), or as `run` has it.",
    ),
]
ContextDir = Annotated[
    str,
    option("--contextdir", metavar="DIR", about="Where paths begin, and no link leads out of."),
]
Contained = Annotated[
    str,
    option("--from", metavar="CONTAINER|IMAGE", about="Its files, instead of this machine's."),
]
Chown = Annotated[str, option("--chown", metavar="USER[:GROUP]", about="Whose they become. (root)")]
Chmod = Annotated[str, option("--chmod", metavar="MODE", about="Which mode they get.")]
Checksum = Annotated[
    str, option("--checksum", metavar="DIGEST", about="What a file of the web has to be.")
]
CopyIgnore = Annotated[
    str, option("--ignorefile", metavar="FILE", about="What of --contextdir is not there.")
]
CopyQuiet = Annotated[bool, option("--quiet", "-q", about="Do not print the digest.")]

RunSecret = Annotated[
    list[str] | None,
    option("--secret", metavar="id=ID,src=FILE", about="What `--mount type=secret` shows."),
]
Env = run.Env
Network = buildflags.BuildNetwork
Isolation = buildflags.Isolation
Volume = buildflags.BuildVolume
CapAdd = security.CapAdd
CapDrop = security.CapDrop
NoHosts = network.NoHosts
Pid = security.Pid
Ipc = security.Ipc
Uts = security.Uts
Cgroupns = security.Cgroupns


class FromAsked(buildflags.OfContainers, PatientReach, total=False):
    """What is asked of a working container besides its image and its name."""

    pull: FromPull
    pull_always: PullAlways
    pull_never: PullNever
    platform: FromPlatform
    os: buildflags.BuildOs
    arch: buildflags.BuildArch
    variant: buildflags.BuildVariant
    format: buildflags.BuildFormat
    cidfile: CidFile


class Historic(TypedDict, total=False):
    """Whether the history tells of a step."""

    add_history: AddHistory


class RunAsked(Historic, total=False):
    """What is asked of a command."""

    env: Env
    user: RunUser
    workingdir: RunDir
    hostname: RunHostname
    mount: RunMount
    secret: RunSecret
    contextdir: ContextDir
    network: Network
    isolation: Isolation
    volume: Volume
    cap_add: CapAdd
    cap_drop: CapDrop
    no_hosts: NoHosts
    pid: Pid
    ipc: Ipc
    uts: Uts
    cgroupns: Cgroupns


class CopyAsked(Historic, Patience, total=False):
    """What is asked of a copy."""

    contained: Contained
    contextdir: ContextDir
    ignorefile: CopyIgnore
    chown: Chown
    chmod: Chmod
    quiet: CopyQuiet


class AddAsked(CopyAsked, total=False):
    """The same, with what only files of the web have."""

    checksum: Checksum
