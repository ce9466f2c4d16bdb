"""Whoever asks: what a user typed is read in one place, and errors speak of fields, not options."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.cli import fields
from rootless.cli.grammar.top import COMMANDS
from rootless.errors import UsageError, named

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent / "rootless"
LINKS = ("cli", "oci")
ENGINE = [
    path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).parts[0] not in LINKS
]
CONTAINERS = [
    path
    for path in ENGINE
    if path.is_relative_to(ROOT / "containers")
    and not path.is_relative_to(ROOT / "containers/words")
]

READERS = {"containers/running/publishing.py"}
"""What takes option texts besides: those of `update` are not in a request."""

NAMED = re.compile(r"(?<![\w-])--[a-z]")


REMAINING = {
    "artifacts/adding.py",
    "artifacts/extracting.py",
    "containers/collection.py",
    "containers/container.py",
    "containers/filters.py",
    "containers/running/keys.py",
    "containers/running/waiting.py",
    "containers/starting.py",
    "images/lists/collection.py",
    "images/lists/pushing.py",
    "images/policy.py",
    "images/removing.py",
    "images/transfer/copying.py",
    "images/transfer/pushing.py",
    "images/transfer/saving.py",
    "images/transfer/wish.py",
    "registry/own.py",
    "registry/serving.py",
    "runtime/logs/journal.py",
    "runtime/networks/helper.py",
    "runtime/networks/private.py",
    "runtime/privileges/seccomp.py",
    "runtime/tree/copying.py",
    "runtime/tree/operations.py",
    "runtime/userns/shift.py",
    "store/paths.py",
    "system/boot.py",
    "system/reset.py",
}
"""Files whose errors still name options of the command line, most of them as a remedy in a hint.

The list is only to get shorter.
"""


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def errors_of(path: Path) -> Iterator[ast.AST]:
    """Yield what makes an error: what is raised, and calls of what is called an error."""
    names = ("Error", "Conflict", "NotFound", "Ambiguous")
    for node in ast.walk(ast.parse(path.read_text())):
        made = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(names)
        if made or isinstance(node, ast.Raise):
            yield node


def speaks_of_options(path: Path) -> bool:
    return any(
        isinstance(inner, ast.Constant)
        and isinstance(inner.value, str)
        and NAMED.search(inner.value)
        for error in errors_of(path)
        for inner in ast.walk(error)
    )


def test_only_words_read_option_texts() -> None:
    """Below them nobody knows what was asked, but who reads records of the release before."""
    holding = {
        short(path)
        for path in CONTAINERS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value == "asked"
    }
    assert holding == {"containers/legacy.py", "containers/record.py"}
    importing = {
        short(path)
        for path in CONTAINERS
        if re.search(r"^\s*from rootless\.containers\.words", path.read_text(), re.MULTILINE)
    }
    assert importing == READERS


def test_no_error_names_an_option() -> None:
    assert {short(path) for path in ENGINE if speaks_of_options(path)} == REMAINING


def test_every_name_of_the_table_is_an_option_of_run() -> None:
    known = COMMANDS["run"][2].keys()
    words = {name for name in fields._OPTIONS.values() if name.startswith("-")}
    assert words <= known


@pytest.mark.parametrize(
    ("field", "option"),
    [("ports", "-p"), ("restart", "--restart"), ("health_cmd", "--health-cmd"), ("image", "image")],
)
def test_an_option_for_a_field(field: str, option: str) -> None:
    assert fields.option(field) == option


def test_the_names_of_a_front_end() -> None:
    error = UsageError(f"{named('ports')} and {named('remove')}: no", f"try {named('init')}")
    assert str(error) == "ports and remove: no (try init)"
    assert (error.message, error.hint, error.field) == ("ports and remove: no", "try init", "ports")
    assert fields.told(error) == "-p and --rm: no (try --init)"
    assert error.told(str.upper) == "PORTS and REMOVE: no (try INIT)"
    assert UsageError("plain", field="x.0").told(str.upper) == "plain"
    assert UsageError(f"{named('ports')}: no", field="ports.3").field == "ports.3"
    assert fields.told(ValueError("other")) == "other"
