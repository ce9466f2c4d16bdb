"""container, image and system prune: what nothing needs."""

from __future__ import annotations

from rootless.cli import exits, output
from rootless.errors import Error, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine as opt
    from rootless.engine import Engine
    from rootless.images.image import Image

FILTERS = ("until", "label", "label!")


def container_prune(
    engine: Engine,
    *,
    filter: opt.PruneFilter = None,  # noqa: A002 - the option's name
    force: opt.NoQuestion = False,
) -> int:
    """Remove containers that do not run.

    Filters: `until=TIME`, `label=KEY[=VALUE]`, `label!=KEY[=VALUE]`.

    Examples:
        rootless container prune
        rootless container prune --force --filter until=24h
    """
    wanted = _checked(filter)
    if not force and not _agreed("This will remove all stopped containers."):
        return exits.OK
    return _told(Pruning(engine, wanted).containers())


def image_prune(
    engine: Engine,
    *,
    all: opt.PruneAll = False,  # noqa: A002 - the option's name
    filter: opt.PruneFilter = None,  # noqa: A002 - the option's name
    force: opt.NoQuestion = False,
) -> int:
    """Remove images without a name, that no container uses.

    And what is a week old of pulls that broke off; with --all all of it.
    Filters: `until=TIME`, `label=KEY[=VALUE]`, `label!=KEY[=VALUE]`.

    Examples:
        rootless image prune
        rootless image prune --all --force --filter until=240h
    """
    wanted = _checked(filter)
    what = "all images without at least one container" if all else "all dangling images"
    if not force and not _agreed(f"This will remove {what}."):
        return exits.OK
    return _told(Pruning(engine, wanted).images(every=all))


def system_prune(
    engine: Engine,
    *,
    all: opt.PruneAll = False,  # noqa: A002 - the option's name
    filter: opt.PruneFilter = None,  # noqa: A002 - the option's name
    force: opt.NoQuestion = False,
    volumes: opt.PruneVolumes = False,
) -> int:
    """Remove containers that do not run, images that none uses, and pulls that broke off.

    And what earlier removals have left, unless there are filters.
    Filters: `until=TIME`, `label=KEY[=VALUE]`, `label!=KEY[=VALUE]`.

    Examples:
        rootless system prune
        rootless system prune --all --volumes --force
    """
    wanted = _checked(filter)
    if volumes and wanted:
        raise UsageError("--volumes and --filter contradict each other: volumes have no labels")
    goes = [
        "all stopped containers",
        "all images without at least one container" if all else "all dangling images",
        "all that is left of pulls that broke off" if all else "old parts of broken-off pulls",
        *(["all anonymous volumes not used by at least one container"] if volumes else []),
    ]
    if not force and not _agreed("This will remove:\n" + "".join(f"  - {x}\n" for x in goes)):
        return exits.OK
    from rootless.system import temporaries

    pruning = Pruning(engine, wanted)
    pruning.containers()
    if volumes:
        pruning.volumes()
    temporaries.sweep(engine.paths)
    pruning.images(every=all)
    if not wanted:
        pruning.leftovers()
    return _told(pruning)


def _checked(filters: list[str] | None) -> list[str]:
    for text in filters or []:
        key = text.partition("=")[0]
        if key not in FILTERS:
            raise UsageError(f"invalid filter {key!r}", "one of " + ", ".join(FILTERS))
    return filters or []


def _agreed(warning: str) -> bool:
    from rootless.cli.asking import agreed

    for line in f"WARNING! {warning}".split("\n"):
        output.say(line)
    return agreed()


def _told(pruning: Pruning) -> int:
    output.say(f"Total reclaimed space: {output.size(pruning.freed)}")
    return exits.FAILED if pruning.failed else exits.OK


class Pruning:
    """One prune: removes, prints what goes, and adds up the room that it makes."""

    def __init__(self, engine: Engine, filters: list[str]) -> None:
        self._engine = engine
        self._filters = filters
        self.freed = 0
        """Bytes."""
        self.failed = False
        """Whether something could not be removed, which was told."""

    def containers(self) -> Pruning:
        """Remove containers that do not run; their volumes stay."""
        from rootless.cli.commands.containers.filters import fitting
        from rootless.system.sizes import written_sizes

        containers = self._engine.containers
        stopped = [one for one in containers.list() if not one.state().active]
        chosen = fitting(self._engine, stopped, self._filters)
        sizes = written_sizes(self._engine.paths, chosen)
        gone = []
        for container, size in zip(chosen, sizes, strict=True):
            try:
                container.remove()
            except Error as error:
                output.complain(error)
                self.failed = True
            else:
                gone.append(container.id)
                self.freed += size
        _print("Deleted Containers:", gone)
        return self

    def volumes(self) -> Pruning:
        """Remove the anonymous volumes that no container names."""
        from rootless.system.usage import discard_volumes

        try:
            gone = discard_volumes(self._engine)
        except Error as error:
            output.complain(error)
            self.failed = True
        else:
            self.freed += sum(gone.values())
            _print("Deleted Volumes:", list(gone))
        return self

    def images(self, *, every: bool) -> Pruning:
        """Remove images without a name, or `every` one that no container uses."""
        from rootless.cli.commands.images.image_filters import filtered
        from rootless.images import partial
        from rootless.system.usage import images_size

        engine = self._engine
        here = [image for image in engine.images.list() if not image.readonly]
        fit = filtered(engine, here, [*self._filters, "containers=false"])
        before = images_size(engine.paths, here)
        lines: list[str] = []
        for image in [image for image, _ in fit if every or not image.names]:
            lines += self._remove(image)
        _print("Deleted Images:", [f"{line.lower()[:1]}{line[1:]}" for line in lines])
        left = [image for image in here if f"Deleted: sha256:{image.id}" not in lines]
        self.freed += before - images_size(engine.paths, left)
        age = 0 if every and not self._filters else partial.MAX_AGE
        self.freed += partial.sweep(engine.paths.images, age=age)
        if every and not self._filters:
            engine.images.drop_layers()
        return self

    def leftovers(self) -> None:
        """Delete what removals have left."""
        from rootless.system import leftovers
        from rootless.system.sizes import tree_sizes

        paths = self._engine.paths
        left = leftovers.find(paths)
        gone = []
        for path, size in zip(left, tree_sizes(paths, left), strict=True):
            try:
                leftovers.remove(paths, path)
            except Error as error:
                output.complain(error)
                self.failed = True
            else:
                gone.append(path)
                self.freed += size
        _print("Deleted Leftovers:", gone)

    def _remove(self, image: Image) -> list[str]:
        try:
            # Several names need force; without it a container made meanwhile keeps its image.
            return self._engine.images.remove([image.id], force=len(image.names) > 1)
        except Error as error:
            output.complain(error)
            self.failed = True
            return []


def _print(heading: str, lines: list[str]) -> None:
    if lines:
        output.say_lines([heading, *lines])
        output.say("")
