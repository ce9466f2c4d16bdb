"""volume prune: the volumes that no container has."""

from __future__ import annotations

from rootless.cli import exits, output
from rootless.cli.dialects import choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine as machine
    from rootless.cli.options import volumes as opt
    from rootless.engine import Engine


def volume_prune(
    engine: Engine,
    *,
    all: opt.PruneNamed = False,  # noqa: A002 - the option's name
    filter: machine.PruneFilter = None,  # noqa: A002 - the option's name
    force: machine.NoQuestion = False,
) -> int:
    """Remove volumes that no container has: those without names, with --all the others, too.

    What would go is shown first, with its size. podman's prune is that of --all. Filters:
    `label=KEY[=VALUE]`, `label!=KEY[=VALUE]`, `name=TEXT`, `since=VOLUME`, `until=TIME`.

    Examples:
        rootless volume prune
        rootless volume prune --all --force --filter label!=keep
    """
    from rootless.cli.teller import Teller
    from rootless.system.volumes.users import Unused

    dialect, teller = choice.current(), Teller()
    every, filters = dialect.every_volume(all, filter or [])
    unused = Unused(engine, filters, every=every, teller=teller)
    if not force:
        from rootless.cli.asking import agreed

        output.say(f"WARNING! {dialect.pruned_volumes(every=every)}")
        if not unused.volumes:
            output.say("No dangling volumes found")
            return exits.FAILED if teller.problems else exits.OK
        rows = [[one.name, output.size(unused.sizes[one.name])] for one in unused.volumes]
        output.say_table(rows)
        if not agreed():
            return exits.OK
    gone = unused.remove()
    output.say_lines(dialect.pruned("Deleted Volumes:", [*gone]))
    if dialect.totals:
        output.say(f"Total reclaimed space: {output.size(sum(gone.values()))}")
    return exits.FAILED if teller.problems else exits.OK
