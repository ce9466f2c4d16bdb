"""Options of `build config`, `build commit`, `build ls`, `build mount` and `build rm`."""

from __future__ import annotations

from typing import Annotated

from rootless.cli.options import buildflags  # noqa: TC001 - read when tables are made
from rootless.cli.options.declare import argument, option, silent
from rootless.cli.options.registries import Reach
from rootless.cli.options.working.beginning import Historic

CommitTarget = Annotated[str, argument("[IMAGE]", "Its name, or TRANSPORT:PLACE as `copy` has it.")]
SomeWorking = Annotated[
    list[str] | None, argument("[CONTAINER]...", "Working containers, by names or ids.")
]
EveryWorking = Annotated[bool, option("--all", "-a", about="All working containers.")]
AsJson = Annotated[bool, option("--json", about="As JSON.")]
AllContainers = Annotated[bool, option("--all", "-a", about="Other containers as well.")]
NoHeading = Annotated[bool, option("--noheading", "-n", about="No line of headings.")]
NoTruncate = Annotated[bool, option("--notruncate", "--no-trunc", about="Do not shorten ids.")]
LsFilter = Annotated[
    list[str] | None,
    option("--filter", "-f", metavar="KEY=VALUE", about="Only what fits: id, name, ancestor."),
]
CommitRm = Annotated[bool, option("--rm", about="Remove the container, once that has gone well.")]
CommitSquash = Annotated[bool, option("--squash", about="Make one layer of all, the base's too.")]
IidFile = Annotated[str, option("--iidfile", metavar="FILE", about="Write the id to this file.")]
Manifest = Annotated[
    str, option("--manifest", metavar="NAME", about="Add the image to this manifest list.")
]
CommitQuiet = Annotated[bool, option("--quiet", "-q", about="Do not show progress.")]
Uncompressed = Annotated[bool, silent("--disable-compression", "-D")]


class CommitAsked(Reach, total=False):
    """What is asked of an image besides its name."""

    rm: CommitRm
    squash: CommitSquash
    format: buildflags.BuildFormat
    iidfile: IidFile
    timestamp: buildflags.Timestamp
    manifest: Manifest
    omit_history: buildflags.OmitHistory
    unsetenv: buildflags.BuildUnsetEnv
    identity_label: buildflags.IdentityLabel
    disable_compression: Uncompressed


ConfigEnv = Annotated[
    list[str] | None,
    option("--env", "-e", metavar="KEY[=VALUE]", about="A variable; KEY- removes it, - all."),
]
ConfigLabel = Annotated[
    list[str] | None,
    option("--label", "-l", metavar="KEY=VALUE", about="A label; KEY- removes it, - all."),
]
ConfigAnnotation = Annotated[
    list[str] | None,
    option("--annotation", "-a", metavar="KEY=VALUE", about="Of the manifest; KEY-, - as before."),
]
ConfigPort = Annotated[
    list[str] | None,
    option("--port", "-p", metavar="PORT[/PROTO]", about="A port; PORT- removes it, - all."),
]
ConfigVolume = Annotated[
    list[str] | None,
    option("--volume", "-v", metavar="PATH", about="A volume; PATH- removes it, - all."),
]
ConfigOnbuild = Annotated[
    list[str] | None,
    option("--onbuild", metavar="LINE", about="For builds upon the image; - removes all."),
]
ConfigFeature = Annotated[
    list[str] | None,
    option("--os-feature", metavar="NAME", about="That it needs; NAME- removes it, - all."),
]
ConfigCmd = Annotated[
    str, option("--cmd", metavar="COMMAND", about="Words or a JSON list; empty removes it.")
]
ConfigEntrypoint = Annotated[
    str,
    option(
        "--entrypoint", metavar="COMMAND", about="A JSON list, or a line for the shell; or empty."
    ),
]
ConfigShell = Annotated[
    str, option("--shell", metavar="COMMAND", about="What reads lines: words or a JSON list.")
]
ConfigUser = Annotated[
    str, option("--user", "-u", metavar="USER[:GROUP]", about="Who runs commands; or empty.")
]
ConfigDir = Annotated[
    str,
    option("--workingdir", metavar="DIR", about="Where commands begin; it is made, as by WORKDIR."),
]
ConfigSignal = Annotated[
    str, option("--stop-signal", metavar="SIGNAL", about="What ends a container.")
]
ConfigHealth = Annotated[
    str,
    option("--healthcheck", metavar="CHECK", about="CMD ..., CMD-SHELL ..., NONE; empty removes."),
]
HealthInterval = Annotated[
    str, option("--healthcheck-interval", metavar="TIME", about="Between two checks.")
]
HealthTimeout = Annotated[
    str, option("--healthcheck-timeout", metavar="TIME", about="How long one may take.")
]
HealthStart = Annotated[
    str, option("--healthcheck-start-period", metavar="TIME", about="Failures do not count.")
]
HealthRetries = Annotated[
    int, option("--healthcheck-retries", metavar="N", about="Failures until it is unhealthy.")
]
Author = Annotated[str, option("--author", metavar="NAME", about="Who has made the image.")]
Comment = Annotated[str, option("--comment", metavar="TEXT", about="A note for the history.")]
HistoryComment = Annotated[str, option("--history-comment", metavar="TEXT", about="The same.")]
CreatedBy = Annotated[
    str, option("--created-by", metavar="TEXT", about="What the history says made the layer.")
]
ConfigOs = Annotated[str, option("--os", metavar="OS", about="The image's system.")]
ConfigArch = Annotated[str, option("--arch", metavar="ARCH", about="Its architecture.")]
ConfigVariant = Annotated[str, option("--variant", metavar="VARIANT", about="Of that: v7, ...")]
ConfigOsVersion = Annotated[str, option("--os-version", metavar="VERSION", about="That it needs.")]


class ConfigAsked(Historic, total=False):
    """What becomes another."""

    env: ConfigEnv
    label: ConfigLabel
    annotation: ConfigAnnotation
    port: ConfigPort
    volume: ConfigVolume
    onbuild: ConfigOnbuild
    cmd: ConfigCmd
    entrypoint: ConfigEntrypoint
    shell: ConfigShell
    user: ConfigUser
    workingdir: ConfigDir
    stop_signal: ConfigSignal
    healthcheck: ConfigHealth
    healthcheck_interval: HealthInterval
    healthcheck_timeout: HealthTimeout
    healthcheck_start_period: HealthStart
    healthcheck_retries: HealthRetries
    author: Author
    comment: Comment
    history_comment: HistoryComment
    created_by: CreatedBy
    os: ConfigOs
    arch: ConfigArch
    variant: ConfigVariant
    os_version: ConfigOsVersion
    os_feature: ConfigFeature
