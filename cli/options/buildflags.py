"""Options of `build` about its commands, its image, and where that goes."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from rootless.cli.options import network, security
from rootless.cli.options.declare import option, silent
from rootless.cli.options.registries import PatientReach

COMMANDS = "Commands of RUN"
IMAGE = "Image"
OUTPUT = "Output"

BuildNetwork = Annotated[
    str,
    option(
        "--network",
        metavar="MODE",
        panel=COMMANDS,
        about="Of RUN without one: default, private, none, host, ns:PATH, pasta. (private)",
    ),
]
Isolation = Annotated[
    str,
    option(
        "--isolation",
        metavar="TYPE",
        panel=COMMANDS,
        about="default, oci, rootless, chroot: always the same.",
    ),
]
BuildVolume = Annotated[
    list[str] | None,
    option(
        "--volume",
        "-v",
        metavar="SRC:DST[:OPTIONS]",
        panel=COMMANDS,
        about="Mount it for each RUN; nothing of it is in the image.",
    ),
]
BuildShmSize = Annotated[
    str, option("--shm-size", metavar="SIZE", panel=COMMANDS, about="Of /dev/shm. (64m)")
]
Allow = Annotated[
    list[str] | None,
    option(
        "--allow",
        metavar="WHAT",
        panel=COMMANDS,
        about="network.host or security.insecure: what RUN may ask for.",
    ),
]
NoHostname = Annotated[
    bool, option("--no-hostname", panel=COMMANDS, about="Leave the image's /etc/hostname alone.")
]
BuildHttpProxy = Annotated[
    bool,
    option(
        "--http-proxy", panel=COMMANDS, about="Pass the proxy variables to RUN. (default: true)"
    ),
]
Annotations = Annotated[
    list[str] | None,
    option("--annotation", metavar="KEY=VALUE", panel=IMAGE, about="Of the image's manifest."),
]
BuildEnv = Annotated[
    list[str] | None,
    option(
        "--env",
        metavar="KEY[=VALUE]",
        panel=IMAGE,
        about="A variable of the image, before ENV; without a value that of here.",
    ),
]
BuildUnsetEnv = Annotated[
    list[str] | None,
    option("--unsetenv", metavar="KEY", panel=IMAGE, about="Leave a variable out in the end."),
]
UnsetLabel = Annotated[
    list[str] | None,
    option("--unsetlabel", metavar="KEY", panel=IMAGE, about="Leave out a label of the base."),
]
UnsetAnnotation = Annotated[
    list[str] | None,
    option("--unsetannotation", metavar="KEY", panel=IMAGE, about="Accepted: none is inherited."),
]
Squash = Annotated[
    bool, option("--squash", panel=IMAGE, about="Make one layer of all that are new.")
]
SquashAll = Annotated[
    bool, option("--squash-all", panel=IMAGE, about="Make one layer of all, the base's too.")
]
Layers = Annotated[
    bool,
    option(
        "--layers", panel=IMAGE, about="A layer a step; =false: one, and no cache. (default: true)"
    ),
]
Timestamp = Annotated[
    str,
    option("--timestamp", metavar="SECONDS", panel=IMAGE, about="The same as --source-date-epoch."),
]
RewriteTimestamp = Annotated[
    bool,
    option(
        "--rewrite-timestamp", panel=IMAGE, about="Accepted: a moment that is given dates files."
    ),
]
OmitHistory = Annotated[bool, option("--omit-history", panel=IMAGE, about="Leave the history out.")]
BuildFormat = Annotated[
    Literal["", "oci", "docker"],
    option("--format", metavar="FORMAT", panel=IMAGE, about="oci or docker. (oci)"),
]
BuildOs = Annotated[
    str, option("--os", metavar="OS", panel=IMAGE, about="Instead of linux, with its base.")
]
BuildArch = Annotated[
    str, option("--arch", metavar="ARCH", panel=IMAGE, about="Instead of this machine's.")
]
BuildVariant = Annotated[
    str, option("--variant", metavar="VARIANT", panel=IMAGE, about="Of the architecture: v7, ...")
]
OsVersion = Annotated[
    str, option("--os-version", metavar="VERSION", panel=IMAGE, about="That it needs.")
]
OsFeature = Annotated[
    list[str] | None,
    option("--os-feature", metavar="FEATURE", panel=IMAGE, about="That it needs of its system."),
]
IdentityLabel = Annotated[
    bool, option("--identity-label", panel=IMAGE, about="Accepted: there is no label of ours.")
]
BuildOutput = Annotated[
    list[str] | None,
    option(
        "--output",
        "-o",
        metavar="DIR|type=KIND,dest=PATH,...",
        panel=OUTPUT,
        about="local, tar: files alone, no image; oci, docker: archives; image; registry.",
    ),
]
Load = Annotated[bool, option("--load", panel=OUTPUT, about="Into the store, as it is anyway.")]
Push = Annotated[bool, option("--push", panel=OUTPUT, about="Push it by its names as well.")]
MetadataFile = Annotated[
    str,
    option(
        "--metadata-file", metavar="FILE", panel=OUTPUT, about="Write digests and names, as JSON."
    ),
]

Provenance = Annotated[
    str,
    option(
        "--provenance",
        metavar="true|false|mode=min|max,...",
        panel=OUTPUT,
        about="Say beside the image how it was made (SLSA). (false)",
    ),
]
Sbom = Annotated[
    str,
    option(
        "--sbom",
        metavar="true|false",
        panel=OUTPUT,
        about="List beside the image the packages in it (SPDX). (false)",
    ),
]
Attest = Annotated[
    list[str] | None,
    option(
        "--attest",
        metavar="type=sbom|provenance,...",
        panel=OUTPUT,
        about="The same as --sbom and --provenance.",
    ),
]
Builder = Annotated[str, silent("--builder")]
Rm = Annotated[bool, silent("--rm")]
ForceRm = Annotated[bool, silent("--force-rm")]
Compress = Annotated[bool, silent("--compress")]
DisableCompression = Annotated[bool, silent("--disable-compression", "-D")]
ContentTrust = Annotated[bool, silent("--disable-content-trust")]
SkipUnused = Annotated[bool, silent("--skip-unused-stages")]

Ulimit = security.Ulimit
CapAdd = security.CapAdd
CapDrop = security.CapDrop
SecurityOpt = security.SecurityOpt
Device = security.Device
AddHost = network.AddHost
Dns = network.Dns
DnsSearch = network.DnsSearch
DnsOption = network.DnsOption
NoHosts = network.NoHosts
Pid = security.Pid
Ipc = security.Ipc
Uts = security.Uts
Cgroupns = security.Cgroupns


class OfContainers(TypedDict, total=False):
    """What the containers of commands are to be."""

    network: BuildNetwork
    isolation: Isolation
    volume: BuildVolume
    shm_size: BuildShmSize
    ulimit: Ulimit
    cap_add: CapAdd
    cap_drop: CapDrop
    security_opt: SecurityOpt
    device: Device
    add_host: AddHost
    dns: Dns
    dns_search: DnsSearch
    dns_option: DnsOption
    no_hosts: NoHosts
    http_proxy: BuildHttpProxy
    pid: Pid
    ipc: Ipc
    uts: Uts
    cgroupns: Cgroupns


class OfCommands(OfContainers, total=False):
    """What the containers of RUN are to be, and what it may ask for."""

    allow: Allow
    no_hostname: NoHostname


class OfImage(TypedDict, total=False):
    """What the image is to be, besides what its Dockerfile says."""

    annotation: Annotations
    env: BuildEnv
    unsetenv: BuildUnsetEnv
    unsetlabel: UnsetLabel
    unsetannotation: UnsetAnnotation
    squash: Squash
    squash_all: SquashAll
    layers: Layers
    timestamp: Timestamp
    rewrite_timestamp: RewriteTimestamp
    omit_history: OmitHistory
    format: BuildFormat
    os: BuildOs
    arch: BuildArch
    variant: BuildVariant
    os_version: OsVersion
    os_feature: OsFeature
    identity_label: IdentityLabel


class OfOutput(TypedDict, total=False):
    """Where it goes, and what is told of it."""

    output: BuildOutput
    load: Load
    push: Push
    metadata_file: MetadataFile
    provenance: Provenance
    sbom: Sbom
    attest: Attest


class Idle(TypedDict, total=False):
    """What neither docker nor podman does anything with today."""

    builder: Builder
    rm: Rm
    force_rm: ForceRm
    compress: Compress
    disable_compression: DisableCompression
    disable_content_trust: ContentTrust
    skip_unused_stages: SkipUnused


class Flags(OfCommands, OfImage, OfOutput, PatientReach, Idle, total=False):
    """All of these."""
