"""image prune: images that nothing needs."""

from __future__ import annotations

import sys

from rootless.cli import exits, output
from rootless.errors import Error, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli import options as opt
    from rootless.engine import Engine

FILTERS = ("until", "label", "label!")


def image_prune(
    engine: Engine,
    *,
    all: opt.PruneAll = False,  # noqa: A002 - the option's name
    filter: opt.Filter = None,  # noqa: A002 - the option's name
    force: opt.NoQuestion = False,
) -> int:
    """Remove images without a name, that no container uses.

    Filters: `until=TIME`, `label=KEY[=VALUE]`, `label!=KEY[=VALUE]`.

    Examples:
        rootless image prune
        rootless image prune --all --force --filter until=240h
    """
    for text in filter or []:
        key = text.partition("=")[0]
        if key not in FILTERS:
            raise UsageError(f"invalid filter {key!r}", "one of " + ", ".join(FILTERS))
    if not force and sys.stdin.isatty() and not _agreed(all):
        return exits.FAILED
    return _prune(engine, [*(filter or []), "containers=false"], all)


def _agreed(every: bool) -> bool:
    what = "all images without at least one container" if every else "all dangling images"
    print(f"WARNING! This will remove {what}.")
    print("Are you sure you want to continue? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _prune(engine: Engine, filters: list[str], every: bool) -> int:
    """Remove what fits, and print what that was and how much room it makes."""
    from rootless.cli.commands.image_filters import filtered
    from rootless.system.usage import images_size

    here = [image for image in engine.images.list() if not image.readonly]
    chosen = [image for image, _ in filtered(engine, here, filters)]
    chosen = [image for image in chosen if every or not image.names]
    before = images_size(engine.paths, here)
    lines: list[str] = []
    code = exits.OK
    for image in chosen:
        try:
            # Several names need force; without it a container made meanwhile keeps its image.
            lines += engine.images.remove([image.id], force=len(image.names) > 1)
        except Error as error:
            output.complain(error)
            code = exits.FAILED
    if lines:
        print("Deleted Images:")
        sys.stdout.write("".join(f"{line.lower()[:1]}{line[1:]}\n" for line in lines) + "\n")
    left = [image for image in here if f"Deleted: sha256:{image.id}" not in lines]
    print(f"Total reclaimed space: {output.size(before - images_size(engine.paths, left))}")
    return code
