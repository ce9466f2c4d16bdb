"""Options of commands for this machine and the store as a whole; registry serve among them."""

from __future__ import annotations

from typing import Annotated, Literal

from rootless.cli.options.declare import argument, option, silent

HostCommand = Annotated[list[str] | None, argument("[COMMAND] [ARG]...", "By default a shell.")]
SharedNetwork = Annotated[bool, silent("--rootless-netns")]
NewRuntime = Annotated[str, silent("--new-runtime")]
Shell = Annotated[Literal["bash", "zsh", "fish"], argument("SHELL", "bash, zsh or fish.")]
PruneFilter = Annotated[
    list[str] | None,
    option("--filter", metavar="KEY=VALUE", about="Only what fits."),
]
Verbose = Annotated[bool, option("--verbose", "-v", about="Each thing by itself.")]
Quick = Annotated[bool, option("--quick", "-q", about="Do not read the contents of blobs.")]
Repair = Annotated[bool, option("--repair", "-r", about="Mend what costs nothing.")]
ForceRepair = Annotated[
    bool, option("--force", "-f", about="Mend all, even if an image or a container goes.")
]
ForceReset = Annotated[bool, option("--force", "-f", about="Do not ask.")]
ScriptFile = Annotated[str, option("--file", "-f", metavar="FILE", about="Write it there.")]
NoDescriptions = Annotated[bool, option("--no-desc", about="Candidates without what they are.")]
BootAction = Annotated[
    Literal["enable", "disable", "status"], argument("ACTION", "enable, disable or status.")
]
PruneAll = Annotated[bool, option("--all", "-a", about="All that no container uses.")]
PruneVolumes = Annotated[
    bool, option("--volumes", about="Also anonymous volumes that no container uses.")
]
PruneMounts = Annotated[
    bool, option("--build-cache", about="Also what RUN --mount=type=cache has kept.")
]
PruneBuilds = Annotated[
    bool, option("--build", about="Accepted: what killed builds have left goes in any case.")
]
External = Annotated[
    bool, option("--external", about="Accepted: there are no containers of other programs.")
]
NoQuestion = Annotated[bool, option("--force", "-f", about="Do not ask.")]
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
Stream = Annotated[
    bool, option("--stream", about="Go on with what happens; false ends with now. (default: true)")
]
Json = Annotated[bool, option("--json", about="As JSON.")]
HelpWords = Annotated[
    list[str] | None, argument("[COMMAND|TOPIC]...", "By default a list of both.")
]
AliasName = Annotated[
    Literal["docker", "podman"], argument("docker|podman", "The name, and the dialect.")
]
AliasRemove = Annotated[bool, option("--remove", about="Take the link away.")]
