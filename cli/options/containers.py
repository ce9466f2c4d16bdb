"""Options of the commands that work with containers; those of `run` and `create` are in `run`."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from rootless.cli.options.declare import argument, option

ExecCommand = Annotated[
    list[str] | None, argument("COMMAND [ARG]...", "The command and its arguments.")
]
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
StatsInterval = Annotated[
    int | None,
    option("--interval", "-i", metavar="SECONDS", about="Between two looks. (1; podman: 5)"),
]
NoReset = Annotated[bool, option("--no-reset", about="Leave on the screen what was shown.")]
MaybePort = Annotated[str, argument("[PORT[/PROTO]]", "A port of the container.")]
AllPorts = Annotated[bool, option("--all", "-a", about="Of all containers that run.")]
MaybeContainer = Annotated[str, argument("[CONTAINER]", "Name or id, which may be shortened.")]
All = Annotated[bool, option("--all", "-a", about="All containers.")]
StartAll = Annotated[bool, option("--all", about="All containers.")]
PsFilter = Annotated[
    list[str] | None,
    option("--filter", "-f", metavar="KEY=VALUE", about="Only what fits; as for `ps`."),
]
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
Last = Annotated[
    int, option("--last", "-n", metavar="N", about="The N that were created last, in any state.")
]
NoHeading = Annotated[bool, option("--noheading", about="No line of headings.")]
External = Annotated[
    bool, option("--external", about="Accepted: there are no containers of other programs.")
]
Spaces = Annotated[bool, option("--ns", about="Show the namespaces of each.")]
Sync = Annotated[bool, option("--sync", about="Accepted: states are always asked for anew.")]
Watch = Annotated[
    int, option("--watch", "-w", metavar="SECONDS", about="List them again and again.")
]
Sort = Annotated[
    str, option("--sort", metavar="KEY", about="created, id, image, names, size, status, ...")
]
Latest = Annotated[bool, option("--latest", "-l", about="The one that was created last.")]
Size = Annotated[bool, option("--size", "-s", about="Show how much each has written.")]
UnmountAll = Annotated[bool, option("--all", "-a", about="All that are mounted here.")]
MountNoTrunc = Annotated[bool, option("--no-trunc", about="Accepted: nothing is shortened.")]
ForceUnmount = Annotated[bool, option("--force", "-f", about="Also what is in use.")]
CommitName = Annotated[str, argument("[IMAGE[:TAG]]", "A name for the new image.")]
Author = Annotated[str, option("--author", "-a", metavar="NAME", about="Who has made it.")]
CommitPause = Annotated[
    bool, option("--pause", "-p", about="Let it stand still meanwhile. (default: true)")
]
IdFile = Annotated[
    str, option("--iidfile", metavar="FILE", about="Write the id of the image there.")
]
IncludeVolumes = Annotated[
    bool, option("--include-volumes", about="What is mounted here, as volumes of the image.")
]
Squash = Annotated[bool, option("--squash", "-s", about="Make one layer of all.")]
CommitFormat = Annotated[
    Literal["oci", "docker"],
    option(
        "--format", "-f", metavar="FORMAT", about="oci or docker: the form of its manifest. (oci)"
    ),
]
Compared = Annotated[
    list[str] | None,
    argument("NAME [NAME]", "A container or image, and another one to compare it with."),
]
Attach = Annotated[
    bool, option("--attach", "-a", about="Show its output, wait, and end as it ends.")
]
AttachInput = Annotated[
    bool, option("--interactive", "-i", about="Attach, and pass standard input on.")
]
Signal = Annotated[str, option("--signal", "-s", metavar="SIGNAL", about="Name or number. (KILL)")]
Force = Annotated[bool, option("--force", "-f", about="Kill it first if it is running.")]
Depend = Annotated[bool, option("--depend", about="With those that use its network.")]
Volumes = Annotated[bool, option("--volumes", "-v", about="With its anonymous volumes.")]
AttachKeys = Annotated[
    str | None,
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
CleanedExec = Annotated[
    str, option("--exec", metavar="ID", about="Accepted: commands of exec leave nothing.")
]
RmToo = Annotated[bool, option("--rm", about="Remove it then.")]
RmiToo = Annotated[bool, option("--rmi", about="Remove it then, and its image.")]
CloneName = Annotated[str, argument("[NAME]", "Of the new one. (NAME-clone)")]
CloneImage = Annotated[str, argument("[IMAGE]", "Another image for it.")]
CloneNameOption = Annotated[str, option("--name", metavar="NAME", about="The same as NAME.")]
Destroy = Annotated[bool, option("--destroy", about="Remove the first one.")]
DestroyForce = Annotated[bool, option("--force", "-f", about="That, too, if it runs.")]
CloneRun = Annotated[bool, option("--run", about="Start the new one.")]
RunLabel = Annotated[str, argument("LABEL", "The label's name.")]
LabelArguments = Annotated[list[str] | None, argument("[ARG]...", "Further words for it.")]
Display = Annotated[bool, option("--display", about="Show what would be run.")]
LabelName = Annotated[
    str, option("--name", "-n", metavar="NAME", about="What NAME in it stands for.")
]
LabelReplace = Annotated[bool, option("--replace", about="Remove a container of the same name.")]
CidFile = Annotated[
    list[str] | None,
    option("--cidfile", metavar="FILE", about="That whose id `run --cidfile` has put into FILE."),
]
RmFilter = Annotated[
    list[str] | None,
    option("--filter", metavar="KEY=VALUE", about="Only what fits; as for `ps`."),
]
FirstSignal = Annotated[
    str,
    option("--signal", "-s", metavar="SIGNAL", about="To be sent first. (the container's, TERM)"),
]
RmTime = Annotated[
    int | None,
    option(
        "--time",
        "-t",
        metavar="SECONDS",
        about="With --force: let it end by its stop signal, and kill it then.",
    ),
]
Running = Annotated[bool, option("--running", about="Only those that run.")]
WaitIgnore = Annotated[bool, option("--ignore", about="Do not mind where there is none.")]
Interval = Annotated[
    str,
    option(
        "--interval",
        "-i",
        metavar="TIME",
        about="Accepted: nothing is asked again and again, an end is seen at once.",
    ),
]
ReturnOnFirst = Annotated[
    bool, option("--return-on-first", about="Wait for one of them only, and print its code.")
]
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
ExecCidFile = Annotated[
    str,
    option(
        "--cidfile", metavar="FILE", about="In that whose id is in FILE; all words are the command."
    ),
]
ExecEnvFile = Annotated[
    list[str] | None, option("--env-file", metavar="FILE", about="Variables, one a line.")
]
ExecWorkdir = Annotated[str, option("--workdir", "-w", metavar="DIR", about="Start in DIR.")]
ExecUser = Annotated[str, option("--user", "-u", metavar="USER[:GROUP]", about="Names or numbers.")]
PreserveFds = Annotated[
    int, option("--preserve-fds", metavar="N", about="It has our descriptors 3 to N+2 as well.")
]
PreserveFd = Annotated[
    list[str] | None,
    option("--preserve-fd", metavar="FD,...", about="It has these of ours as well."),
]
ExecPrivileged = Annotated[bool, option("--privileged", about="With all capabilities.")]
Names = Annotated[
    bool, option("--names", about="Of several: the name before each line, not the id.")
]
Color = Annotated[bool, option("--color", about="Give each container a colour.")]
Follow = Annotated[bool, option("--follow", "-f", about="Go on as output arrives.")]
Tail = Annotated[str, option("--tail", "-n", metavar="N", about="Only the last N lines. (all)")]
Timestamps = Annotated[bool, option("--timestamps", "-t", about="Show when each line was written.")]


class Named(TypedDict, total=False):
    """Which containers are meant, beside those named."""

    cidfile: CidFile
    latest: TheLatest


class Which(Named, total=False):
    """The same, where it may be many."""

    all: All
    filter: PsFilter


class WhichToStart(Named, total=False):
    """The same for start, where -a is something else."""

    all: StartAll
    filter: PsFilter


class WhichToRemove(Named, total=False):
    """The same for rm, where -f is something else."""

    all: All
    filter: RmFilter
