"""docker's dialect, and what a dialect is: all that commands ask of one."""

from __future__ import annotations

from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from rootless.containers.container import Container
    from rootless.containers.record import Record
    from rootless.containers.summary import Listed
    from rootless.images.finding import Finder
    from rootless.images.image import Image
    from rootless.store.events import Event
    from rootless.store.paths import Paths

    Option = tuple[str, int | tuple[str, ...]]
    """As the grammar has it (cli/lean.py)."""

    Sentence = tuple[str, str, int]
    """Our words, theirs, and the exit code that goes with them (0: that of the command).

    `{0}` and `{1}` stand for what varies, and in theirs `{line}` for the command, `rootless rm`.
    """

OWN = {
    *("run", "create", "start", "attach", "stop", "restart", "kill", "pause", "unpause", "rename"),
    *("rm", "wait", "execute", "ps", "port", "update", "top", "stats", "logs", "inspect", "commit"),
    *("inspect_container", "inspect_image", "diff", "diff_container", "export", "images", "pull"),
    *("push", "search", "login", "logout", "load", "save", "import_", "tag", "rmi", "history"),
    *("build", "events", "info", "version", "df", "container_prune", "image_prune", "system_prune"),
    *("volume_create", "volume_ls", "volume_inspect", "volume_rm", "volume_prune"),
    *("network_connect", "network_create", "network_disconnect", "network_inspect"),
    *("network_ls", "network_prune", "network_rm"),
}
"""Functions of the commands that docker has as well; the others have podman's exit codes."""


PODMANS = {
    *("BoundingCaps", "CheckpointedAt", "ConmonPid", "ConmonPidFile", "Dependencies"),
    *("EffectiveCaps", "ImageDigest", "ImageName", "IsInfra", "IsService", "ManifestType"),
    *("NamesHistory", "Namespace", "OCIConfigPath", "OCIRuntime", "OciVersion", "PidFile", "Pod"),
    *("RestoredAt", "Rootfs", "StaticDir", "StoppedByUser"),
}
"""Fields that docker has not."""

BRIDGE = "bridge"
"""What docker calls the network that a container has where none is asked for: ours is private."""

NAME_TAKEN = (
    'Conflict. The container name "/{0}" is already in use by container "{1}". '
    "You have to remove (or rename) that container to be able to reuse that name."
)
IMAGE_IN_USE = (
    'conflict: unable to remove repository reference "{0}" (must force) - '
    "container {1} is using its referenced image"
)


DOCKER = "docker.io"

NO_TERMINAL = "the input device is not a TTY"


