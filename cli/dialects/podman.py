"""podman's dialect, as of its version 4."""

from __future__ import annotations

import time

from rootless import times
from rootless.cli.dialects.docker import Docker
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from rootless.containers.container import Container
    from rootless.containers.record import Record
    from rootless.containers.summary import Listed
    from rootless.images.finding import Finder
    from rootless.images.image import Image
    from rootless.store.events import Event
    from rootless.store.paths import Paths

NO_CONTAINER = 'no container with name or ID "{0}" found: no such container'
IMPROPER = "container state improper"
NAME_TAKEN = (
    'creating container storage: the container name "{0}" is already in use by {1}. '
    "You have to remove that container to be able to reuse that name: that name is already in use"
)
NO_FORCE = (
    "cannot remove container {0} as it is running - running or paused containers cannot be removed "
    f"without force: {IMPROPER}"
)
IN_USE = (
    "image used by {1}: image is in use by a container: "
    "consider listing external containers and force-removing image"
)
NO_USER = "unable to find user {0}: no matching entries in passwd file"
NOT_FOUND = "OCI runtime attempted to invoke a command that was not found"


HAPPENED = {
    ("container", "die"): "died",
    ("", "destroy"): "remove",
    ("container", "exec_create"): "",
    ("container", "kill: stop"): "",
    ("container", "exec_start"): "exec",
    ("container", "exec_die"): "exec_died",
    ("image", "delete"): "remove",
    ("image", "load"): "loadfromarchive",
    **{("volume", action): "" for action in ("mount", "unmount", "rename", "import")},
}
"""podman's words for what happens to things of a kind, where docker has others; "" for none."""

WIDTH = 20
"""Characters of a command that a listing shows."""


