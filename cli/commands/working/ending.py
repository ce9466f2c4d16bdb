"""build config, commit, mount, umount, rm and ls: what becomes of working containers."""

from __future__ import annotations

from rootless.cli import exits, output, reach
from rootless.cli.commands.images import buildflags
from rootless.cli.commands.working import changing
from rootless.cli.dialects import choice
from rootless.cli.teller import Teller
from rootless.errors import Error, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    from rootless.build.working.container import Working
    from rootless.cli.options import common
    from rootless.cli.options.working import ending as opt
    from rootless.containers.container import Container
    from rootless.engine import Engine

HEADINGS = {
    "ContainerID": "CONTAINER ID",
    "Builder": "BUILDER",
    "ImageID": "IMAGE ID",
    "ImageName": "IMAGE NAME",
    "ContainerName": "CONTAINER NAME",
}
"""What a row has, and how buildah heads it."""

_TRANSPORTS = ("docker", "docker-archive", "oci", "oci-archive", "dir", "containers-storage")


def build_config(
    engine: Engine, container: common.Container, **asked: Unpack[opt.ConfigAsked]
) -> int:
    """Change the settings of the image that is made in a working container.

    Examples:
        rootless build config --env LANG=C.UTF-8 --env DEBUG- --port 80 $c
        rootless build config --entrypoint '["/app"]' --workingdir /srv --label version=2 $c
    """
    from rootless.build.working.configuring import configure
    from rootless.build.working.container import find

    configure(find(engine.containers, container), changing.of(asked), Teller())
    return 0


def build_commit(
    engine: Engine,
    container: common.Container,
    image: opt.CommitTarget = "",
    *,
    quiet: opt.CommitQuiet = False,
    **asked: Unpack[opt.CommitAsked],
) -> int:
    """Make an image of a working container, and print its id.

    All that is new in it becomes one layer. The container stays, and can be worked in further.

    Examples:
        rootless build commit $c app:2
        rootless build commit --rm --timestamp 0 $c oci-archive:app.tar
    """
    from rootless.build.shape import Shape
    from rootless.build.working.committing import Wish, commit
    from rootless.build.working.container import find

    transport, colon, place = image.partition(":")
    elsewhere = bool(colon) and transport in _TRANSPORTS and transport != "containers-storage"
    name = place if transport == "containers-storage" and colon else image
    shape = Shape()
    shape.omit_history = asked.get("omit_history", False)
    shape.unset_environment = list(asked.get("unsetenv") or ())
    shape.squash = "all" if asked.get("squash") else "own"
    wish = Wish([choice.current().given(name)] if name and not elsewhere else [], shape)
    wish.epoch = buildflags.epoch_of({"timestamp": asked.get("timestamp", "")})
    if form := asked.get("format", ""):
        wish.docker = form == "docker"
    working = find(engine.containers, container)
    with Teller(quiet=quiet, lines=True) as teller:
        made = commit(engine.images, working, wish, teller)
        if elsewhere:
            _send(engine, made, image, asked, teller)
    if listed := asked.get("manifest"):
        access = reach.access_of(asked)
        engine.manifests.create(
            choice.current().given(listed), [f"sha256:{made}"], access=access, amend=True
        )
    if path := asked.get("iidfile"):
        reach.write_digest(path, f"sha256:{made}")
    if asked.get("rm"):
        _remove(engine, working)
    output.say(made)
    return 0


def _send(engine: Engine, made: str, place: str, asked: opt.CommitAsked, teller: Teller) -> None:
    from rootless.images.transfer.wish import CopyWish

    source = f"containers-storage:sha256:{made}"
    wish = CopyWish(format_=asked.get("format", ""))
    access = reach.access_of(asked)
    engine.images.copy(source, place, wish, access=(access, access), teller=teller)


def build_mount(
    engine: Engine, containers: opt.SomeWorking = None, *, json: opt.AsJson = False
) -> int:
    """Mount working containers, to be written into, and print where.

    Inside `rootless unshare`, whose end unmounts them. Without a name it lists what is mounted.

    Examples:
        rootless unshare sh -c 'cp -r site $(rootless build mount web)/srv'
    """
    from rootless.build.working.container import all_of, find
    from rootless.build.working.mounting import Shown

    if containers:
        chosen = [find(engine.containers, name) for name in containers]
        places = [(one.name, one.container.id, one.mount()) for one in chosen]
    else:
        here = all_of(engine.containers)
        known = [(one.name, one.id, Shown(one).place) for one in here]
        places = [each for each in known if each[2]]
    if json:
        rows = [{"container": name, "mountPoint": place} for name, _, place in places]
        output.say_json(output.pretty(rows))
    elif containers and len(places) == 1:
        output.say(places[0][2])
    else:
        output.say_lines(f"{name} {place}" for name, _, place in places)
    return 0


