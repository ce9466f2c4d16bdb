"""Every option and argument of the command line, declared once, for Typer.

A command's signature names them (`detach: opt.Detach = False`). This module is imported by
the Typer tree alone (help, errors, and the generator of `table.py`): commands see it only
under TYPE_CHECKING, so that running one costs no import of typer.

Those of `run` and `create`, of which there are as many again, are in `run_options`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

import typer


def option(*names: str, about: str, panel: str | None = None, metavar: str | None = None) -> Any:
    """Return the declaration of an option; defaults are said in `about`, where they matter."""
    return typer.Option(
        *names, help=about, rich_help_panel=panel, metavar=metavar, show_default=False
    )


def argument(metavar: str, about: str) -> Any:
    """Return the declaration of an argument. Completion goes by its metavar."""
    return typer.Argument(metavar=metavar, help=about, show_default=False)


class VersionAsked(Exception):
    """--version was given: nothing else matters."""


def _stop(asked: bool) -> None:
    if asked:
        raise VersionAsked


# ---- global ---------------------------------------------------------------------------------
Root = Annotated[
    str,
    option("--root", metavar="DIR", about="Keep images and containers in DIR. (ROOTLESS_ROOT)"),
]
Debug = Annotated[
    bool,
    option("--debug", about="Show where an error arose, and how long each step took."),
]
Version = Annotated[
    bool,
    typer.Option("--version", "-v", help="Show the version.", show_default=False, callback=_stop),
]

# ---- arguments ------------------------------------------------------------------------------
ImageName = Annotated[
    str, argument("IMAGE", "Name, name:tag, name@digest or id; `host` is this machine.")
]
ImageNames = Annotated[list[str], argument("IMAGE...", "Names or ids of images.")]
PulledNames = Annotated[
    list[str], argument("IMAGE...", "Names in registries, or archives and directories.")
]
SomeImages = Annotated[list[str] | None, argument("[IMAGE]...", "Names or ids of images.")]
Repository = Annotated[str, argument("[REPOSITORY[:TAG]]", "Only images of this name.")]
NewNames = Annotated[list[str], argument("TARGET...", "The new names.")]
NewName = Annotated[str, argument("[NAME]", "A name for the new image.")]
Command = Annotated[
    list[str] | None,
    argument("[COMMAND] [ARG]...", "Command instead of the image's own, with its arguments."),
]
ExecCommand = Annotated[list[str], argument("COMMAND [ARG]...", "The command and its arguments.")]
HostCommand = Annotated[list[str] | None, argument("[COMMAND] [ARG]...", "By default a shell.")]
Container = Annotated[str, argument("CONTAINER", "Name or id, which may be shortened.")]
Containers = Annotated[list[str], argument("CONTAINER...", "Names or ids, which may be shortened.")]
SomeContainers = Annotated[
    list[str] | None, argument("[CONTAINER]...", "Names or ids, which may be shortened.")
]
ContainerName = Annotated[str, argument("NAME", "The new name.")]
Descriptors = Annotated[list[str] | None, argument("[COLUMN]...", "Descriptors, or options of ps.")]
PublishAdd = Annotated[
    list[str] | None,
    option("--publish-add", metavar="[IP:][HOST:]PORT[/PROTO]", about="Publish a further port."),
]
PublishRm = Annotated[
    list[str] | None,
    option("--publish-rm", metavar="PORT[/PROTO]", about="Publish a port no more."),
]
CaptureFile = Annotated[str, argument("FILE", "A pcap file; - is stdout.")]
NoStream = Annotated[bool, option("--no-stream", about="Look once.")]
MaybePort = Annotated[str, argument("[PORT[/PROTO]]", "A port of the container.")]
MaybeContainer = Annotated[str, argument("[CONTAINER]", "Name or id, which may be shortened.")]
MaybeObjects = Annotated[
    list[str] | None, argument("[NAME]...", "Containers or images, by name or id.")
]
Archive = Annotated[str, argument("FILE", "A tar archive of a root file system; - is stdin.")]
Shell = Annotated[Literal["bash", "zsh", "fish"], argument("SHELL", "bash, zsh or fish.")]

# ---- shared by several commands -------------------------------------------------------------
All = Annotated[bool, option("--all", "-a", about="All containers.")]
Format = Annotated[
    str,
    option("--format", metavar="TEMPLATE", about="json, a Go template, or `table TEMPLATE`."),
]
ShortFormat = Annotated[
    str, option("--format", "-f", metavar="TEMPLATE", about="json, or a Go template.")
]
InspectFormat = Annotated[
    str,
    option("--format", "-f", metavar="TEMPLATE", about="json, docker, podman, or a Go template."),
]
Filter = Annotated[
    list[str] | None,
    option("--filter", "-f", metavar="KEY=VALUE", about="Only what fits (see below)."),
]
PruneFilter = Annotated[
    list[str] | None,
    option("--filter", metavar="KEY=VALUE", about="Only what fits (see below)."),
]
NoTrunc = Annotated[bool, option("--no-trunc", about="Do not shorten ids and commands.")]
Quiet = Annotated[bool, option("--quiet", "-q", about="Print ids only.")]
Silent = Annotated[bool, option("--quiet", "-q", about="Do not show progress.")]
Input = Annotated[str, option("--input", "-i", metavar="FILE", about="Instead of stdin.")]
Output = Annotated[str, option("--output", "-o", metavar="FILE", about="Instead of stdout.")]
Time = Annotated[
    int | None,
    option(
        "--time",
        "--timeout",
        "-t",
        metavar="SECONDS",
        about="Before it is killed. (the container's, 10)",
    ),
]

# ---- ps -------------------------------------------------------------------------------------
Last = Annotated[
    int, option("--last", "-n", metavar="N", about="The N that were created last, in any state.")
]
NoHeading = Annotated[bool, option("--noheading", about="No line of headings.")]
Sort = Annotated[
    str, option("--sort", metavar="KEY", about="created, id, image, names, size, status, ...")
]
Latest = Annotated[bool, option("--latest", "-l", about="The one that was created last.")]
Size = Annotated[bool, option("--size", "-s", about="Show how much each has written.")]

# ---- system and boot ------------------------------------------------------------------------
Verbose = Annotated[bool, option("--verbose", "-v", about="Each thing by itself.")]
Quick = Annotated[bool, option("--quick", "-q", about="Do not read the contents of blobs.")]
Repair = Annotated[bool, option("--repair", "-r", about="Mend what costs nothing.")]
ForceRepair = Annotated[
    bool, option("--force", "-f", about="Mend all, even if an image or a container goes.")
]
ForceReset = Annotated[bool, option("--force", "-f", about="Do not ask.")]
BootAction = Annotated[
    Literal["enable", "disable", "status"], argument("ACTION", "enable, disable or status.")
]

# ---- images ---------------------------------------------------------------------------------
AllImages = Annotated[bool, option("--all", "-a", about="Also images without a name.")]
Digests = Annotated[bool, option("--digests", about="Show digests.")]
ForceImage = Annotated[bool, option("--force", "-f", about="Also where a container uses it.")]
EveryImage = Annotated[bool, option("--all", "-a", about="All images.")]
NoImageHeading = Annotated[bool, option("--noheading", "-n", about="No line of headings.")]
ImageSort = Annotated[
    Literal["created", "id", "repository", "size", "tag"],
    option("--sort", metavar="KEY", about="created, id, repository, size, tag. (created)"),
]
Human = Annotated[
    bool, option("--human", "-H", about="Round sizes, and ages instead of dates. (default: true)")
]
NoPrune = Annotated[bool, option("--no-prune", about="Keep the image when its last name goes.")]
PruneAll = Annotated[bool, option("--all", "-a", about="All that no container uses.")]
PruneVolumes = Annotated[
    bool, option("--volumes", about="Also anonymous volumes that no container uses.")
]
NoQuestion = Annotated[bool, option("--force", "-f", about="Do not ask.")]
OldNames = Annotated[list[str] | None, argument("[NAME]...", "Names to take; all by default.")]
WhatRequires = Annotated[bool, option("--whatrequires", about="Show what is made upon it.")]
UnmountAll = Annotated[bool, option("--all", "-a", about="All that are mounted here.")]
ForceUnmount = Annotated[bool, option("--force", "-f", about="Also what is in use.")]
TrustAction = Annotated[Literal["show", "set"], argument("ACTION", "show or set.")]
TrustScope = Annotated[
    str, argument("[REGISTRY]", "A registry, or registry and repository; `default` for all others.")
]
TrustType = Annotated[
    Literal["signedBy", "sigstoreSigned", "accept", "reject"],
    option("--type", "-t", metavar="TYPE", about="signedBy, sigstoreSigned, accept, reject."),
]
PubKeysFile = Annotated[
    list[str] | None,
    option("--pubkeysfile", "-f", metavar="FILE", about="A key that has to have signed it."),
]
Raw = Annotated[bool, option("--raw", about="The file as it is.")]
TrustJson = Annotated[bool, option("--json", "-j", about="As JSON.")]
SaveFormat = Annotated[
    Literal["docker-archive", "oci-archive", "oci-dir", "docker-dir"],
    option(
        "--format",
        metavar="FORMAT",
        about="docker-archive, oci-archive, oci-dir, docker-dir. (the first)",
    ),
]
SaveCompress = Annotated[
    bool, option("--compress", about="With docker-dir: compress layers that are not.")
]
Uncompressed = Annotated[
    bool, option("--uncompressed", about="Accepted: layers are saved as they are.")
]
ManyImages = Annotated[
    bool, option("--multi-image-archive", "-m", about="Accepted: all names are of images.")
]
Change = Annotated[
    list[str] | None,
    option("--change", "-c", metavar="LINE", about="A line of a Dockerfile: CMD, ENV, USER, ..."),
]
Message = Annotated[str, option("--message", "-m", metavar="TEXT", about="A note for the history.")]
TlsVerify = Annotated[
    bool | None,
    option("--tls-verify", about="Require a valid certificate. (default: true, but of localhost)"),
]
"""None where it was not given: given as true it holds for a registry on this machine as well."""

Creds = Annotated[
    str, option("--creds", metavar="USER[:PASSWORD]", about="Instead of what login has kept.")
]
AuthFile = Annotated[
    str, option("--authfile", metavar="FILE", about="Where credentials are. (REGISTRY_AUTH_FILE)")
]
CompatAuthFile = Annotated[
    str, option("--compat-auth-file", metavar="FILE", about="The same, with docker's names in it.")
]
CertDir = Annotated[
    str, option("--cert-dir", metavar="DIR", about="Certificates: *.crt, *.cert and *.key.")
]
RegistryName = Annotated[str, argument("[REGISTRY]", "Host, or host and name space. (docker.io)")]
Username = Annotated[str, option("--username", "-u", metavar="NAME", about="The user's name.")]
Password = Annotated[
    str, option("--password", "-p", metavar="TEXT", about="Better use --password-stdin.")
]
PasswordStdin = Annotated[bool, option("--password-stdin", about="Read it from stdin.")]
GetLogin = Annotated[bool, option("--get-login", about="Print the user name that is kept.")]
VerboseLogin = Annotated[bool, option("--verbose", "-v", about="Say which file was written.")]
AllRegistries = Annotated[bool, option("--all", "-a", about="All registries.")]
PushTarget = Annotated[str, argument("[DESTINATION]", "The name there. (that of the image)")]
PushFormat = Annotated[
    Literal["", "oci", "v2s2", "docker"],
    option("--format", "-f", metavar="FORMAT", about="oci or v2s2. (as the image is)"),
]
CompressionFormat = Annotated[
    Literal["", "gzip", "zstd"],
    option("--compression-format", metavar="FORMAT", about="gzip or zstd. (as the layers are)"),
]
PushLevel = Annotated[
    int,
    option(
        "--compression-level",
        metavar="N",
        about="1 to 9 for gzip, to 22 for zstd, of what is compressed. (quick)",
    ),
]
AllTagsHere = Annotated[
    bool, option("--all-tags", "-a", about="All tags of the repository that are here.")
]
DisableContentTrust = Annotated[
    bool, option("--disable-content-trust", about="Accepted, as for docker.")
]
DigestFile = Annotated[
    str, option("--digestfile", metavar="FILE", about="Write the manifest's digest there.")
]
RemoveSignatures = Annotated[
    bool, option("--remove-signatures", about="Accepted: images in the store have none.")
]
PullWhen = Annotated[
    Literal["always", "missing", "never", "newer"],
    option("--policy", metavar="POLICY", about="always, missing, never, newer. (always)"),
]
AllTags = Annotated[bool, option("--all-tags", "-a", about="All tags of each image.")]
Retry = Annotated[
    int,
    option("--retry", metavar="N", about="How often more, where a registry does not answer. (0)"),
]
RetryDelay = Annotated[
    str, option("--retry-delay", metavar="TIME", about="Before each: 5s, 1m. (2s, 4s, 8s, ...)")
]
DecryptionKey = Annotated[
    list[str] | None,
    option("--decryption-key", metavar="KEY", about="Refused: images cannot be encrypted here."),
]
PullArch = Annotated[str, option("--arch", metavar="ARCH", about="Instead of this machine's.")]
PullOs = Annotated[str, option("--os", metavar="OS", about="Instead of linux.")]
PullVariant = Annotated[
    str, option("--variant", metavar="VARIANT", about="Of the architecture: v7, v8, ...")
]
PullPlatform = Annotated[
    str, option("--platform", metavar="OS/ARCH", about="Of an image for many machines.")
]

# ---- manifest -------------------------------------------------------------------------------
ListName = Annotated[str, argument("LIST", "Name, or id, of a manifest list.")]
ListNames = Annotated[list[str], argument("LIST...", "Names, or ids, of manifest lists.")]
SomeMembers = Annotated[
    list[str] | None, argument("[IMAGE]...", "Images of the store, or docker://NAME.")
]
Members = Annotated[list[str], argument("IMAGE...", "Images of the store, or docker://NAME.")]
ListMember = Annotated[str, argument("IMAGE", "Digest, or name, of an image in the list.")]
AnyManifest = Annotated[str, argument("NAME", "A list of the store, or an image in a registry.")]
ListTarget = Annotated[str, argument("[DESTINATION]", "The name there. (that of the list)")]
AllMembers = Annotated[bool, option("--all", about="Of a list, all its images.")]
PushMembers = Annotated[bool, option("--all", about="With the images of the list. (default: true)")]
Amend = Annotated[bool, option("--amend", "-a", about="Add to the list if there is one.")]
MemberAnnotations = Annotated[
    list[str] | None,
    option("--annotation", metavar="KEY=VALUE", about="Set an annotation of the image's entry."),
]
MemberArch = Annotated[str, option("--arch", metavar="ARCH", about="Its architecture.")]
MemberOs = Annotated[str, option("--os", metavar="OS", about="Its operating system.")]
MemberVariant = Annotated[str, option("--variant", metavar="VARIANT", about="v7, v8, ...")]
MemberOsVersion = Annotated[
    str, option("--os-version", metavar="VERSION", about="Of its operating system.")
]
MemberFeatures = Annotated[
    list[str] | None, option("--features", metavar="WORDS", about="What it needs of the machine.")
]
MemberOsFeatures = Annotated[
    list[str] | None, option("--os-features", metavar="WORDS", about="What it needs of the system.")
]
RemoveList = Annotated[
    bool, option("--rm", "--purge", "-p", about="Remove the list here once it is pushed.")
]

# ---- copy, inspect --remote, search ----------------------------------------------------------
CopySource = Annotated[str, argument("SOURCE", "docker://NAME, oci:DIR:TAG, or a name here; ...")]
CopyTarget = Annotated[str, argument("DESTINATION", "The same.")]
CopyAll = Annotated[bool, option("--all", "-a", about="All platforms, with the index as it is.")]
CopyFormat = Annotated[
    Literal["", "oci", "v2s2"],
    option("--format", "-f", metavar="FORMAT", about="oci or v2s2. (as the image is)"),
]
CopyCompression = Annotated[
    Literal["", "gzip", "zstd"],
    option(
        "--compression-format",
        "--dest-compress-format",
        metavar="FORMAT",
        about="gzip or zstd. (as the layers are)",
    ),
]
CompressionLevel = Annotated[
    int,
    option(
        "--compression-level",
        "--dest-compress-level",
        metavar="N",
        about="1 to 9 for gzip, 1 to 22 for zstd.",
    ),
]
CopySignatures = Annotated[
    bool, option("--remove-signatures", about="Leave the signatures of the source out.")
]
CopyRetry = Annotated[
    int,
    option(
        "--retry",
        "--retry-times",
        metavar="N",
        about="How often more, where a registry does not answer. (0)",
    ),
]
Remote = Annotated[
    bool, option("--remote", about="Of images elsewhere: a registry, an archive, a directory.")
]
RawManifest = Annotated[
    bool, option("--raw", about="With --remote: the manifest, or with --config that, as it is.")
]
ConfigOnly = Annotated[bool, option("--config", about="With --remote: the configuration.")]
NoTags = Annotated[bool, option("--no-tags", "-n", about="With --remote: do not list the tags.")]


class Elsewhere(TypedDict, total=False):
    """What `inspect --remote` is asked for."""

    remote: Remote
    raw: RawManifest
    config: ConfigOnly
    no_tags: NoTags
    platform: PullPlatform
    tls_verify: TlsVerify
    creds: Creds
    authfile: AuthFile
    cert_dir: CertDir
    retry: CopyRetry


Term = Annotated[str, argument("TERM", "A part of a name, a registry before it or not.")]
Limit = Annotated[int, option("--limit", metavar="N", about="Results of each registry. (25)")]
Compatible = Annotated[
    bool, option("--compatible", about="Accepted: stars are shown as by docker.")
]
ListTags = Annotated[bool, option("--list-tags", about="The tags of the repository TERM.")]
SrcCreds = Annotated[
    str, option("--src-creds", metavar="USER[:PASSWORD]", about="For the source alone.")
]
DestCreds = Annotated[
    str, option("--dest-creds", metavar="USER[:PASSWORD]", about="For the destination alone.")
]
SrcTlsVerify = Annotated[bool | None, option("--src-tls-verify", about="For the source alone.")]
DestTlsVerify = Annotated[
    bool | None, option("--dest-tls-verify", about="For the destination alone.")
]
SrcAuthFile = Annotated[
    str, option("--src-authfile", metavar="FILE", about="For the source alone.")
]
DestAuthFile = Annotated[
    str, option("--dest-authfile", metavar="FILE", about="For the destination alone.")
]
SrcCertDir = Annotated[str, option("--src-cert-dir", metavar="DIR", about="For the source alone.")]
DestCertDir = Annotated[
    str, option("--dest-cert-dir", metavar="DIR", about="For the destination alone.")
]

# ---- artifact -------------------------------------------------------------------------------
ArtifactName = Annotated[str, argument("ARTIFACT", "Name of an artifact, or its digest.")]
SomeArtifacts = Annotated[list[str] | None, argument("[ARTIFACT]...", "Names, or digests.")]
ArtifactFiles = Annotated[list[str], argument("FILE...", "Regular files.")]
ExtractTo = Annotated[str, argument("PATH", "A directory, or a file.")]
ArtifactTarget = Annotated[str, argument("[DESTINATION]", "The name there. (its own)")]
FileAnnotations = Annotated[
    list[str] | None,
    option("--annotation", metavar="KEY=VALUE", about="Set an annotation of each file."),
]
AppendFiles = Annotated[bool, option("--append", "-a", about="Add files to an artifact.")]
ReplaceArtifact = Annotated[bool, option("--replace", about="In the place of one of this name.")]
ArtifactKind = Annotated[str, option("--type", metavar="TYPE", about="The artifact's media type.")]
FileKind = Annotated[
    str, option("--file-type", metavar="TYPE", about="The files' media type. (by their beginning)")
]
Subject = Annotated[
    str, option("--subject", metavar="IMAGE", about="What it is about: an image, here or there.")
]
OfRemote = Annotated[
    str, option("--remote", metavar="NAME", about="What refers to this image in its registry.")
]
OfType = Annotated[str, option("--type", metavar="TYPE", about="With --remote: only of this type.")]
ByTitle = Annotated[str, option("--title", metavar="NAME", about="Only the file of this name.")]
ByDigest = Annotated[str, option("--digest", metavar="DIGEST", about="Only the file with this.")]
EveryArtifact = Annotated[bool, option("--all", "-a", about="All artifacts.")]

# ---- commit, diff, export -------------------------------------------------------------------
CommitName = Annotated[str, argument("[IMAGE[:TAG]]", "A name for the new image.")]
Author = Annotated[str, option("--author", "-a", metavar="NAME", about="Who has made it.")]
CommitPause = Annotated[
    bool, option("--pause", "-p", about="Let it stand still meanwhile. (default: true)")
]
Squash = Annotated[bool, option("--squash", "-s", about="Make one layer of all.")]
CommitFormat = Annotated[
    Literal["oci", "docker"],
    option("--format", "-f", metavar="FORMAT", about="Accepted: both are kept alike. (oci)"),
]
Compared = Annotated[
    list[str] | None,
    argument("NAME [NAME]", "A container or image, and another one to compare it with."),
]
JsonFormat = Annotated[
    Literal["", "json"], option("--format", metavar="FORMAT", about="json, as podman has it.")
]

# ---- registry -------------------------------------------------------------------------------
Listen = Annotated[
    str, option("--listen", metavar="ADDR:PORT", about="Where to listen. (127.0.0.1:5000)")
]
TlsCert = Annotated[
    str, option("--tls-cert", metavar="FILE", about="Speak TLS with this certificate.")
]
TlsKey = Annotated[
    str, option("--tls-key", metavar="FILE", about="Its key, if it is in another file.")
]
HtpasswdFile = Annotated[
    str, option("--htpasswd", metavar="FILE", about="Users and their bcrypt hashes: htpasswd -B.")
]
RegistryStorage = Annotated[
    str, option("--storage", metavar="DIR", about="An image layout, instead of your images.")
]

# ---- start, kill, rm, exec, logs, inspect, ... ----------------------------------------------
Attach = Annotated[
    bool, option("--attach", "-a", about="Show its output, wait, and end as it ends.")
]
AttachInput = Annotated[
    bool, option("--interactive", "-i", about="Attach, and pass standard input on.")
]
Signal = Annotated[str, option("--signal", "-s", metavar="SIGNAL", about="Name or number. (KILL)")]
Force = Annotated[bool, option("--force", "-f", about="Kill it first if it is running.")]
Volumes = Annotated[bool, option("--volumes", "-v", about="With its anonymous volumes.")]
Ignore = Annotated[bool, option("--ignore", "-i", about="Do not mind where there is none.")]
AttachKeys = Annotated[
    str,
    option(
        "--detach-keys",
        metavar="KEYS",
        about="What leaves a terminal; empty for nothing. (ctrl-p,ctrl-q)",
    ),
]
AttachSignals = Annotated[
    bool, option("--sig-proxy", about="Pass signals on to it. (default: true)")
]
NoStdin = Annotated[bool, option("--no-stdin", about="Do not pass standard input on.")]
TheLatest = Annotated[bool, option("--latest", "-l", about="The container created last.")]
Running = Annotated[bool, option("--running", about="Only those that run.")]
Condition = Annotated[
    list[str] | None,
    option(
        "--condition",
        metavar="STATE",
        about="running, exited, paused, healthy, unhealthy, removed, ... (exited)",
    ),
]
ExecDetach = Annotated[bool, option("--detach", "-d", about="Do not wait for the command.")]
ExecInteractive = Annotated[bool, option("--interactive", "-i", about="Pass standard input on.")]
ExecTty = Annotated[bool, option("--tty", "-t", about="Give the command a terminal.")]
ExecEnv = Annotated[
    list[str] | None, option("--env", "-e", metavar="KEY[=VALUE]", about="Set a variable.")
]
ExecEnvFile = Annotated[
    list[str] | None, option("--env-file", metavar="FILE", about="Variables, one a line.")
]
ExecWorkdir = Annotated[str, option("--workdir", "-w", metavar="DIR", about="Start in DIR.")]
ExecUser = Annotated[str, option("--user", "-u", metavar="USER[:GROUP]", about="Names or numbers.")]
ExecPrivileged = Annotated[bool, option("--privileged", about="With all capabilities.")]
Names = Annotated[bool, option("--names", about="Put the container's name before each line.")]
Color = Annotated[bool, option("--color", about="Give each container a colour.")]
Follow = Annotated[bool, option("--follow", "-f", about="Go on as output arrives.")]
Tail = Annotated[str, option("--tail", "-n", metavar="N", about="Only the last N lines. (all)")]
Since = Annotated[
    str, option("--since", metavar="TIME", about="Only later lines: 10m, 2h30m, a date or seconds.")
]
Until = Annotated[str, option("--until", metavar="TIME", about="Only earlier lines.")]
Stream = Annotated[
    bool, option("--stream", about="Go on with what happens; false ends with now. (default: true)")
]
Timestamps = Annotated[bool, option("--timestamps", "-t", about="Show when each line was written.")]
Type = Annotated[
    Literal["container", "image", "all"],
    option("--type", "-t", metavar="TYPE", about="container or image. (both)"),
]
InspectSize = Annotated[
    bool, option("--size", "-s", about="Show how much a container has written.")
]
Json = Annotated[bool, option("--json", about="As JSON.")]
