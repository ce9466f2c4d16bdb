"""network prune: the networks that no container is on."""

from __future__ import annotations

from rootless.cli import exits, output
from rootless.errors import Conflict, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import machine
    from rootless.engine import Engine


def network_prune(
    engine: Engine,
    *,
    filter: machine.PruneFilter = None,  # noqa: A002 - the option's name
    force: machine.NoQuestion = False,
) -> int:
    """Remove the networks that no container is on, whether it runs or not.

    Filters: `label=KEY[=VALUE]`, `until=TIME`.

    Examples:
        rootless network prune
        rootless network prune --force --filter until=24h
    """
    from rootless.cli.asking import agreed
    from rootless.cli.teller import Teller
    from rootless.system.networks import documents, kept, remove

    teller = Teller()
    found = kept(engine, documents(engine, teller), [*(filter or []), "dangling=true"])
    if not force:
        output.say(
            "WARNING! This will remove all custom networks not used by at least one container."
        )
        output.say_lines(one["Name"] for one in found)
        if not agreed():
            return exits.OK
    gone = []
    for one in found:
        try:
            remove(engine, engine.networks.get(one["Name"]))
        except (NotFound, Conflict):
            continue  # somebody was faster
        gone.append(one["Name"])
    if gone:
        output.say_lines(["Deleted Networks:", *gone])
    return exits.FAILED if teller.problems else exits.OK
