"""builder prune, buildx prune and du: the cache of builds."""

from __future__ import annotations

from rootless import times
from rootless.cli import exits, output
from rootless.values import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.build.cache.entries import Entry
    from rootless.build.cache.pruning import Wish
    from rootless.cli.options import caching as opt
    from rootless.cli.options import machine
    from rootless.engine import Engine


def builder_prune(
    engine: Engine,
    *,
    all: opt.AllCache = False,  # noqa: A002 - the option's name
    filter: opt.CacheFilter = None,  # noqa: A002 - the option's name
    force: machine.NoQuestion = False,
    keep_storage: opt.KeepStorage = "",
    max_used_space: opt.MaxUsedSpace = "",
    min_free_space: opt.MinFreeSpace = "",
) -> int:
    """Remove what the cache of builds holds.

    What a running build uses stays. Filters: `until=24h` or `unused-for=24h`, `id=ID`, `type=TYPE`
    (regular, exec.cachemount, source.local), `description~=WORD`, `shared`, `private`, `inuse`.

    Examples:
        rootless builder prune --force
        rootless builder prune --all --force --keep-storage 5GB
        rootless builder prune --force --filter type=exec.cachemount
    """
    wish = _wish(all, filter, keep_storage, max_used_space, min_free_space)
    gone = _prune(engine, wish, force)
    if gone is None:
        return exits.OK
    if gone:
        output.say_lines(["Deleted build cache objects:", *(one.id for one in gone), ""])
    output.say(f"Total reclaimed space: {output.size(_freed(gone))}")
    return exits.OK


def buildx_prune(
    engine: Engine,
    *,
    all: opt.AllCache = False,  # noqa: A002 - the option's name
    filter: opt.CacheFilter = None,  # noqa: A002 - the option's name
    force: machine.NoQuestion = False,
    keep_storage: opt.KeepStorage = "",
    max_used_space: opt.MaxUsedSpace = "",
    min_free_space: opt.MinFreeSpace = "",
    verbose: opt.DuVerbose = False,
) -> int:
    """Remove what the cache of builds holds, and list it as `buildx du` does.

    Filters: as those of `rootless builder prune`.

    Examples:
        rootless buildx prune --force
        rootless buildx prune --all --force --max-used-space 5GB
    """
    wish = _wish(all, filter, keep_storage, max_used_space, min_free_space)
    gone = _prune(engine, wish, force)
    if gone is None:
        return exits.OK
    _show(gone, verbose)
    output.say_table([["Total:", output.size(_freed(gone))]])
    return exits.OK


def du(
    engine: Engine,
    *,
    filter: opt.CacheFilter = None,  # noqa: A002 - the option's name
    verbose: opt.DuVerbose = False,
) -> int:
    """Show what the cache of builds holds.

    Filters: as those of `rootless builder prune`.

    Examples:
        rootless buildx du
        rootless buildx du --verbose --filter type=exec.cachemount
    """
    from rootless.build.cache.entries import Entries
    from rootless.build.cache.pruning import checks

    asked = checks(filter or ())
    entries = Entries(engine.paths)
    found = [one for one in entries.all if all(fits(one) for fits in asked)]
    _show(found[::-1], verbose)
    if filter:
        return exits.OK
    shared = sum(one.size for one in found if one.shared)
    total = sum(one.size for one in found)
    sums = {"Shared": shared, "Private": total - shared} if shared else {}
    sums["Reclaimable"] = sum(one.size for one in found if not one.in_use)
    sums["Total"] = total
    output.say_table([[f"{name}:", output.size(count)] for name, count in sums.items()])
    return exits.OK


def _wish(every: bool, filters: list[str] | None, reserved: str, most: str, free: str) -> Wish:
    from rootless.build.cache.pruning import Wish, checks

    wish = Wish()
    wish.every = every
    wish.filters = filters or []
    checks(wish.filters)
    for name, option, text in (
        ("reserved", "--keep-storage", reserved),
        ("most", "--max-used-space", most),
        ("free", "--min-free-space", free),
    ):
        if text:
            setattr(wish, name, size(text, option))
    return wish


def _prune(engine: Engine, wish: Wish, force: bool) -> list[Entry] | None:
    """Do it; None where the user did not agree."""
    from rootless.build import leavings
    from rootless.build.cache.pruning import prune
    from rootless.cli.asking import agreed

    if not force:
        what = "all build cache" if wish.every else "all dangling build cache"
        output.say(f"WARNING! This will remove {what}.")
        if not agreed():
            return None
    leavings.sweep(engine.paths)
    return prune(engine.paths, wish)


def _freed(gone: list[Entry]) -> int:
    return sum(one.size for one in gone if not one.shared)


def _show(entries: list[Entry], verbose: bool) -> None:
    if not verbose:
        rows = [["ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED"]]
        rows += [
            [
                one.id[:25] + ("*" if one.kind != "regular" else ""),
                _word(not one.in_use),
                output.size(one.size) + ("*" if one.shared else ""),
                times.ago(one.used),
            ]
            for one in entries
        ]
        output.say_table(rows)
        return
    for one in entries:
        pairs = [
            ("ID", one.id),
            *([("Parent", ",".join(one.parents))] if one.parents else []),
            ("Created at", times.when(one.made)),
            ("Mutable", _word(one.kind != "regular")),
            ("Reclaimable", _word(not one.in_use)),
            ("Shared", _word(one.shared)),
            ("Size", output.size(one.size)),
            *([("Description", one.text)] if one.text else []),
            ("Last used", times.ago(one.used)),
            ("Type", one.kind),
        ]
        output.say_table([[f"{name}:", value] for name, value in pairs])
        output.say("")


def _word(value: bool) -> str:
    return "true" if value else "false"
