"""search: images of registries."""

from __future__ import annotations

from rootless.cli import output
from rootless.cli.reach import access_of
from rootless.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Unpack

    from rootless.cli.options import common
    from rootless.cli.options import registries as opt
    from rootless.engine import Engine
    from rootless.images.transfer.access import Access
    from rootless.images.transfer.searching import Found

HEADINGS = {
    "Index": "INDEX",
    "Name": "NAME",
    "Description": "DESCRIPTION",
    "StarCount": "STARS",
    "IsOfficial": "OFFICIAL",
    "IsAutomated": "AUTOMATED",
    "Stars": "STARS",
    "Official": "OFFICIAL",
    "Automated": "AUTOMATED",
    "Tag": "TAG",
}
COLUMNS = ("Name", "Description", "StarCount", "IsOfficial")
WIDTH = 45
"""Characters of a description that docker shows."""


def search(
    engine: Engine,
    term: opt.Term,
    *,
    limit: opt.Limit = 25,
    filter: common.Filter = None,  # noqa: A002 - the option's name
    format: common.Format = "",  # noqa: A002 - the option's name
    no_trunc: common.NoTrunc = False,
    list_tags: opt.ListTags = False,
    compatible: opt.Compatible = False,
    **asked: Unpack[opt.Reach],
) -> int:
    """Look for images in registries.

    TERM may begin with a registry, as in ghcr.io/tools; without one those of registries.conf are
    searched, by default docker.io. Registries that have no search list their repositories, if
    they do, and names that contain TERM are shown.

    Filters: stars=N, is-official=true|false, is-automated=true|false.

    Examples:
        rootless search --filter is-official nginx
        rootless search localhost:5000/
        rootless search --list-tags --limit 10 debian
    """

    if limit < 1:
        raise UsageError(f"--limit {limit} makes no sense", "it is 25 by default")
    access = access_of(asked)
    if list_tags:
        if filter:
            raise UsageError("--list-tags and --filter exclude each other")
        return _tags(term, access, limit, format)
    from rootless.images.transfer.searching import search as find

    rows = [_row(found, full=no_trunc) for found in find(term, access, limit, filter)]
    if format in ("", "table"):  # as docker's has it
        rows = [output.Row(row, IsOfficial=_mark(row["IsOfficial"])) for row in rows]
    output.show(rows, format, HEADINGS, COLUMNS)
    return 0


def _tags(name: str, access: Access, limit: int, template: str) -> int:
    from rootless.images.transfer.searching import tags

    found, some = tags(name, access, limit)
    if template == "json":
        output.say_json(output.pretty([{"Name": found, "Tags": some}]))
        return 0
    rows = [output.Row(Name=found, Tag=tag) for tag in some]
    output.show(rows, template, HEADINGS, ("Name", "Tag"))
    return 0


def _row(found: Found, *, full: bool) -> output.Row:
    description = found.description or ""
    row = output.Row(
        Name=found.name,
        Description=description if full else output.shorten(description, WIDTH),
        StarCount=found.star_count,
        IsOfficial=found.is_official,
        IsAutomated=found.is_automated,
    )
    row.further = {
        "Index": found.index,
        "Stars": found.star_count,
        "Official": _mark(found.is_official),
        "Automated": _mark(found.is_automated),
        "Tag": "",
    }
    return row


def _mark(value: bool) -> str:
    return "[OK]" if value else ""