class Podman(Docker):
    """podman's habits, where they are others."""

    column = 12
    gap = 2
    newest_first = False
    plain_cache = ("buildcache", True)
    by_last_part = True
    makes_paths = overwrites = counts_first = False
    inner_ids = counts = True
    detached = 125
    codes = {("execute", NO_USER): 255}
    until_ahead = all_or_none = same_name = stops_first = read_only_tmpfs = True
    same_volume = tells_of_none = empty_tables = False
    volume_users_go = True
    every = 5
    lists = ("annotation", "env_file", "label_file")
    switched = {"logs": {"-n": ("names", 0)}}
    step = "ID"
    arrays = True
    unit = " "
    sentences = (
        ("no such container: {0}", NO_CONTAINER, 0),
        ("no such image: {0}", "{0}: image not known", 0),
        ("no such object: {0}", 'inspecting object: no such object: "{0}"', 0),
        ('the container name "{0}" is already in use by {1}', NAME_TAKEN, 0),
        ("container {0} is running", NO_FORCE, 2),
        (
            "cannot execute in container {0}: it is not running",
            f"can only create exec sessions on running containers: {IMPROPER}",
            255,
        ),
        (
            "which command in {0}?",
            "must provide a non-empty command to start an exec session: invalid argument",
            255,
        ),
        (
            "which container, and which command in it?",
            "exec requires the name or ID of a container or the --latest flag",
            125,
        ),
        ("container {0} is not running", f"container {{0}} is not running: {IMPROPER}", 0),
        (
            "cannot kill container {0}: it is not running",
            f"can only kill running containers. {{0}} is not running: {IMPROPER}",
            0,
        ),
        (
            "cannot pause container {0}: it is not running",
            f"container {{0}} is not running, can't pause: {IMPROPER}",
            0,
        ),
        (
            "cannot unpause container {0}: it is not paused",
            f"container {{0}} is not paused, can't unpause: {IMPROPER}",
            0,
        ),
        ("cannot remove image {0}: container {1} uses it", IN_USE, 2),
        (
            "cannot publish port {0}/{1}: it is in use",
            "rootlessport listen {1} 0.0.0.0:{0}: bind: address already in use",
            126,
        ),
        (
            "cannot publish port {0}/{1}: it is in use on {2}",
            "rootlessport listen {1} {2}:{0}: bind: address already in use",
            126,
        ),
        (
            '"{0}": executable file not found in $PATH',
            'exec: "{0}": executable file not found in $PATH: ' + NOT_FOUND,
            127,
        ),
        ('"{0}": is a directory', 'exec: "{0}": is a directory: OCI permission denied', 126),
        ('"{0}": permission denied', 'exec: "{0}": permission denied: OCI permission denied', 126),
        (
            "invalid mount config for type 'bind': bind source path does not exist: {0}",
            "statfs {0}: no such file or directory",
            0,
        ),
        ("{0} would make a directory", "make it, or name another source", 0),
        (
            "the working directory {0} does not exist",
            'workdir "{0}" does not exist on container',
            0,
        ),
        ("no such option: {0}", "unknown flag: {0}", 0),
        ("no such command '{0}'", "unrecognized command `{line} {0}`", 0),
        (NO_USER, NO_USER, 126),
        (
            "cannot save to {0}: it has something in it",
            "docker-archive doesn't support modifying existing images",
            0,
        ),
        (
            "cannot attach to container {0}: it is not running",
            "you can only attach to running containers",
            0,
        ),
        ("no such container or image: {0}", "{0} not found: layer not known", 0),
        ("not logged in to {0}", "not logged into {0}", 0),
        ("which container?", "you must provide at least one name or id", 125),
        ("which image?", "image name or ID must be specified", 125),
        ("which container or image?", "you must provide at least one name or id", 0),
        ("which volume?", "choose either one or more volumes or all", 125),
        ("no such volume: {0}", 'no volume with name "{0}" found: no such volume', 0),
        (
            "volume {0} is in use by {1}",
            "volume {0} is being used by the following container(s): {1}: volume is being used",
            2,
        ),
        (
            'the volume name "{0}" is already in use',
            "volume with name {0} already exists: volume already exists",
            0,
        ),
    )

    def __init__(self) -> None:
        self._meant: dict[str, str] = {}
        """The whole names of images that somebody has asked for."""

    def checks(self, asked: Any) -> Any:
        """The command may begin with docker's words, and zero is none of the numbers."""
        commands = {
            name: check_command(asked[name])
            for name in ("health_cmd", "health_startup_cmd")
            if asked.get(name)
        }
        if commands:
            if asked.get("health_retries") == 0:
                raise UsageError(
                    "--health-retries: healthcheck-retries must be greater than 0", "such as 1"
                )
            if times.span(str(asked.get("health_timeout") or "1s")) == 0:
                cause = "--health-timeout: healthcheck-timeout must be at least 1 second"
                raise UsageError(cause, "such as 1s")
        return {**asked, **commands}

    def exit_code(self, command: str) -> int:
        """podman: 1 for what is not there to be removed, else 125."""
        return 1 if command in ("rm", "rmi", "volume_rm", "network_rm") else 125

    def miscounted(self, line: str, least: int, most: int | None, received: int) -> str:
        """As cobra says it."""
        if most == 0:
            return f"`{line}` takes no arguments"
        if most is None:
            return f"requires at least {least} arg(s), only received {received}"
        if least == most:
            return f"accepts {least} arg(s), received {received}"
        wanted = f"between {least} and {most}" if least else f"at most {most}"
        return f"accepts {wanted} arg(s), received {received}"

    def template(self, text: str) -> str:
        """Columns of a table may be separated by blanks, and {{json .}} is the whole list."""
        if text.strip() == "{{json .}}":
            return "json"
        first, _, rest = text.partition(" ")
        if first != "table" or not rest:
            return text
        return f"table {rest.replace('}} {{', '}}' + chr(9) + '{{')}"

    dockerfiles = ("Containerfile", "Dockerfile")
    entitlements = ("network.host",)
    pulls = "newer"

    numbered_steps = True

    def build_failed(self, words: str, step: str, code: int) -> str:
        """With the instruction as it is written."""
        if code:
            words = f"while running runtime: exit status {code}"
        return f'Error: building at STEP "{step}": {words}'

    def unused(self, names: Sequence[str]) -> str:
        """In its words."""
        return f"[Warning] one or more build args were not consumed: [{' '.join(names)}]"

    def build_code(self, code: int) -> int:
        """The command's own; 125 where none has run."""
        return code or 125

    def given(self, name: str) -> str:
        """A name without a registry is of this machine."""
        from rootless.oci import reference

        short = reference.is_valid(name) and reference.is_short(name)
        return f"localhost/{name}" if short else name

    def made(self, image: str) -> str:
        """The digits alone."""
        return image

    def logged_out(self, registry: str, *, known: bool) -> str:
        """Who is not logged in hears of it."""
        from rootless.errors import NotFound

        if not known:
            raise NotFound(f"not logged in to {registry}")
        return f"Removed login credentials for {registry}"

    def pulled(self, name: str, image: Image, finder: Finder) -> str:
        """The digits alone."""
        return image.id

    def repository(self, name: str) -> tuple[str, str]:
        """The whole name."""
        from rootless.images.summary import NONE
        from rootless.oci import reference

        if not reference.is_valid(name):
            return (name or NONE), NONE
        parsed = reference.parse(name)
        return parsed.name, parsed.tag or NONE

    def shown(self, name: str) -> str:
        """The whole name."""
        return name

    def removed(self, lines: Sequence[str]) -> Sequence[str]:
        """Whole names, and ids without the word before them."""
        from rootless.oci import reference

        told = []
        for line in lines:
            word, _, name = line.partition(": ")
            if word == "Untagged" and reference.is_valid(name):
                name = str(reference.parse(name))
            told.append(f"{word}: {name.removeprefix('sha256:')}")
        return told

    def pulling(self, name: str) -> str:
        """podman tells scripts what it looks for."""
        from rootless.oci import reference

        known = reference.is_valid(name)
        return f"Trying to pull {reference.normalise(name)}..." if known else ""

    def without_terminal(self, command: str, *, attached: bool) -> str:
        """`run` alone says it, and goes on; here the end of the input is passed on."""
        if command != "run":
            return ""
        return warning(
            "The input device is not a TTY. "
            "The --tty and --interactive flags might not work properly"
        )

    def userns(self, environ: Mapping[str, str]) -> str:
        """As its variable has it."""
        return environ.get("PODMAN_USERNS", "")

    def detach_keys(self) -> tuple[str, str]:
        """containers.conf has them."""
        return "", ""

    def stopped(self, name: str, container: Container, patience: int | None) -> str:
        """The line of its log, but where no time was given."""
        from rootless.values import signal_name

        if patience == 0:
            return ""
        seconds = container.record["stop_timeout"] if patience is None else patience
        return warning(
            f"StopSignal {signal_name(container.record['stop_signal'])} failed to stop container "
            f"{name} in {seconds} seconds, resorting to SIGKILL"
        )

    def fields(self, names: list[str]) -> list[str]:
        """All: docker's have the same names, or are ours."""
        return names

    def inspected(self, found: list[dict[str, Any]], paths: Paths) -> list[dict[str, Any]]:
        """Where docker and podman contradict each other, podman's values."""
        from rootless.containers.inspect import as_podman

        for value in found:
            value["Id"] = value["Id"].removeprefix("sha256:")
            if "State" in value and value["Image"]:
                whole = self.meant(paths, value["ImageName"])
                value["ImageName"] = value["Config"]["Image"] = whole
            elif "State" not in value:
                value.update(repositories(value))
        return [as_podman(value) if "State" in value else value for value in found]

    def shaped(self, document: dict[str, Any]) -> Any:
        """Return what `inspect` shows with podman's types: its moments are none of text."""
        from rootless.cli.dialects.shapes import podman

        return podman(document)

    def processes(self) -> list[str]:
        """What is inside, by the numbers of the inside."""
        return ["user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"]

    def bindings(self, found: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Those of IPv4, where both are everywhere."""
        return [(inside, outside) for inside, outside in found if not outside.startswith("[::]")]

    def told(self, event: Event) -> list[Event]:
        """An exec is one event, a start two, and a stop tells of no signals."""
        if event["kind"] == "container" and event["action"] == "start":
            return [{**event, "action": "init"}, event]
        return [event] if happened(event) else []

    def event(self, event: Event) -> dict[str, Any]:
        """podman's fields, and its names of what happens."""
        from rootless.cli.dialects.shapes import local
        from rootless.system.events import podman

        return {**podman(event), "Status": happened(event), "Time": local(event["time"])}

    def event_line(self, event: Event, *, full: bool) -> str:
        """As podman prints it."""
        fields = self.event(event)
        kind, what = fields["Type"], fields["Status"]
        moment = f"{when_exactly(event['time'])} {kind} {what}"
        known = event["id"].removeprefix("sha256:")[: None if full else 12]
        if kind == "volume":
            return f"{moment} {fields['Name']}"
        if kind != "container":
            return f"{moment} {known} {fields['Name']}"
        hidden = ("image", "name", "exitCode", "execDuration", "execID", "signal")
        labels = [f"{k}={v}" for k, v in fields["Attributes"].items() if k not in hidden]
        health = [f"health_status={fields['HealthStatus']}"] if what == "health_status" else []
        first = [f"image={fields['Image']}", f"name={fields['Name']}", *health]
        named = ", ".join([*first, *labels])
        return f"{moment} {known} ({named})"

    def pruned(self, heading: str, names: list[str]) -> list[str]:
        """Ids alone."""
        ids = [name.removeprefix("deleted: ").removeprefix("sha256:") for name in names]
        return [name for name in ids if not name.startswith("untagged: ")]

    totals = False

    def every_volume(self, every: bool, filters: list[str]) -> tuple[bool, list[str]]:
        """All of them."""
        return True, filters

    def pruned_volumes(self, *, every: bool) -> str:
        """In its words."""
        return (
            "This will remove all volumes not used by at least one container. "
            "The following volumes will be removed:"
        )

    def volume(self, shown: dict[str, Any]) -> dict[str, Any]:
        """In its order, with all digits of the moment."""
        order = ("Name", "Driver", "Mountpoint", "CreatedAt", "Labels", "Scope", "Options")
        whole, fraction = divmod(int(shown["CreatedAt"] * 1e9), 1_000_000_000)
        moment = time.strftime(f"%Y-%m-%dT%H:%M:%S.{fraction:09d}Z", time.gmtime(whole))
        ordered = {name: shown[name] for name in order}
        return {**ordered, **shown, "CreatedAt": moment}

    def volume_shaped(self, document: dict[str, Any]) -> Any:
        """Its moments are none of text."""
        from rootless.cli.dialects.shapes import Moment

        return {
            **document,
            "Anonymous": False,
            **document,
            "CreatedAt": Moment(document["CreatedAt"]),
        }

    def volume_row(self, row: Any, shown: dict[str, Any]) -> None:
        """As it has them typed."""
        row.typed = self.volume(shown)
        row["Labels"] = shown["Labels"]
        row.further["CreatedAt"] = self.volume_shaped(row.typed)["CreatedAt"]

    release = "4.3.1"

    def version_line(self, name: str, version: str) -> str:
        """Tools look for the number of podman's release."""
        return f"podman version {self.release} (rootless {version})"

    def version(self, facts: dict[str, Any]) -> list[str]:
        """The same as podman, with its release as that of the API."""
        return [
            "Client:       rootless, as Podman Engine",
            f"Version:      {facts['Version']}",
            f"API Version:  {self.release}",
            f"Python:       {facts['PythonVersion']}",
            f"OS/Arch:      {facts['Os']}/{facts['Arch']}",
        ]

    def info(self, facts: dict[str, Any], host: dict[str, Any]) -> list[str]:
        """podman prints YAML."""
        from rootless.cli.dialects.facts import yaml

        return yaml({**host, "rootless": facts["Rootless"]})

    def container(self, row: Any, one: Listed, *, full: bool) -> None:
        """Whole names of images, commands without quotes, and what a stopped one publishes."""
        from rootless.cli.dialects.shapes import local
        from rootless.containers.summary import podman_status as status

        record = one.record
        command = " ".join([record["path"], *record["args"]])
        row["Command"] = command if full or len(command) <= WIDTH else command[: WIDTH - 3] + "..."
        row["Image"] = self.image(one)
        row["Ports"] = published(one)
        row["CreatedAt"] = when(record["created"])
        row["Status"] = status(one.state)
        if "Labels" in row:  # what templates alone show
            row["Labels"] = record["labels"]
            row["Mounts"] = [volume["destination"] for volume in record["volumes"]]
            row["Networks"] = ""
            row.further["Created"] = local(int(record["created"] * 1e9))

    def image_row(self, row: Any, image: Image, users: int) -> None:
        """Numbers, and an id in full beside the short one."""
        from rootless.images import summary

        row.typed = {**summary.podman(image), "Containers": users}
        row["Containers"], row["SharedSize"], row["VirtualSize"] = users, 0, image.size
        row.further = {**row.further, "Id": image.id}

    def age(self, text: str) -> str:
        """podman does not say "ago" there."""
        return text.removesuffix(" ago")

    def usage(self, row: dict[str, str], record: Record, state: str) -> None:
        """The id of the image, the whole command, and one word for the state."""
        row["Image"] = record["image_id"][:12]
        row["Command"] = " ".join([record["path"], *record["args"]])
        row["Status"] = state
        row["RunningFor"] = self.age(row["RunningFor"])

    def image(self, one: Listed) -> str:
        """Return the whole name of the image that a container was made of."""
        record = one.record
        return self.meant(one.container.paths, record["image"], record.get("image_name", ""))

    def meant(self, paths: Paths, image: str, whole: str = "") -> str:
        """The whole one: as it was then, else of what is here, or what it would be."""
        if whole:
            return whole
        if image not in self._meant:
            self._meant[image] = whole_name(paths, image)
        return self._meant[image]


def whole_name(paths: Paths, image: str) -> str:
    """Return the whole name of an image that was asked for by its short one, or by its id."""
    from rootless.errors import Error
    from rootless.images.finding import HOST, Finder, meanings

    if image == HOST:
        return image
    finder = Finder(paths, by_last_part=lambda: True)
    try:
        name = finder.name_of(image)
        if not name and (found := finder.look(image).names):
            name = found[0]
    except Error:
        name = ""  # it has gone, or the name means another by now
    return name or (*meanings(image), image)[0]


def check_command(text: str) -> str:
    """Return the command of a health check as our words have it.

    CMD and what is split at blanks, CMD-SHELL and a line, or NONE.
    """
    from rootless.oci import jsonio

    word, _, rest = text.partition(" ")
    if word.upper() == "NONE":
        return "none"
    if word.upper() == "CMD":
        return jsonio.dumps(["CMD", *rest.split()])
    return (
        jsonio.dumps(["CMD-SHELL", rest] if rest else []) if word.upper() == "CMD-SHELL" else text
    )


def repositories(image: dict[str, Any]) -> dict[str, list[str]]:
    """Return the names of an image in full, and its digest in each of their repositories."""
    from rootless.oci import reference

    names = [reference.parse(name) for name in image["NamesHistory"]]
    known = [str(reference.parse(one)) for one in image["RepoDigests"]]
    known = known or [f"{name.name}@{image['Digest']}" for name in names]
    return {
        "RepoTags": [str(name) for name in names if name.tag],
        "RepoDigests": list(dict.fromkeys(known)),
    }


def warning(text: str) -> str:
    """Return a line of podman's log."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f'time="{stamp}" level=warning msg="{text}"'


def published(one: Listed) -> str:
    """Return the ports of a container, whether it runs or not; those of IPv6 are not named."""
    from rootless.containers.ports import summary

    ports: Any = [dict(port) for port in one.state.ports or one.record["ports"]]
    for port in ports:
        port["ip"] = port["ip"] or "0.0.0.0"  # noqa: S104 - a text
    return summary([port for port in ports if port["ip"] != "::"])


def happened(event: Event) -> str:
    """Return podman's word for what has happened."""
    kind, action = event["kind"], event["action"].partition(":")[0]
    word = HAPPENED.get((kind, event["action"]), HAPPENED.get((kind, action)))
    if word is None:
        word = HAPPENED.get(("", action))
    return action if word is None else word


def when_exactly(nanoseconds: int) -> str:
    """Return a moment with all its digits, in local time."""
    whole, fraction = divmod(nanoseconds, 1_000_000_000)
    return time.strftime(f"%Y-%m-%d %H:%M:%S.{fraction:09d} %z %Z", time.localtime(whole))


def when(moment: float) -> str:
    """Return a moment as podman prints it: 2026-02-01 12:00:00.5 +0000 UTC."""
    whole, fraction = divmod(moment, 1)
    digits = f"{fraction:.9f}"[1:].rstrip("0").rstrip(".")
    local = time.localtime(whole)
    return time.strftime(f"%Y-%m-%d %H:%M:%S{digits} %z %Z", local)
