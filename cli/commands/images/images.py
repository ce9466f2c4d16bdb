"""images, tag, untag and rmi."""

from __future__ import annotations

from rootless import times
from rootless.cli import exits, output
from rootless.cli.dialects import choice
from rootless.cli.output import complain
from rootless.cli.teller import LongWork, Teller
from rootless.errors import Error, NotFound, UsageError
from rootless.images.summary import tagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.cli.options import common
    from rootless.cli.options import images as opt
    from rootless.engine import Engine
    from rootless.images.image import Image

HEADINGS = {
    "CreatedAt": "CREATED AT",
    "CreatedSince": "CREATED",
    "Digest": "DIGEST",
    "History": "HISTORY",
    "ID": "IMAGE ID",
    "ReadOnly": "R/O",
    "Repository": "REPOSITORY",
    "Size": "SIZE",
    "Tag": "TAG",
    "Containers": "CONTAINERS",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "VirtualSize": "SIZE",
}
"""What a row has, and how docker heads it."""


def images(
    engine: Engine,
    name: opt.Repository = "",
    *,
    all: opt.AllImages = False,  # noqa: A002 - the option's name
    digests: opt.Digests = False,
    filter: common.Filter = None,  # noqa: A002 - the option's name
    format: common.Format = "",  # noqa: A002 - the option's name
    history: opt.NameHistory = False,
    no_trunc: common.NoTrunc = False,
    noheading: opt.NoImageHeading = False,
    quiet: common.Quiet = False,
    sort: opt.ImageSort = "created",
) -> int:
    """List images.

    Filters: `reference=PATTERN`, `dangling=true|false`, `label=KEY[=VALUE]`, `label!=KEY`,
    `before=IMAGE`, `since=IMAGE`, `until=TIME`, `id=ID`, `containers=true|false`,
    `readonly=true|false`. Those in a shared store are read-only.

    Examples:
        rootless images
        rootless images --format '{{.Repository}}:{{.Tag}} {{.Size}}'
    """
    found = [(image, image.names) for image in engine.images.list(Teller())]
    wanted = [*(filter or []), *([f"reference={name}"] if name else [])]
    if wanted:
        from rootless.images.filters import filtered

        found = filtered(engine.images, [image for image, _ in found], wanted)
    if quiet and not format:
        ids = (f"sha256:{one.id}" if no_trunc else one.id[:12] for one, _ in found)
        output.say_lines(dict.fromkeys(ids))
        return 0
    plain = format in output.TABLE
    users = _users(engine, format)
    rows = []
    for one, names in found:
        mine = _rows(one, names, full=no_trunc, plain=plain)
        if not plain:
            for row in mine:
                choice.current().image_row(row, one, users.count(one.id))
        rows += mine
    if sort != "created":
        rows.sort(key=_sort_key(sort))
    middle = ("Digest",) if digests else ()
    last = ("ReadOnly",) if any(one.readonly for one, _ in found) else ()
    last = (*last, "History") if history else last
    columns = ("Repository", "Tag", *middle, "ID", "CreatedSince", "Size", *last)
    output.show(rows, format, HEADINGS, columns, bare=noheading)
    return 0


def _users(engine: Engine, template: str) -> list[str]:
    """Return the id of each container's image, where the number of containers is asked for."""
    dialect = choice.current()
    if dialect.counts and ("Containers" in template or dialect.template(template) == "json"):
        return [container.record["image_id"] for container in engine.containers.list(Teller())]
    return []


def _sort_key(sort: str) -> Any:
    """Return what to sort rows by; sizes as numbers, the largest last, as podman has them."""
    if sort == "size":
        return lambda row: row.bytes
    column = {"id": "ID", "repository": "Repository", "tag": "Tag"}[sort]
    return lambda row: row[column]


class ImageRow(output.Row):
    """One line of `images`."""

    bytes = 0
    """Its size as a number, to sort by."""


def _rows(image: Image, names: list[str], *, full: bool, plain: bool) -> list[output.Row]:
    """Return one row for each name of an image; `plain` with no more than tables have."""
    dialect = choice.current()
    size = output.size(image.size, unit=dialect.unit)
    common = {
        "CreatedSince": times.ago(image.created),
        "ID": f"sha256:{image.id}" if full else image.id[:12],
        "Size": size,
    }
    further: dict[str, Any] = {
        "History": ", ".join(image.names),
        "ReadOnly": image.readonly,
    }
    if not plain:
        common |= {
            "Containers": "N/A",
            "CreatedAt": times.when(image.created) if image.created else "N/A",
            "SharedSize": "N/A",
            "UniqueSize": "N/A",
            "VirtualSize": size,
        }
        further |= _further(image, names, common)
    rows: list[output.Row] = []
    for name in tagged(names) or [""]:
        repository, tag = dialect.repository(name)
        digest = (image.digests_of(name) or [image.manifest_digest])[0]
        cells = {**common, "Digest": digest, "Repository": repository, "Tag": tag}
        row = ImageRow(cells if plain else sorted(cells.items()))
        row.bytes = image.size
        row.further = further
        rows.append(row)
    return rows


def _further(image: Image, names: list[str], common: dict[str, str]) -> dict[str, Any]:
    """Return what only templates show."""
    repositories = {name: choice.current().repository(name)[0] for name in image.names}
    known = [f"{repositories[one]}@{each}" for one in image.names for each in image.digests_of(one)]
    return {
        "Created": common["CreatedSince"],
        "CreatedTime": common["CreatedAt"],
        "Arch": image.config.get("architecture", ""),
        "Dangling": not image.names,
        "Digests": image.digests,
        "IsDangling": not image.names,
        "IsManifestList": image.is_list,
        "IsReadOnly": image.readonly,
        "NamesHistory": image.names,
        "Os": image.config.get("os", ""),
        "ParentId": "",
        "RepoDigests": known,
        "RepoTags": image.names,
        "Labels": (image.config.get("config") or {}).get("Labels") or {},
        "Names": names,
    }


def tag(engine: Engine, image: common.ImageName, targets: opt.NewNames) -> int:
    """Give an image further names.

    Examples:
        rootless tag busybox localhost/tools:1
    """
    for target in targets:
        engine.images.tag(image, choice.current().given(target))
    return 0


def untag(engine: Engine, image: common.ImageName, names: opt.OldNames = None) -> int:
    """Take names from an image.

    It stays, as one without a name where it has no other.

    Examples:
        rootless untag busybox
        rootless untag busybox localhost/tools:1
    """
    engine.images.untag(image, names or [])
    return 0


def rmi(
    engine: Engine,
    images: opt.SomeImages = None,
    *,
    all: opt.EveryImage = False,  # noqa: A002 - the option's name
    force: opt.ForceImage = False,
    ignore: common.Ignore = False,
    no_prune: opt.NoPrune = False,
) -> int:
    """Remove images.

    An image that loses its last name goes, but with --no-prune.

    Examples:
        rootless rmi busybox:1.35
    """
    if all == bool(images):
        raise UsageError("which image?" if not all else "--all and names contradict each other")
    names = [one.id for one in engine.images.list() if not one.readonly] if all else images or []
    code = exits.OK
    for name in names:
        try:
            with LongWork(f"removing {name}"):
                lines = engine.images.remove([name], force=force or all, prune=not no_prune)
        except NotFound as error:
            if not (ignore or force):  # cleaning up twice is no mistake
                code = complain(error)
        except Error as error:
            code = complain(error)
        else:
            output.say_lines(choice.current().removed(lines))
    return code
