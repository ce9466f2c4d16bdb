"""container, image and system prune: what nothing needs."""

from __future__ import annotations

from rootless.cli import exits, output
from rootless.cli.dialects import choice
from rootless.cli.teller import LongWork, Teller
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine as opt
    from rootless.engine import Engine
    from rootless.system.prune import Gone, Prune


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
    pruning = Pruning(engine, filter)
    if not force and not _agreed("This will remove all stopped containers."):
        return exits.OK
    pruning.show("Deleted Containers:", pruning.prune.containers())
    return pruning.total()


def image_prune(
    engine: Engine,
    *,
    all: opt.PruneAll = False,  # noqa: A002 - the option's name
    build_cache: opt.PruneMounts = False,
    external: opt.External = False,
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
    pruning = Pruning(engine, filter)
    what = "all images without at least one container" if all else "all dangling images"
    if not force and not _agreed(f"This will remove {what}."):
        return exits.OK
    with LongWork("removing images"):
        pruning.show_images(every=all)
    if build_cache:
        gone = pruning.prune.build_cache(every=True, kinds=["exec.cachemount"])
        pruning.show("Deleted build cache objects:", gone)
    return pruning.total()


def system_prune(
    engine: Engine,
    *,
    all: opt.PruneAll = False,  # noqa: A002 - the option's name
    build: opt.PruneBuilds = False,
    filter: opt.PruneFilter = None,  # noqa: A002 - the option's name
    force: opt.NoQuestion = False,
    volumes: opt.PruneVolumes = False,
) -> int:
    """Remove containers that do not run, images that none uses, the cache of builds.

    And pulls that broke off, and what earlier removals have left, unless there are filters.
    Filters: `until=TIME`, `label=KEY[=VALUE]`, `label!=KEY[=VALUE]`.

    Examples:
        rootless system prune
        rootless system prune --all --volumes --force
    """
    pruning = Pruning(engine, filter)
    if volumes and any(text.startswith("until=") for text in filter or ()):
        raise UsageError('the "until" filter is not supported with --volumes')
    every, _ = choice.current().every_volume(False, [])
    which = "all volumes" if every else "all anonymous volumes"
    goes = [
        "all stopped containers",
        "all images without at least one container" if all else "all dangling images",
        "all that is left of pulls that broke off" if all else "old parts of broken-off pulls",
        *([f"{which} not used by at least one container"] if volumes else []),
        "all build cache" if all else "unused build cache",
    ]
    if not force and not _agreed("This will remove:\n" + "".join(f"  - {x}\n" for x in goes)):
        return exits.OK
    from rootless.system import temporaries

    pruning.show("Deleted Containers:", pruning.prune.containers())
    if volumes:
        pruning.show("Deleted Volumes:", pruning.prune.volumes(every=every))
    temporaries.sweep(engine.paths)
    pruning.show_images(every=all)
    pruning.show("Deleted build cache objects:", pruning.prune.build_cache(every=all))
    if not filter:
        pruning.show("Deleted Leftovers:", pruning.prune.leftovers())
    return pruning.total(always=True)


def _agreed(warning: str) -> bool:
    from rootless.cli.asking import agreed

    for line in f"WARNING! {warning}".split("\n"):
        output.say(line)
    return agreed()


class Pruning:
    """One prune on the terminal: prints what goes, and adds up the room that it makes."""

    def __init__(self, engine: Engine, filters: list[str] | None) -> None:
        """Raises UsageError."""
        from rootless.system.prune import Prune

        self._teller = Teller()
        self.prune: Prune = Prune(engine, filters or (), self._teller)
        self._freed = 0

    def show(self, heading: str, gone: Gone) -> None:
        """Print what a step has removed."""
        output.say_lines(choice.current().pruned(heading, gone.names))
        self._freed += gone.freed

    def show_images(self, *, every: bool) -> None:
        """Remove images and print it, in docker's words."""
        gone = self.prune.images(every=every)
        gone.names = [f"{line.lower()[:1]}{line[1:]}" for line in gone.names]
        self.show("Deleted Images:", gone)

    def total(self, *, always: bool = False) -> int:
        """Say how much room there is now, where that is usual; return the exit code."""
        if always or choice.current().totals:
            output.say(f"Total reclaimed space: {output.size(self._freed)}")
        return exits.FAILED if self._teller.problems else exits.OK
