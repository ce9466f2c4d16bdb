"""init, and of `container` clone, cleanup and runlabel: what podman has beside docker."""

from __future__ import annotations

import sys

from rootless.cli import exits, output
from rootless.cli.commands.containers import choosing
from rootless.errors import Conflict, NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from rootless.cli.options import common, registries
    from rootless.cli.options import containers as opt
    from rootless.engine import Engine


def init(engine: Engine, containers: opt.SomeContainers = None, **which: Unpack[opt.Which]) -> int:
    """Make containers ready to start.

    They are so since they were made; it is refused for those that run.

    Examples:
        rootless init web
    """
    every = which.get("all", False)

    def ready(name: str) -> None:
        one = engine.containers.get(name)
        if one.state().active and not every:
            raise Conflict(f"cannot init container {one.name}: it is running")

    return output.each(choosing.some(engine, containers, which), ready)


def cleanup(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    exec: opt.CleanedExec = "",  # noqa: A002 - the option's name
    rm: opt.RmToo = False,
    rmi: opt.RmiToo = False,
    **which: Unpack[opt.Which],
) -> int:
    """Tidy up after containers that have ended.

    Each does that by itself; after one whose supervisor was killed, every look does.

    Examples:
        rootless container cleanup --rm job
    """
    if exec and (rm or rmi):
        raise UsageError("--exec goes with neither --rm nor --rmi")

    def tidy(name: str) -> None:
        one = engine.containers.get(name)
        if one.state().active:
            if not which.get("all"):
                raise Conflict(f"cannot clean up container {one.name}: it is running")
            return
        if rm or rmi:
            one.remove()
        if rmi:
            engine.images.remove([f"sha256:{one.record['image_id']}"])

    return output.each(choosing.some(engine, containers, which), tidy)


def clone(
    engine: Engine,
    container: common.Container,
    name: opt.CloneName = "",
    image: opt.CloneImage = "",
    *,
    destroy: opt.Destroy = False,
    force: opt.DestroyForce = False,
    name_: opt.CloneNameOption = "",
    run: opt.CloneRun = False,
) -> int:
    """Make a container like another one.

    With its settings, but not its files; perhaps of another image.

    Examples:
        rootless container clone web web2
        rootless container clone --destroy --run web web busybox:1.36
    """
    if force and not destroy:
        raise UsageError("--force goes with --destroy only")
    one = engine.containers.get(container)
    if destroy and not force and one.state().active:
        raise Conflict(f"container {one.name} is running", "stop it first, or use --force")
    made = engine.clone(one, name_ or name, image, replace=destroy)
    output.say(made.id)
    if run:
        made.start()
    return exits.OK


def runlabel(
    engine: Engine,
    label: opt.RunLabel,
    image: common.ImageName,
    arguments: opt.LabelArguments = None,
    *,
    display: opt.Display = False,
    name: opt.LabelName = "",
    quiet: common.Silent = False,
    replace: opt.LabelReplace = False,
    **asked: Unpack[registries.Reach],
) -> int:
    """Run the command line that a label of an image holds.

    It is a run or create of a container engine, which this one does; no other command is. The line
    is shown first. In it IMAGE and NAME are what they say, and PWD is the working directory.

    Examples:
        rootless container runlabel --display install ghcr.io/me/tools
    """
    import os
    import shlex

    from rootless.cli.reach import access_of
    from rootless.cli.teller import Teller

    with Teller(quiet=quiet) as teller:
        found = engine.images.resolve(image, access=access_of(asked), teller=teller)
    labels = (found.config.get("config") or {}).get("Labels") or {}
    if label not in labels:
        raise NotFound(f"image {image} has no label {label!r}", "rootless inspect shows those")
    words = _words(str(labels[label]), image, name or _base(image), arguments or [])
    _refuse_others(words, label, image)
    if replace:
        words.insert(1, "--replace")
    line = f"command: {shlex.join([sys.argv[0], *words])}"
    if not display:
        output.say(line, to_stderr=True)
        sys.stdout.flush()
        ours = [sys.executable, sys.argv[0], "--root", engine.paths.root]
        os.execv(ours[0], [*ours, *words])  # noqa: S606 - ourselves
    output.say(line)
    return exits.OK


def _refuse_others(words: list[str], label: str, image: str) -> None:
    """Raise UsageError for a label's words that are more than a container to run or to create.

    An image chose them: other commands reach the machine (unshare) or the store (system reset),
    and so do the options of all commands.
    """
    from rootless.cli import lean

    about = f"label {label!r} of image {image}"
    if words[:1] not in (["run"], ["create"]):
        what = repr(words[0]) if words else "no command"
        raise UsageError(f"{about} asks for {what}", "only run and create are done for a label")
    call = lean.parse(words)
    if call and call[3]:
        cause = f"{about} sets {', '.join(sorted(call[3]))} of the engine"
        raise UsageError(cause, "only options of run and create are taken from a label")


def _base(image: str) -> str:
    return image.rpartition("/")[2].partition("@")[0].partition(":")[0]


def _words(text: str, image: str, name: str, more: list[str]) -> list[str]:
    """Return the words behind the program's in the value of a label, with what they stand for.

    Raises UsageError where the program is another one: it would be one of this machine.
    """
    import os
    import shlex

    try:
        first, *rest = shlex.split(text) or [""]
    except ValueError as error:
        raise UsageError(f"the label's command {text!r} has {error}") from error
    if first.rpartition("/")[2] not in ("podman", "docker", "rootless"):
        raise UsageError(
            f"the label's command {text!r} runs {first!r}, a program of this machine",
            "only command lines of podman, docker or rootless are run",
        )
    meant = {"IMAGE": image, "NAME": name, "PWD": os.getcwd()}
    found = []
    for word in [*rest, *more]:
        for key, value in meant.items():
            word = {key: value, f"{key}={key}": f"{key}={value}"}.get(word, word)  # noqa: PLW2901
            word = word.replace(f"${{{key}}}", value).replace(f"${key}", value)  # noqa: PLW2901
        found.append(word)
    return found
