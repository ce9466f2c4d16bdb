"""Columns of text, in the dialect's widths."""

from __future__ import annotations

from rootless.cli.dialects import choice
from rootless.oci.errors import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(rows: Iterable[Sequence[str]]) -> str:
    """Lay out rows, the heading among them; every line ends with a newline."""
    dialect = choice.current()
    cells = [[shown(cell) for cell in row] for row in rows]
    count = max((len(row) for row in cells), default=0)
    widths = [
        max([dialect.column, *(len(row[at]) + dialect.gap for row in cells if at < len(row) - 1)])
        for at in range(count)
    ]
    lines = []
    for row in cells:
        *first, last = row or [""]
        lines.append("".join(c.ljust(w) for c, w in zip(first, widths, strict=False)) + last + "\n")
    return "".join(lines)