class Docker:
    """docker's habits. Those of another dialect are a class derived from it."""

    column = 10
    """The least width of a table's column, with the gap behind it."""

    gap = 3
    """The spaces between a table's columns."""

    newest_first = True
    """The order of containers in a listing."""

    by_last_part = False
    """Whether an image is found by the last part of its name, where nothing else fits."""

    until_ahead = False
    """Whether a span of time until which something is shown lies ahead."""

    all_or_none = False
    """Whether nothing is done to any of several containers where one of them is not there."""

    same_name = False
    """Whether a container may be given the name that it has."""

    stops_first = False
    """Whether `rm --force` lets a container end by its stop signal, in its own time."""

    counts_first = True
    """Whether `exec` misses a command before it looks for the container."""

    every = 1
    """Seconds between two looks of `stats`."""

    lists: Sequence[str] = ()
    """Options that take several values in one text, where docker takes it whole."""

    switched: Mapping[str, dict[str, Option]] = {}
    """Options of commands that mean something else than in our grammar."""

    makes_paths = True
    """Whether a directory that -v or -w names is made where it is not there."""

    read_only_tmpfs = False
    """Whether --read-only leaves /tmp, /var/tmp and /run writable, in memory."""

    step = "IMAGE"
    """What `history` heads the ids of its steps with."""

    same_volume = True
    """Whether it is no error to make a volume that is there."""

    volume_users_go = False
    """Whether `volume rm --force` removes the containers that have one."""

    tells_of_none = True
    """Whether `volume rm --force` names one that is not there."""

    empty_tables = True
    """Whether a listing of no volumes has its heading."""

    arrays = False
    """Whether a listing in JSON is one array of values with their types, not a line each."""

    unit = ""
    """What stands between number and unit in the listing of images."""

    sentences: Sequence[Sentence] = (
        (NO_TERMINAL, NO_TERMINAL, 1),
        ("no such container: {0}", "No such container: {0}", 0),
        ("no such image: {0}", "No such image: {0}", 0),
        ("no such object: {0}", "No such object: {0}", 0),
        ("no such option: {0}", "unknown flag: {0}", 0),
        ("no such container or image: {0}", "No such container: {0}", 0),
        ('the container name "{0}" is already in use by {1}', NAME_TAKEN, 0),
        ("container {0} is running", 'cannot remove container "{0}": container is running', 0),
        (
            "cannot kill container {0}: it is not running",
            "cannot kill container: {0}: container is not running",
            0,
        ),
        ("cannot execute in container {0}: it is not running", "container {0} is not running", 0),
        ("which command in {0}?", "'{line}' requires at least 2 arguments", 1),
        (
            "which container, and which command in it?",
            "'{line}' requires at least 2 arguments",
            1,
        ),
        (
            "cannot attach to container {0}: it is not running",
            "cannot attach to a stopped container, start it first",
            0,
        ),
        ("cannot remove image {0}: container {1} uses it", IMAGE_IN_USE, 0),
        (
            "cannot publish port {0}/{1}: it is in use",
            "Bind for 0.0.0.0:{0} failed: port is already allocated",
            0,
        ),
        (
            "cannot publish port {0}/{1}: it is in use on {2}",
            "Bind for {2}:{0} failed: port is already allocated",
            0,
        ),
        ("no such command '{0}'", "unknown command: {line} {0}", 1),
        ("'{0}' requires {1}", "'{0}' requires {1}", 1),
        ("'{0}' accepts no arguments", "'{0}' accepts no arguments", 1),
        ("which container?", "'{line}' requires at least 1 argument", 1),
        ("which image?", "'{line}' requires at least 1 argument", 1),
        ("which container or image?", "'{line}' requires at least 1 argument", 1),
        ("which volume?", "'{line}' requires at least 1 argument", 1),
        ("no such volume: {0}", "get {0}: no such volume", 0),
        ("volume {0} is in use by {1}", "remove {0}: volume is in use - [{1}]", 0),
    )
    """What errors are called whose words scripts look for."""

    def parted(self, asked: Any) -> Any:
        """Return options with each value of `lists` in a text of its own."""
        if not self.lists:
            return asked
        from rootless.containers.words.request import apart

        return {
            name: apart(value, _begins(name)) if name in self.lists else value
            for name, value in asked.items()
        }

    codes: Mapping[tuple[str, str], int] = {}
    """The exit codes that go with a sentence of ours in one command, by its function."""

    detached = 0
    """What `exec --detach` ends with where there is no such command; 0 for the usual code."""

    overwrites = True
    """Whether `save` writes an archive of docker's over a file that has something in it."""

    inner_ids = False
    """Whether what ps(1) shows of a container are the numbers of the inside."""

    counts = False
    """Whether `images` counts the containers of an image."""

    def checks(self, asked: Any) -> Any:
        """Return options with what they say of health checks in our words. Raises UsageError.

        docker's command is a line for a shell, whatever it begins with.
        """
        return asked

    def exit_code(self, command: str) -> int:
        """Return what a command, by its function, ends with after an error.

        It is "" for a line that makes no sense.
        """
        return 1 if command in OWN and command != "run" else 125

    def miscounted(self, line: str, least: int, most: int | None, received: int) -> str:
        """Return what is said of a line with too few or too many arguments."""
        several = "argument" if (most or least) == 1 else "arguments"
        if most == 0:
            return f"'{line}' accepts no arguments"
        if most is None:
            return f"'{line}' requires at least {least} {several}"
        if least == most:
            return f"'{line}' requires {least} {several}"
        lower = f"at least {least} and " if least else ""
        return f"'{line}' requires {lower}at most {most} {several}"

    def template(self, text: str) -> str:
        """Return a user's --format as docker would have it written."""
        return text

    dockerfiles = ("Dockerfile", "Containerfile")
    """What `build` looks for in a context, in this order."""

    entitlements: Sequence[str] = ()
    """What RUN may ask for without `--allow`."""

    pulls = "always"
    """When `build --pull` without a policy fetches a base."""

    plain_cache = ("", False)
    """For a cache that is a name alone: its tag where it has none, and if it has all stages."""

    numbered_steps = False
    """Whether a build is told of as STEP 1/3, on standard output, and not as BuildKit does."""

    def build_failed(self, words: str, step: str, code: int) -> str:
        """Return how a build ends whose instruction `step` failed, a command with `code`."""
        return f"ERROR: failed to solve: {words}"

    def unused(self, names: Sequence[str]) -> str:
        """Return what is said of build arguments that no ARG takes."""
        return f"[Warning] One or more build-args [{' '.join(names)}] were not consumed"

    def build_code(self, code: int) -> int:
        """Return the exit code of a build one of whose commands has ended with this one."""
        return 1

    def given(self, name: str) -> str:
        """Return the full form of a name that a user gives to an image."""
        return name

    def made(self, image: str) -> str:
        """Return how a command ends that has made an image: the id of it."""
        return f"sha256:{image}"

    def logged_out(self, registry: str, *, known: bool) -> str:
        """Return what `logout` says; `known` is whether there were credentials at all."""
        from rootless.oci.distribution.credentials import DOCKER_KEY

        return f"Removing login credentials for {DOCKER_KEY if registry == DOCKER else registry}"

    def pulled(self, name: str, image: Image, finder: Finder) -> str:
        """Return how `pull` ends: with the whole name; with the id of what came from a file.

        `name` is what was asked for; registries.conf may have given it any registry.
        """
        from rootless.oci import reference, transports

        if transports.has_transport(name):
            return image.id
        found = "" if reference.has_digest(name) else finder.name_of(name)
        return found or reference.normalise(name)

    def repository(self, name: str) -> tuple[str, str]:
        """Return repository and tag of an image's full name, as a listing shows them."""
        from rootless.images.summary import split

        return split(name)

    def shown(self, name: str) -> str:
        """Return an image's full name as it is told."""
        from rootless.oci import reference

        return reference.parse(name).familiar if reference.is_valid(name) else name

    def removed(self, lines: Sequence[str]) -> Sequence[str]:
        """Return what `rmi` says of what it has done."""
        return lines

    def pulling(self, name: str) -> str:
        """Return what is said before an image is fetched; "" for nothing."""
        return ""

    def without_terminal(self, command: str, *, attached: bool) -> str:
        """Return what is said where standard input is to be a terminal, and is none.

        `attached` is whether it is passed on at all. Raises UsageError.
        """
        if attached:
            raise UsageError(NO_TERMINAL, "-i alone passes it on")
        return ""

    def userns(self, environ: Mapping[str, str]) -> str:
        """Return the user namespace that the environment asks for; "" for none."""
        return ""

    def detach_keys(self) -> tuple[str, str]:
        """Return a file's own keys that leave a terminal, and what names them; "" for neither."""
        from rootless.oci.distribution.credentials import docker_setting

        return docker_setting("detachKeys")

    def stopped(self, name: str, container: Container, patience: int | None) -> str:
        """Return what `stop` says where it had to kill; "" for nothing."""
        return ""

    def fields(self, names: list[str]) -> list[str]:
        """Return those of the names of fields that are told of where another is not there.

        Podman's may be asked for as well, but who does not speak its dialect is not told of them.
        """
        return [name for name in names if name not in PODMANS]

    def meant(self, paths: Paths, image: str, whole: str = "") -> str:
        """Return the name of the image that a container was asked for by this one.

        `whole` is what that stood for when the container was made, where it is known.
        """
        return image

    def inspected(self, found: list[dict[str, Any]], paths: Paths) -> list[dict[str, Any]]:
        """Return what `inspect` shows."""
        for value in found:
            if "NetworkSettings" in value:
                networks, host = value["NetworkSettings"]["Networks"], value["HostConfig"]
                value["NetworkSettings"]["Networks"] = {
                    BRIDGE if name == "private" else name: each for name, each in networks.items()
                }
                if host["NetworkMode"] == "private":
                    host["NetworkMode"] = BRIDGE
        return found

    def shaped(self, document: dict[str, Any]) -> Any:
        """Return what `inspect` shows with the types that its templates see."""
        from rootless.cli.dialects.shapes import docker

        return docker(document)

    def processes(self) -> list[str]:
        """Return the columns of `top`, where none are asked for; [] for docker's."""
        return []

    def bindings(self, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return what `port` tells of: (port inside, address and port outside)."""
        return found

    def told(self, event: Event) -> list[Event]:
        """Return the events that an event is told as."""
        from rootless.runtime.supervision.restart import AGAIN

        return [] if event["action"] == AGAIN else [event]

    def event(self, event: Event) -> dict[str, Any]:
        """Return an event as JSON has it."""
        from rootless.system.events import document

        return document(event)

    def event_line(self, event: Event, *, full: bool) -> str:
        """Return the line of an event."""
        from rootless import times

        attributes = self.event(event)["Actor"]["Attributes"]
        named = ", ".join(f"{key}={value}" for key, value in sorted(attributes.items()))
        known = event["id"] if full or event["kind"] == "image" else event["id"][:12]
        rest = f" ({named})" if named else ""
        what = self.event(event)["Action"]
        return f"{times.stamp(event['time'])} {event['kind']} {what} {known}{rest}"

    def pruned(self, heading: str, names: list[str]) -> list[str]:
        """Return what a prune says of one kind of things that went."""
        return [heading, *names, ""] if names else []

    def every_volume(self, every: bool, filters: list[str]) -> tuple[bool, list[str]]:
        """Return whether a prune of volumes removes those with names, too, and its other filters.

        docker's filter `all` means the same as its option.
        """
        wanted = [text for text in filters if text in ("all=true", "all=1")]
        rest = [text for text in filters if not text.startswith("all=")]
        return every or bool(wanted), rest

    def pruned_volumes(self, *, every: bool) -> str:
        """Return what a prune of volumes says that it will do."""
        which = "all" if every else "anonymous"
        return f"This will remove {which} local volumes not used by at least one container."

    def volume(self, shown: dict[str, Any]) -> dict[str, Any]:
        """Return what `volume inspect` shows: nothing is null, and moments are whole seconds."""
        from rootless import times

        labels = dict(shown["Labels"])
        if shown.get("Anonymous"):
            labels["com.docker.volume.anonymous"] = ""
        moment = times.stamp(int(shown["CreatedAt"]) * 1_000_000_000)
        moment = f"{moment[:19]}{moment[29:]}".replace("+00:00", "Z")
        return {
            **shown,
            "CreatedAt": moment,
            "Labels": labels or None,
            "Options": shown["Options"] or None,
        }

    def volume_shaped(self, document: dict[str, Any]) -> Any:
        """Return what `volume inspect` shows with the types that its templates see."""
        return document

    def volume_row(self, row: Any, shown: dict[str, Any]) -> None:
        """Change the row of a volume in a listing."""
        row.further["CreatedAt"] = self.volume(shown)["CreatedAt"]

    totals = True
    """Whether `container prune` and `image prune` say how much room there is now."""

    release = "28.2.2"
    """The release of docker that it speaks as, where it is called by that name."""

    def version_line(self, name: str, version: str) -> str:
        """Return the line of --version; `name` is what the program was called by."""
        if name == "docker":
            return f"Docker version {self.release}, build rootless-{version}"
        return f"{name} version {version}"

    def version(self, facts: dict[str, Any]) -> list[str]:
        """Return the lines of `version`."""
        return [
            "Client: rootless",
            f" Version:           {facts['Version']}",
            f" Python version:    {facts['PythonVersion']}",
            f" OS/Arch:           {facts['Os']}/{facts['Arch']}",
            f" Kernel Version:    {facts['KernelVersion']}",
        ]

    def info(self, facts: dict[str, Any], host: dict[str, Any]) -> list[str]:
        """Return the lines of `info`: of docker's facts, and of podman's."""
        from rootless.cli.dialects.facts import docker

        return docker(facts)

    def age(self, text: str) -> str:
        """Return how old something is, as `system df -v` has it."""
        return text

    def usage(self, row: dict[str, str], record: Record, state: str) -> None:
        """Change the row of a container in `system df -v`."""

    def image(self, one: Listed) -> str:
        """Return the name of the image that a container was made of."""
        return str(one.record["image"])

    def image_row(self, row: Any, image: Image, users: int) -> None:
        """Change the row of an image, of which there are so many containers, for a template."""

    def container(self, row: Any, one: Listed, *, full: bool) -> None:
        """Change the row of a container in a listing; `full` without shortening."""
        if row.get("Networks") == "private":  # a table has none
            row["Networks"] = BRIDGE


def _begins(option: str) -> Callable[[str], bool]:
    """Return what says of a part of a text whether it begins a value of its own."""
    return lambda part: option != "annotation" or "=" in part
