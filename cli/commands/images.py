"""images, tag and rmi."""

from __future__ import annotations

import sys

from rootless.cli import exits, output
from rootless.cli.output import complain
from rootless.errors import Error, NotFound, UsageError
from rootless.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rootless.cli import options as opt
    from rootless.engine import Engine
    from rootless.images.image import Image

HEADINGS = {
    "CreatedAt": "CREATED AT",
    "CreatedSince": "CREATED",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "Size": "SIZE",
    "Tag": "TAG",
    "Containers": "CONTAINERS",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "VirtualSize": "SIZE",
}
"""What a row has, and how docker heads it."""

NONE = "<none>"


def images(
    engine: Engine,
    name: opt.Repository = "",
    *,
    all: opt.AllImages = False,  # noqa: A002 - the option's name
    digests: opt.Digests = False,
    filter: opt.Filter = None,  # noqa: A002 - the option's name
    format: opt.Format = "",  # noqa: A002 - the option's name
    no_trunc: opt.NoTrunc = False,
    quiet: opt.Quiet = False,
) -> int:
    """List images.

    Filters: `reference=PATTERN`, `dangling=true|false`, `label=KEY[=VALUE]`, `before=IMAGE`,
    `since=IMAGE`.

    Examples:
        rootless images
        rootless images --format '{{.Repository}}:{{.Tag}} {{.Size}}'
    """
    store = engine.images
    found = _filtered(
        engine, store.list(), [*(filter or []), *([f"reference={name}"] if name else [])]
    )
    for problem in store.problems:
        complain(problem)
    if quiet and not format:
        ids = (f"sha256:{one.id}" if no_trunc else one.id[:12] for one, _ in found)
        sys.stdout.write("".join(f"{id_}\n" for id_ in dict.fromkeys(ids)))
        return 0
    rows = [row for one, names in found for row in _rows(one, names, full=no_trunc)]
    middle = ("Digest",) if digests else ()
    columns = ("Repository", "Tag", *middle, "ID", "CreatedSince", "Size")
    output.show(rows, format, HEADINGS, columns)
    return 0


def _rows(image: Image, names: list[str], *, full: bool) -> list[output.Row]:
    """Return one row for each name of an image."""
    size = output.size(image.size)
    common = {
        "Containers": "N/A",
        "CreatedAt": output.when(image.created) if image.created else "N/A",
        "CreatedSince": output.ago(image.created),
        "ID": f"sha256:{image.id}" if full else image.id[:12],
        "SharedSize": "N/A",
        "Size": size,
        "UniqueSize": "N/A",
        "VirtualSize": size,
    }
    rows = []
    for name in names or [""]:
        repository, tag = _split(name)
        digest = (image.digests_of(name) or [NONE])[0]
        rows.append(output.Row({**common, "Digest": digest, "Repository": repository, "Tag": tag}))
    return rows


def _split(name: str) -> tuple[str, str]:
    """Return repository and tag as docker shows them."""
    if not name:
        return NONE, NONE
    try:
        parsed = reference.parse(name)
    except Error:  # written by another program into the layout
        return name, NONE
    return parsed.familiar_name, parsed.tag or NONE


def _filtered(
    engine: Engine, found: list[Image], filters: list[str]
) -> list[tuple[Image, list[str]]]:
    """Return images with those of their names that fit."""
    kept = [(image, image.names) for image in found]
    patterns = []
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"invalid filter {text!r}", "write it as KEY=VALUE")
        if key == "reference":
            patterns.append(value)
        else:
            test = _test(engine, key, value)
            kept = [(image, names) for image, names in kept if test(image)]
    if patterns:
        kept = [(i, [n for n in names if any(_fits(n, p) for p in patterns)]) for i, names in kept]
        kept = [(image, names) for image, names in kept if names]
    return kept


def _test(engine: Engine, key: str, value: str) -> Any:
    if key == "dangling":
        if value not in ("true", "false", "1", "0"):
            raise UsageError(f"invalid filter dangling={value}", "true or false")
        return lambda image: (not image.names) == (value in ("true", "1"))
    if key == "label":
        name, equals, text = value.partition("=")
        return lambda image: (
            _label(image, name) == text if equals else _label(image, name) is not None
        )
    if key in ("before", "since", "after"):
        limit = engine.images.get(value).created
        if key == "before":
            return lambda image: image.created < limit
        return lambda image: image.created > limit
    known = "before, dangling, label, reference, since"
    raise UsageError(f"invalid filter {key!r}", f"one of {known}")


def _label(image: Image, name: str) -> str | None:
    labels = image.config.get("config", {}).get("Labels") or {}
    value = labels.get(name)
    return None if value is None else str(value)


def _fits(name: str, pattern: str) -> bool:
    """Whether a full name fits docker's pattern: familiar or full, with or without a tag."""
    repository, tag = _split(name)
    bare = repository.removeprefix("localhost/")  # podman's name for what no registry has
    forms = [
        repository,
        f"{repository}:{tag}",
        name,
        name.rpartition(":")[0],
        bare,
        f"{bare}:{tag}",
    ]
    if not set("*?[") & set(pattern):
        return pattern in forms or pattern.removeprefix("docker.io/") in forms
    from fnmatch import fnmatchcase

    slashes = pattern.count("/")
    return any(fnmatchcase(form, pattern) for form in forms if form.count("/") == slashes)


def tag(engine: Engine, image: opt.ImageName, targets: opt.NewNames) -> int:
    """Give an image further names.

    Examples:
        rootless tag busybox localhost/tools:1
    """
    for target in targets:
        engine.images.tag(image, target)
    return 0


def rmi(
    engine: Engine,
    images: opt.SomeImages = None,
    *,
    all: opt.EveryImage = False,  # noqa: A002 - the option's name
    force: opt.ForceImage = False,
    ignore: opt.Ignore = False,
) -> int:
    """Remove images.

    An image that loses its last name goes.

    Examples:
        rootless rmi busybox:1.35
    """
    if all == bool(images):
        raise UsageError("which image?" if not all else "--all and names contradict each other")
    names = [one.id for one in engine.images.list()] if all else images or []
    code = 0
    for name in names:
        try:
            lines = engine.images.remove([name], force=force or all)
        except NotFound as error:
            if not ignore:
                complain(error)
                code = exits.FAILED
        except Error as error:
            complain(error)
            code = exits.FAILED
        else:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
    return code
