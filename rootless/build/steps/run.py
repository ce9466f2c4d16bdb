"""RUN: a command in a container upon the stage's layers; what it changes is the layer."""

from __future__ import annotations

import contextlib
import os

from rootless.build.cache import room
from rootless.build.layering import layer, lend
from rootless.build.place import BuildPaths
from rootless.build.steps.mounts import prepared
from rootless.build.steps.private import private_file
from rootless.build.steps.telling import Telling
from rootless.build.steps.touched import touched
from rootless.containers.collection import Containers
from rootless.containers.deletion import KEPT
from rootless.containers.files.trees import ids_of, trees_of
from rootless.containers.request import bind, request
from rootless.containers.running.ends import Ends
from rootless.errors import Error
from rootless.images.making import Making
from rootless.teller import QUIET
from rootless.times import now
from rootless.volumes.mounts import image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rootless.build.cache.results import Result
    from rootless.build.crew import Line
    from rootless.build.place import Site
    from rootless.build.steps.command import Command
    from rootless.build.steps.mounts import Prepared
    from rootless.containers.container import Container
    from rootless.containers.request import Fields
    from rootless.images.trees.stack import Stack

    Document = dict[str, Any]

SCRIPT = "/dev/pipes/EOF"
"""Where a heredoc that begins with `#!` is executed; BuildKit's place."""

HOSTNAME = "buildkitsandbox"
"""BuildKit's, which some scripts look for."""


class StageImage:
    """What a container needs of an image, made of a stage as it is so far."""

    host = False
    id = ""
    digest = ""

    def __init__(self, paths: Site, stack: Stack, config: Document) -> None:
        self._paths = paths
        self.stack = stack
        self.config = {"config": {**config, "Healthcheck": None}}
        self.names: list[str] = []

    def lowers(self) -> list[str]:
        """See record.Image.lowers."""
        if not self.stack.diff_ids:
            empty = f"{self._paths.builds}/empty/fs"
            os.makedirs(empty, 0o755, exist_ok=True)
            return [empty]
        return self._paths.lowers(self.stack)


class Output(Ends):
    """The ends of a RUN: what it writes goes to the build."""

    holds = True

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def write(self, stream: int, data: bytes) -> None:
        """See Ends.write."""
        self._line.say(do="output", stream=stream, data=data.decode("latin-1"))


def run(line: Line, paths: Site, stack: Stack, config: Document, command: Command) -> Document:
    """Run it; return the result as `Result` has it, and its exit code as `code`.

    Of a command that has failed there is no result; `left` is the id of the image of what it left,
    `full` the root of the store where its disk is, and else "".
    Raises LaunchError, StoreError.
    """
    own = BuildPaths(paths)
    own.prepare()
    workdir = str(config.get("WorkingDir") or "/")
    with contextlib.ExitStack() as stack_of_files:
        lent = None
        if command.imports is not None:
            from rootless.build.carriers.mounts import Lent

            lent = Lent(command.imports, command.reach, Telling(line))
        how = (command.mounts, command.given, workdir, lent)
        mounts = stack_of_files.enter_context(prepared(own, *how))
        if command.script:
            place = stack_of_files.enter_context(_script(own, command.script))
            mounts.volumes.append(bind(place, SCRIPT, rw=False))
            command.words = [SCRIPT]
        return _run(line, own, StageImage(paths, stack, config), command, mounts)


@contextlib.contextmanager
def _script(paths: BuildPaths, text: str) -> Iterator[str]:
    """Write a program to a file of this build's alone."""
    with private_file(paths, text.encode("utf-8", "surrogateescape")) as path:
        os.chmod(path, 0o755)  # noqa: S103 - to be executed by the user of the container
        yield path


def _run(
    line: Line, paths: BuildPaths, base: StageImage, command: Command, mounts: Prepared
) -> Document:
    asked = command.fields
    fields: Fields = {
        **asked,
        "entrypoint": [],
        "environment": [*command.environment, *mounts.environment],
        "name": f"build-{paths.build}-{os.getpid()}",
        "mounts": [
            *mounts.volumes,
            *(image(item["source"], item["destination"]) for item in mounts.shown),
            *asked.get("mounts", ()),
        ],
        "hostname": "" if _shares_name(asked) else asked.get("hostname") or HOSTNAME,
        "image_volumes": "ignore",
        "log": {"driver": "none", "options": {}},
        "record_owners": True,
        "remove": True,
        "stop_timeout": 0,
    }
    wish = request("build", command.words, **fields)
    container = Containers(paths).create(wish, base, files=mounts.shown)
    try:
        os.close(os.open(f"{container.directory}/{KEPT}", os.O_CREAT | os.O_CLOEXEC, 0o600))
        code = container.run(command.ends or Output(line), detach_keys="")
        if code and not command.keeps:
            full = room.is_used_up(paths)
            left = _left(paths, base, command, container, code)
            return {"code": code, "left": left, "full": paths.root if full else ""}
        told = Telling(line)
        result = layer(
            paths, base.stack, told, lambda making: _changes(making, container, command.epoch)
        )
    finally:
        line.afterwards(lambda: _remove(container))
    found = _touched(paths, base, command, result)
    return {"code": code, "layer": result.layer, "notes": result.notes, "touched": found}


def _touched(paths: BuildPaths, base: StageImage, command: Command, result: Result) -> Document:
    """Return what the layer has only once more, {} for nothing worth a word."""
    if result.layer is None:
        return {}
    layer = f"{paths.layers}/{result.upon(base.stack).chains[-1]}/fs"
    with contextlib.suppress(OSError):  # a guess is no reason to fail
        found = touched(command.words, layer, base.lowers())
        return vars(found) if found else {}
    return {}


def _left(
    paths: BuildPaths, base: StageImage, command: Command, container: Container, code: int
) -> str:
    """Make an image without a name of what a failed command has left; return its id, "" for none.

    A disk that is full, which may be why it failed, is no further error.
    """
    document = command.document
    if document is None:
        return ""
    try:
        with Making(paths, QUIET, base.stack) as making:
            lend(paths, making, base.stack)
            empty = not _changes(making, container, command.epoch)
            text = f"RUN {' '.join(command.words)} # exit code: {code}"
            document["history"].append({"created": now(), "created_by": text})
            if empty:
                document["history"][-1]["empty_layer"] = True
            return making.finish([], document).partition(":")[2]
    except (Error, OSError):
        return ""


def _remove(container: Container) -> None:
    with contextlib.suppress(Error):
        container.remove(force=True, volumes=True)


def _shares_name(asked: Fields) -> bool:
    return "namespaces" in asked and asked["namespaces"]["uts"] == "host"


def _changes(making: Making, container: Container, epoch: int | None) -> bool:
    trees = trees_of(container)
    trees.newest = None if epoch is None else epoch * 10**9
    return making.add_changes(trees, ids_of(container), container.id, lambda: None)
