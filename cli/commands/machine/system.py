"""system df, check and reset."""

from __future__ import annotations

from rootless import times
from rootless.cli import exits, output
from rootless.cli.dialects import choice
from rootless.containers import summary
from rootless.images.summary import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.cli.options import common
    from rootless.cli.options import machine as opt
    from rootless.containers.container import Container
    from rootless.engine import Engine
    from rootless.images.image import Image
    from rootless.system.usage import Row, Usage

HEADINGS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}

IMAGE_HEADINGS = [
    *("REPOSITORY", "TAG", "IMAGE ID", "CREATED"),
    *("SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"),
]
CONTAINER_HEADINGS = [
    *("CONTAINER ID", "IMAGE", "COMMAND", "LOCAL VOLUMES"),
    *("SIZE", "CREATED", "STATUS", "NAMES"),
]


def df(
    engine: Engine,
    *,
    format: common.Format = "",  # noqa: A002 - the option's name
    verbose: opt.Verbose = False,
) -> int:
    """Show how much images, containers and volumes take.

    Examples:
        rootless system df
        rootless system df --format '{{.Type}} {{.Size}}'
    """
    from rootless.system.usage import Usage

    usage = Usage(engine)
    if verbose and not format:
        _show_all(usage)
        return 0
    output.show([_row(row) for row in usage.rows()], format, HEADINGS, tuple(HEADINGS))
    return 0


def _row(row: Row) -> output.Row:
    share = f" ({100 * row.reclaimable // row.size}%)" if row.size else ""
    shown = output.Row(
        {
            "Type": row.kind,
            "TotalCount": str(row.total),
            "Active": str(row.active),
            "Size": output.size(row.size),
            "Reclaimable": output.size(row.reclaimable) + share,
        }
    )
    shown.further = {
        "RawReclaimable": row.reclaimable,
        "RawSize": row.size,
        "Total": shown["TotalCount"],
    }
    return shown


def _show_all(usage: Usage) -> None:
    rows = [_image_row(usage, image) for image in usage.images]
    _section("Images", [IMAGE_HEADINGS, *rows])
    output.say("")
    _section(
        "Containers", [CONTAINER_HEADINGS, *(_container_row(usage, x) for x in usage.containers)]
    )
    output.say("")
    rows = [["VOLUME NAME", "LINKS", "SIZE"]]
    for name in usage.volumes:
        rows.append([name, str(usage.links(name)), output.size(usage.volume_sizes[name])])
    _section("Local Volumes", rows)
    output.say("")
    rows = [["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED"]]
    for one in usage.cache.all:
        times_ago = [times.ago(one.made), times.ago(one.used)]
        words = [one.id[:12], one.kind, output.size(one.size), *times_ago]
        rows.append([*words, str(int(one.in_use)), str(one.shared).lower()])
    output.say_lines([f"Build cache usage: {output.size(usage.cache.total)}", ""])
    output.say_table(rows)
    if usage.leftovers:
        output.say("")
        rows = [[path, output.size(size)] for path, size in usage.leftovers.items()]
        _section("Leftovers", [["PATH", "SIZE"], *rows])


def _section(kind: str, rows: list[list[str]]) -> None:
    output.say_lines([f"{kind} space usage:", ""])
    output.say_table(rows)


def _container_row(usage: Usage, one: Container) -> list[str]:
    record, state = one.record, one.state()
    row = {
        "ID": one.id[:12],
        "Image": record["image"],
        "Command": output.quote(output.shorten(" ".join([record["path"], *record["args"]]), 20)),
        "LocalVolumes": str(sum(each["type"] == "volume" for each in record["volumes"])),
        "Size": output.size(usage.container_sizes[one.id]),
        "RunningFor": times.ago(record["created"]),
        "Status": summary.status(state),
        "Names": one.name,
    }
    choice.current().usage(row, record, state.status)
    return [*row.values()]


def _image_row(usage: Usage, image: Image) -> list[str]:
    size, shared = usage.image_size(image), usage.shared_size(image)
    return [
        *split(image.names[0] if image.names else ""),
        image.id[:12],
        choice.current().age(times.ago(image.created)),
        *map(output.size, (size, shared, size - shared)),
        str(usage.containers_of(image)),
    ]


def check(
    engine: Engine,
    *,
    force: opt.ForceRepair = False,
    quick: opt.Quick = False,
    repair: opt.Repair = False,
) -> int:
    """Look whether the store is whole.

    Ends with 0 where it is, or was mended; what killed commands have left over is no damage, and
    goes with --repair or `system prune`. --repair fetches again what is damaged of an image or
    artifact that was pulled, and nothing else. What only --force mends costs something: a damaged
    image or artifact, or the record of a container.

    Examples:
        rootless system check
        rootless system check --repair
    """
    from rootless.system.check import Check

    left = 0
    for finding in Check(engine, quick=quick).findings():
        steps = [finding.mend] if finding.mend and (repair or force) else []
        if finding.repair and (force or (repair and not finding.costs)):
            steps.append(finding.repair)
        reasons: list[str] = []
        if any(_done(step, reasons) for step in steps):
            output.say(f"repaired: {finding.text}")
            continue
        left += not finding.harmless
        word = "left over" if finding.harmless else "damaged"
        cost = f" (--force removes {finding.costs})" if finding.costs and not force else ""
        why = "".join(f"; not repaired: {reason}" for reason in reasons)
        output.say(f"{word}: {finding.text}{why}{cost}")
    return exits.FAILED if left else exits.OK


def _done(step: Callable[[], object], reasons: list[str]) -> bool:
    """Whether a step of a repair succeeds; else the reason is added to `reasons`."""
    from rootless.cli.fields import told
    from rootless.errors import Error

    try:
        step()
    except (Error, OSError) as error:
        reasons.append(told(error))
        return False
    return True


def reset(engine: Engine, *, force: opt.ForceReset = False) -> int:
    """Delete all images, containers and volumes.

    Lists what goes, and asks first. Nothing else than that is touched, whatever else lies in the
    directory of the store.

    Examples:
        rootless system reset
        rootless --root /scratch/me/store system reset --force
    """
    from rootless.cli.asking import agreed
    from rootless.system.reset import Reset

    plan = Reset(engine)
    output.say(f"This deletes from {engine.paths.root}:")
    for path in plan.paths:
        output.say(f"  {output.size(plan.sizes[path]):>8}  {path.rpartition('/')[2]}")
    output.say(f"  {output.size(sum(plan.sizes.values())):>8}  in all")
    if plan.running:
        output.say(f"Running containers, which are killed: {', '.join(plan.running)}")
    if plan.foreign:
        output.say(f"Not of this store, and left alone: {', '.join(plan.foreign)}")
    if not force and not agreed():
        return exits.OK
    plan.carry_out(force=True)
    return exits.OK


def migrate(engine: Engine, *, new_runtime: opt.NewRuntime = "") -> int:
    """Do nothing: an upgrade harms no container that runs, and records are read as they are."""
    return exits.OK


def renumber(engine: Engine) -> int:
    """Do nothing: locks are files of what they lock, and have no numbers."""
    return exits.OK
