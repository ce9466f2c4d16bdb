"""Options of `build`."""

from __future__ import annotations

from typing import Annotated, Literal

from rootless.cli.options.buildflags import COMMANDS, IMAGE, OUTPUT, Flags
from rootless.cli.options.declare import argument, option, option_with

DOCKERFILE = "Dockerfile"
STEPS = "Steps and their cache"
TELLING = "What is told"

BuildContext = Annotated[
    str,
    argument(
        "[CONTEXT]",
        "What COPY and ADD take files of: a directory, a tar, a URL of one, a git repository, or - "
        "for standard input. (default: .)",
    ),
]
BuildTag = Annotated[
    list[str] | None,
    option(
        "--tag",
        "-t",
        metavar="NAME[:TAG]",
        panel=IMAGE,
        about="Give the image a name; may be repeated.",
    ),
]
BuildFile = Annotated[
    str,
    option(
        "--file",
        "-f",
        metavar="FILE",
        panel=DOCKERFILE,
        about="The Dockerfile, - for standard input.",
    ),
]
BuildArgument = Annotated[
    list[str] | None,
    option(
        "--build-arg",
        metavar="NAME[=VALUE]",
        panel=DOCKERFILE,
        about="Give an ARG its value; without one that of the environment.",
    ),
]
BuildContexts = Annotated[
    list[str] | None,
    option(
        "--build-context",
        metavar="NAME=PLACE",
        panel=DOCKERFILE,
        about="Another context by name: DIR, a URL, docker-image://IMAGE, oci-layout://DIR:TAG.",
    ),
]
IgnoreFile = Annotated[
    str,
    option(
        "--ignorefile",
        metavar="FILE",
        panel=DOCKERFILE,
        about="Take this in place of .dockerignore.",
    ),
]
BuildFrom = Annotated[
    str,
    option(
        "--from",
        metavar="IMAGE",
        panel=DOCKERFILE,
        about="Take this image in the place of what the first FROM names.",
    ),
]
BuildTarget = Annotated[
    str,
    option(
        "--target", metavar="STAGE", panel=DOCKERFILE, about="Build this stage, and what it needs."
    ),
]
BuildLabel = Annotated[
    list[str] | None,
    option("--label", metavar="NAME[=VALUE]", panel=IMAGE, about="Give the image a label."),
]
NoCache = Annotated[bool, option("--no-cache", panel=STEPS, about="Do every step again.")]
NoCacheFilter = Annotated[
    list[str] | None,
    option(
        "--no-cache-filter",
        metavar="STAGE",
        panel=STEPS,
        about="Do every step of this stage again.",
    ),
]
CacheTtl = Annotated[
    str,
    option(
        "--cache-ttl",
        metavar="TIME",
        panel=STEPS,
        about="Take no results that are older: 24h, 90m.",
    ),
]
CacheFrom = Annotated[
    list[str] | None,
    option(
        "--cache-from",
        metavar="NAME|type=KIND,...",
        panel=STEPS,
        about="Take results from there as well: type=local,src=DIR, type=registry,ref=NAME.",
    ),
]
CacheTo = Annotated[
    list[str] | None,
    option(
        "--cache-to",
        metavar="NAME|type=KIND,...",
        panel=STEPS,
        about="Write the results there: type=local,dest=DIR, type=registry,ref=NAME, type=inline; "
        "mode=max, mounts=true, compression=KIND, ignore-error=true.",
    ),
]
BuildPull = Annotated[
    str,
    option_with(
        "--pull",
        metavar="POLICY",
        panel=STEPS,
        about="Fetch base images: always, missing, never, newer. (missing; alone: always)",
    ),
]
BuildQuiet = Annotated[
    bool, option("--quiet", "-q", panel=TELLING, about="Print the image's id alone.")
]
BuildPlatform = Annotated[
    list[str] | None,
    option(
        "--platform",
        metavar="OS/ARCH,...",
        panel=IMAGE,
        about="Build for this platform, or for several and make a manifest list of them.",
    ),
]
AllPlatforms = Annotated[
    bool,
    option("--all-platforms", panel=IMAGE, about="Build for every platform of its base images."),
]
BuildManifest = Annotated[
    str,
    option(
        "--manifest", metavar="NAME", panel=OUTPUT, about="Add the image to this manifest list."
    ),
]
IidFile = Annotated[
    str, option("--iidfile", metavar="FILE", panel=OUTPUT, about="Write the image's id here.")
]
Jobs = Annotated[
    int,
    option(
        "--jobs", metavar="N", panel=STEPS, about="Do so many steps at once. (default: one a core)"
    ),
]
Progress = Annotated[
    str,
    option(
        "--progress",
        metavar="HOW",
        panel=TELLING,
        about="Tell of it as auto, plain, tty, quiet or rawjson. (BUILDKIT_PROGRESS, auto)",
    ),
]
BuildCheck = Annotated[
    bool,
    option(
        "--check",
        panel=DOCKERFILE,
        about="Look for what is not as it should be, and build nothing.",
    ),
]
BuildCall = Annotated[
    str,
    option(
        "--call",
        metavar="METHOD[,format=json]",
        panel=DOCKERFILE,
        about="Do something else with the Dockerfile: check, outline, targets. (build)",
    ),
]
BuildPrint = Annotated[
    str,
    option(
        "--print",
        metavar="tree|context",
        panel=DOCKERFILE,
        about="Print the tree of the Dockerfile, or which files of the context are used or hidden.",
    ),
]
OnError = Annotated[
    Literal["", "shell"],
    option(
        "--on-error",
        metavar="shell",
        panel=TELLING,
        about="Where a command fails, begin a shell in what it has left.",
    ),
]
LogSplit = Annotated[
    bool,
    option("--logsplit", panel=TELLING, about="A log for each platform: FILE_linux_amd64, ..."),
]
BuildLog = Annotated[
    str,
    option("--logfile", metavar="FILE", panel=TELLING, about="Write what is told to this file."),
]
EpochOption = Annotated[
    str,
    option(
        "--source-date-epoch",
        metavar="SECONDS",
        panel=IMAGE,
        about="Date all by this moment. (SOURCE_DATE_EPOCH)",
    ),
]


BuildSecret = Annotated[
    list[str] | None,
    option(
        "--secret",
        metavar="id=ID[,src=FILE|,env=NAME][,cache=content]",
        panel=COMMANDS,
        about="Something for RUN --mount=type=secret, which reaches no layer.",
    ),
]
BuildSsh = Annotated[
    list[str] | None,
    option(
        "--ssh",
        metavar="default|ID[=SOCKET]",
        panel=COMMANDS,
        about="An ssh agent for RUN --mount=type=ssh. (SSH_AUTH_SOCK)",
    ),
]


class BuildAsked(Flags, total=False):
    """What is asked of a build besides its context and its names."""

    ignorefile: IgnoreFile
    build_arg: BuildArgument
    build_context: BuildContexts
    from_: BuildFrom
    target: BuildTarget
    label: BuildLabel
    no_cache: NoCache
    no_cache_filter: NoCacheFilter
    cache_ttl: CacheTtl
    cache_from: CacheFrom
    cache_to: CacheTo
    pull: BuildPull
    platform: BuildPlatform
    all_platforms: AllPlatforms
    manifest: BuildManifest
    iidfile: IidFile
    jobs: Jobs
    secret: BuildSecret
    ssh: BuildSsh
    logfile: BuildLog
    logsplit: LogSplit
    check: BuildCheck
    call: BuildCall
    print: BuildPrint
    on_error: OnError
    source_date_epoch: EpochOption