def build_umount(
    engine: Engine,
    containers: opt.SomeWorking = None,
    *,
    all: opt.EveryWorking = False,  # noqa: A002
) -> int:
    """Unmount working containers, and print their ids.

    Examples:
        rootless build umount $c
    """
    from rootless.build.working.container import all_of
    from rootless.build.working.mounting import Shown

    if all:
        _refuse_both(containers)
        shown = [one for one in all_of(engine.containers) if Shown(one).place]
        containers = [one.name for one in shown]
    elif not containers:
        raise UsageError("which container?", "name one, or say --all")
    return _each(engine, containers, lambda working: Shown(working.container).unmount())


def build_rm(
    engine: Engine,
    containers: opt.SomeWorking = None,
    *,
    all: opt.EveryWorking = False,  # noqa: A002
) -> int:
    """Remove working containers, and print their ids.

    Other containers stay: `rootless rm` removes both.

    Examples:
        rootless build rm --all
    """
    from rootless.build.working.container import all_of

    if all:
        _refuse_both(containers)
        containers = [one.id for one in all_of(engine.containers)]
    elif not containers:
        raise UsageError("which container?", "name one, or say --all")
    return _each(engine, containers, lambda working: _remove(engine, working))


def _each(engine: Engine, names: list[str], action: Callable[[Working], object]) -> int:
    """Do it for each, and print its id, as buildah does; go on after a failure."""
    from rootless.build.working.container import find

    code = exits.OK
    for name in names:
        try:
            working = find(engine.containers, name)
            action(working)
        except Error as error:
            code = output.complain(error if len(names) == 1 else error.about(name))
        else:
            output.say(working.container.id)
    return code


def _refuse_both(names: list[str] | None) -> None:
    if names:
        raise UsageError("--all and names contradict each other")


def _remove(engine: Engine, working: Working) -> None:
    engine.containers.remove(working.container.id, force=True, volumes=True)


def build_ls(
    engine: Engine,
    *,
    all: opt.AllContainers = False,  # noqa: A002 - the option's name
    filter: opt.LsFilter = None,  # noqa: A002 - the option's name
    format: common.Format = "",  # noqa: A002 - the option's name
    json: opt.AsJson = False,
    noheading: opt.NoHeading = False,
    notruncate: opt.NoTruncate = False,
    quiet: common.Quiet = False,
) -> int:
    """List working containers.

    `rootless ps -a` lists them among all others, with the label io.rootless.working. Filters:
    `id=ID`, `name=TEXT`, `ancestor=IMAGE`.

    Examples:
        rootless build ls --format '{{.ContainerName}} {{.ImageName}}'
    """
    found = sorted(engine.containers.list(), key=lambda one: one.record["created"])
    chosen = [one for one in found if all or "working" in one.record]
    for text in filter or ():
        chosen = [one for one in chosen if _fits(one, text)]
    if quiet:
        output.say_lines(one.id for one in chosen)
    elif json:
        output.say_json(output.pretty([_typed(one) for one in chosen]))
    else:
        rows = [output.Row(_row(one, full=notruncate)) for one in chosen]
        output.show(rows, format, HEADINGS, tuple(HEADINGS), bare=noheading)
    return 0


def _fits(one: Container, text: str) -> bool:
    """Whether a container passes a filter. Raises UsageError for one that is none."""
    key, equals, value = text.partition("=")
    record = one.record
    if not equals or key not in ("id", "name", "ancestor"):
        raise UsageError(f"invalid filter {text!r}", "id=ID, name=TEXT or ancestor=IMAGE")
    if key == "id":
        return one.id.startswith(value)
    if key == "name":
        return value in one.name
    return value in (record["image"], record.get("image_name")) or (
        bool(value) and record["image_id"].startswith(value.removeprefix("sha256:"))
    )


def _typed(one: Container) -> dict[str, object]:
    return {
        "id": one.id,
        "builder": "working" in one.record,
        "imageid": one.record["image_id"],
        "imagename": one.record.get("image_name") or one.record["image"],
        "containername": one.name,
    }


def _row(one: Container, *, full: bool) -> dict[str, str]:
    typed = _typed(one)
    ids = [str(typed[key]) for key in ("id", "imageid")]
    container, image = ids if full else (each[:12] for each in ids)
    return {
        "ContainerID": container,
        "Builder": "   *" if typed["builder"] else "",
        "ImageID": image,
        "ImageName": str(typed["imagename"]),
        "ContainerName": one.name,
    }
