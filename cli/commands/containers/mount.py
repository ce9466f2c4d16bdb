"""mount and unmount: the files of containers and images, inside `rootless unshare`."""

from __future__ import annotations

from rootless.cli import output
from rootless.cli.commands.containers import choosing
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.cli.options import common, images
    from rootless.cli.options import containers as opt
    from rootless.engine import Engine


def mount(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    all: opt.All = False,  # noqa: A002 - the option's name
    format: common.JsonFormat = "",  # noqa: A002 - the option's name
    latest: opt.TheLatest = False,
    no_trunc: opt.MountNoTrunc = False,
) -> int:
    """Mount containers, read-only, and print where.

    Inside `rootless unshare`, whose end unmounts them. Without a name it lists what is mounted.

    Examples:
        rootless unshare sh -c 'du -sh $(rootless mount web)'
    """
    from rootless.containers.files.trees import mounted_of
    from rootless.images.trees.mounting import Mounts

    mounts = Mounts(engine.paths, "container")
    here = [one for one in engine.containers.list() if one.record["rootfs"]["kind"] != "host"]
    if latest:
        containers = choosing.named(engine, containers, {"latest": True})
    names = _wanted(containers, every=all, known=lambda: [one.id for one in here])
    places: dict[str, tuple[str, str]] = {}
    for name in names:
        container = engine.containers.get(name)
        path = mounts.mount(container.id, mounted_of(container))
        places[container.id] = (container.name, path)
    if not names and not all:
        there = mounts.all()
        places = {one.id: (one.name, there[one.id]) for one in here if one.id in there}
    if format == "json":
        rows = [{"id": i, "Names": [n], "mountpoint": path} for i, (n, path) in places.items()]
        output.say_json(output.pretty(rows))
    else:
        _show(list(places.values()), alone=bool(containers))
    return 0


def image_mount(
    engine: Engine,
    images: images.SomeImages = None,
    *,
    all: images.EveryImage = False,  # noqa: A002 - the option's name
    format: common.JsonFormat = "",  # noqa: A002 - the option's name
) -> int:
    """Mount images, read-only, and print where.

    Inside `rootless unshare`, whose end unmounts them. Without a name it lists what is mounted.

    Examples:
        rootless unshare sh -c 'ls $(rootless image mount busybox)'
    """
    from rootless.images.trees.mounting import Mounts
    from rootless.runtime.tree.rootfs import stacked

    store = engine.images
    mounts = Mounts(engine.paths, "image")
    every = lambda: [one.id for one in store.list() if not one.is_list]  # noqa: E731
    names = _wanted(images, every=all, known=every)
    places: dict[str, tuple[list[str], str]] = {}
    for name in names:
        image = store.get(name)
        if image.host:
            raise UsageError("the image host is this machine: it is mounted at /")
        layers = stacked(image.lowers()[::-1])
        places[image.id] = (image.names, mounts.mount(image.id, layers))
    if not names and not all:
        there = mounts.all()
        places = {one.id: (one.names, there[one.id]) for one in store.list() if one.id in there}
    if format == "json":
        known = [{"id": i, "Repositories": n, "mountpoint": p} for i, (n, p) in places.items()]
        output.say_json(output.pretty(known))
    else:
        rows = [((names or [key[:12]])[0], path) for key, (names, path) in places.items()]
        _show(rows, alone=bool(images))
    return 0


def unmount(
    engine: Engine,
    containers: opt.SomeContainers = None,
    *,
    all: opt.UnmountAll = False,  # noqa: A002 - the option's name
    force: opt.ForceUnmount = False,
    latest: opt.TheLatest = False,
) -> int:
    """Unmount containers.

    Examples:
        rootless unmount web
    """
    found = engine.containers
    if latest:
        containers = choosing.named(engine, containers, {"latest": True})
    return _unmount(engine, "container", containers, lambda name: found.get(name).id, all, force)


def image_unmount(
    engine: Engine,
    images: images.SomeImages = None,
    *,
    all: opt.UnmountAll = False,  # noqa: A002 - the option's name
    force: opt.ForceUnmount = False,
) -> int:
    """Unmount images.

    Examples:
        rootless image unmount busybox
    """
    found = engine.images
    return _unmount(engine, "image", images, lambda name: found.get(name).id, all, force)


def _unmount(
    engine: Engine,
    kind: str,
    names: list[str] | None,
    id_of: Callable[[str], str],
    every: bool,
    force: bool,
) -> int:
    from rootless.images.trees.mounting import Mounts

    mounts = Mounts(engine.paths, kind)
    chosen = _wanted(names, every=every, known=lambda: list(mounts.all()))
    if not chosen and not every:
        raise UsageError(f"which {kind}?", "name one, or say --all")
    there = mounts.all()
    return output.each(
        chosen,
        lambda name: mounts.unmount(name if name in there else id_of(name), force=force),
    )


def _wanted(names: list[str] | None, *, every: bool, known: Callable[[], list[str]]) -> list[str]:
    if every and names:
        raise UsageError("--all and names contradict each other")
    return known() if every else names or []


def _show(rows: list[tuple[str, str]], *, alone: bool) -> None:
    """Print a table of names and places; of one that was named alone, the place only."""
    if alone and len(rows) == 1:
        output.say(rows[0][1])
    else:
        output.say_table(rows)
