"""How things are shown: lines, tables, JSON, sizes and ages, in docker's words and widths.

All that commands say goes through here, so that nothing that came from an image, an archive, a
registry or a container is obeyed by a terminal, or looks like a line of ours: it is shown with
escapes (`oci.errors.shown`). The same on a terminal and in a pipe, but for templates: scripts get
from them what is there, byte for byte, as from docker's. What containers write is not our word:
`run`, `exec`, `attach` and `logs` pass it on as it is.
"""

from __future__ import annotations

import sys

from rootless.cli import exits
from rootless.oci.errors import Error, one_line, shown, shown_json
from rootless.oci.jsonio import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from rootless.cli.template import Template


TABLE = ("", "table")
"""What --format says where a table is wanted, as it is by default."""

DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


class Row(dict[str, "Any"]):
    """One line of a listing.

    Templates may also call `methods`, and ask for `further` fields: podman's, where `json` shows
    docker's. Neither is part of its JSON.
    """

    methods: dict[str, Callable[..., str]] = {}
    further: dict[str, Any] = {}
    typed: dict[str, Any] = {}
    """The object as podman's JSON has it, where that is another."""


def say(text: str, *, to_stderr: bool = False, end: str = "\n") -> None:
    """Print a line, at once."""
    print(shown(text), file=sys.stderr if to_stderr else sys.stdout, end=end, flush=True)


warnings = True
"""Whether warnings are wanted: --log-level error leaves them out."""


def warn(text: str) -> None:
    """Print a warning."""
    if warnings:
        say(f"Warning: {text}", to_stderr=True)


def say_lines(lines: Iterable[str]) -> None:
    """Print many lines."""
    sys.stdout.write("".join(f"{shown(line)}\n" for line in lines))


def say_json(document: str) -> None:
    """Print a JSON document: the same, but nothing in it is obeyed by a terminal."""
    print(shown_json(document), flush=True)


def say_rendered(template: Template, value: dict[str, Any]) -> None:
    """Print what a template makes of an object, at once."""
    print(template.render(value, guarded=sys.stdout.isatty()), flush=True)


def say_table(rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    from rootless.cli.tables import table

    sys.stdout.write(table(rows))


def show(
    rows: list[Row],
    template: str,
    headings: dict[str, str],
    columns: Sequence[str],
    *,
    bare: bool = False,
) -> None:
    """Print rows: as a table of `columns`, `bare` without headings, or as `template` wants them."""
    from rootless.cli.dialects import choice

    dialect = choice.current()
    template = dialect.template(template)
    if template in TABLE:
        lines = [] if bare else [[headings[name] for name in columns]]
        lines += [[_cell(row, name) for name in columns] for row in rows]
        say_table(lines)
    elif template == "json":
        sys.stdout.write(_as_json(rows, array=dialect.arrays))
    else:
        from rootless.cli.template import render_rows

        guarded = sys.stdout.isatty()
        sys.stdout.write(render_rows(template, rows, headings, guarded=guarded, bare=bare))


def _as_json(rows: list[Row], *, array: bool) -> str:
    """Return a listing: docker's, a line for each, or podman's one array of typed values."""
    if array:
        return shown_json(pretty([row.typed or row for row in rows])) + "\n"
    return "".join(shown_json(dumps(row, sort_keys=True)) + "\n" for row in rows)


def _cell(row: Row, name: str) -> str:
    value = row[name] if name in row else row.further[name]
    return str(value).lower() if isinstance(value, bool) else str(value)


def show_one(value: dict[str, Any], template: str) -> None:
    """Print one object as --format `template` wants it; `json` is the whole."""
    if template == "json":
        say_json(dumps(value, sort_keys=True))
    else:
        from rootless.cli.template import Template

        say_rendered(Template(template), value)


def each(names: Iterable[str], action: Callable[[str], object]) -> int:
    """Do `action` for each of `names` and print what the user typed; go on after a failure.

    Where there are several, an error says which it is about. Return the exit code: 0, or that of
    the last failure.
    """
    code, every = exits.OK, list(names)
    for name in every:
        try:
            action(name)
        except Error as error:
            code = complain(error if len(every) == 1 else error.about(name))
        else:
            say(name)
    return code


def complain(error: Error) -> int:
    """Tell an error in one line, in order with what was printed before; return its exit code."""
    sys.stdout.flush()
    from rootless.cli.fields import told

    say(f"Error: {one_line(told(error))}", to_stderr=True)
    return exits.code_of(error)


def pretty(value: object, indent: int = 4) -> str:
    """Return indented JSON, without the `json` package and what it imports."""
    return _pretty(value, " " * indent, "\n")


def _pretty(value: object, step: str, newline: str) -> str:
    inner = newline + step
    if isinstance(value, dict) and value:
        parts = (f"{dumps(str(k))}: {_pretty(v, step, inner)}" for k, v in value.items())
        return "{" + inner + ("," + inner).join(parts) + newline + "}"
    if isinstance(value, (list, tuple)) and value:
        return (
            "[" + inner + ("," + inner).join(_pretty(v, step, inner) for v in value) + newline + "]"
        )
    return dumps(value)


def size(count: float, digits: int = 3, *, unit: str = "") -> str:
    """Return bytes in decimal units with so many significant digits: 4.26MB.

    `unit` stands before the unit.
    """
    step = 0
    # 999.6 would become "1e+03" with three digits: the next unit says it better.
    while step < len(DECIMAL) - 1 and float(f"{count:.{digits}g}") >= 1000:
        count /= 1000
        step += 1
    return f"{count:.{digits}g}{unit}{DECIMAL[step]}"


def quote(text: str) -> str:
    """Return `text` in double quotes, escaped as Go's strconv.Quote does."""
    return dumps(text)


def shorten(text: str, width: int) -> str:
    """Return `text`, at most `width` characters of it."""
    return text if len(text) <= width else text[: width - 1] + "…"
