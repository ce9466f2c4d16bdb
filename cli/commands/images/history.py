"""history: the steps by which an image was made."""

from __future__ import annotations

from rootless import times
from rootless.cli import output
from rootless.cli.dialects import choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rootless.cli.options import common, transfer
    from rootless.cli.options import images as opt
    from rootless.engine import Engine
    from rootless.images.history import Step

HEADINGS = {
    "ID": "IMAGE",
    "CreatedAt": "CREATED AT",
    "CreatedSince": "CREATED",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}

COLUMNS = ("ID", "CreatedSince", "CreatedBy", "Size", "Comment")

WIDTH = 45
"""Characters of a command and of a comment that docker shows."""


def history(
    engine: Engine,
    image: common.ImageName,
    *,
    format: common.Format = "",  # noqa: A002 - the option's name
    human: opt.Human = True,
    no_trunc: common.NoTrunc = False,
    platform: transfer.PullPlatform = "",
    quiet: common.Quiet = False,
) -> int:
    """Show how an image was made.

    Examples:
        rootless history busybox
        rootless history --no-trunc --format '{{.Size}} {{.CreatedBy}}' busybox
    """
    from rootless.images.history import history as steps_of

    store = engine.images
    found = store.resolve(image, platform=platform, pull="never") if platform else store.get(image)
    rows = [_row(step, human=human, full=no_trunc) for step in steps_of(found)]
    if quiet and not format:
        output.say_lines(row["ID"] for row in rows)
        return 0
    dialect = choice.current()
    headings = {**HEADINGS, "ID": dialect.step}
    headings = headings if human else {**headings, "CreatedSince": "CREATED AT"}
    output.show(rows, format, headings, COLUMNS)
    return 0


def _row(step: Step, *, human: bool, full: bool) -> output.Row:
    """Return one line; without `human` moments and bytes as numbers of their own."""
    known = len(step.id) == 64
    # Templates and tables are lines: a command of several would break them.
    command = " ".join(step.command.split())
    at = _moment(step.created)
    row = output.Row(
        {
            "ID": step.id if not known else f"sha256:{step.id}" if full else step.id[:12],
            "CreatedAt": at,
            "CreatedSince": times.ago(step.created) if human else at,
            "CreatedBy": command if full else output.shorten(command, WIDTH),
            "Size": output.size(step.size, unit=choice.current().unit) if human else str(step.size),
            "Comment": step.comment if full else output.shorten(step.comment, WIDTH),
        }
    )
    row.further = {"Created": row["CreatedSince"], "Tags": step.names}
    return row


def _moment(seconds: float) -> str:
    """Return docker's form of a moment in a history: RFC 3339, local time."""
    if not seconds:
        return "N/A"
    import time

    text = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
    return f"{text[:-2]}:{text[-2:]}".replace("+00:00", "Z")
