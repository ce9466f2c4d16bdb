"""Whoever asks: what a user typed is read in one place, and errors speak of fields, not options."""

from __future__ import annotations

import ast
import json
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.cli import fields
from rootless.cli.grammar.top import COMMANDS, GROUPS, OPTIONS
from rootless.containers.handle import State
from rootless.errors import Conflict, HostError, LaunchError, UsageError, named
from rootless.runtime.launch.report import Report
from rootless.runtime.supervision.charge import reason
from rootless.runtime.userns import worker
from rootless.store.paths import Paths

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


OTHERS = {"registry/own.py", "runtime/tree/operations.py", "system/boot.py"}
OTHERS |= {"build/dockerfile/typed.py"}
"""What these name is not the command line of who reads it.

It is options of an outer container and of systemctl, and of `registry serve`: those are told to a
client at the other end of HTTP. And flags of instructions, as they stand in a Dockerfile.
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
    assert {short(path) for path in ENGINE if speaks_of_options(path)} == OTHERS


def options() -> set[str]:
    """Return the options of all commands, and those before them."""
    groups = [import_module(f"rootless.cli.grammar.{name}").COMMANDS for name in GROUPS]
    commands = [entry for group in (COMMANDS, *groups) for entry in group.values()]
    known = [entry[2] for entry in commands if not isinstance(entry, str)]
    return OPTIONS.keys() | set().union(*known)


def fields_named() -> set[str]:
    """Return the fields that errors of the engine name as they are written there."""
    return {
        argument.value
        for path in ENGINE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("named", "field")
        if isinstance(node.args[0], ast.Constant | ast.IfExp)
        for argument in ast.walk(node.args[0])
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        if not argument.value.endswith("...")
    }


def test_every_field_has_an_option() -> None:
    """The last word of it, for there may be a command before it."""
    fields_of_table = fields._OPTIONS.keys()
    words = {fields.option(field).split()[-1] for field in fields_of_table | fields_named()}
    assert {word for word in words if word.startswith("-")} <= options()


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


def test_any_error_names_fields() -> None:
    error = Conflict("it runs", f"stop it first, or use {named('remove.force')}")
    assert (str(error), error.hint) == (
        "it runs (stop it first, or use remove.force)",
        "stop it first, or use remove.force",
    )
    assert fields.told(error) == "it runs (stop it first, or use rm --force)"


def test_strangers_words_stay() -> None:
    for text in ("a\0b", "a\0<b", "a>\0b", "\0force\0"):
        hint = f"{text}!"  # what the message says already is not said again
        error = Conflict(text, hint)
        assert (error.message, error.hint) == (text, hint)
        assert str(error) == fields.told(error) == f"{text} ({hint})"


def refuse() -> None:
    raise Conflict("it is taken", f"{named('replace')} helps")


def test_names_come_out_of_another_process(rootless_root: str) -> None:
    with pytest.raises(Conflict) as refused:
        worker.call(Paths(rootless_root), refuse)
    assert fields.told(refused.value) == "it is taken (--replace helps)"


def test_names_come_out_of_a_launch() -> None:
    ours, theirs = Report.pair()
    theirs.fail("step", HostError("no way", f"{named('root')} helps"))
    with pytest.raises(LaunchError) as failed:
        ours.receive()
    ours.close()
    theirs.close()
    assert fields.told(failed.value) == "no way (--root helps)"


def test_names_are_kept_with_a_container() -> None:
    kept = json.loads(json.dumps(reason(HostError("no way", f"{named('root')} helps"))))
    state = State(kept, alive=False)
    assert (state.error, state.told(fields.option)) == (
        "no way (root helps)",
        "no way (--root helps)",
    )
    assert State(reason(OSError("odd")), alive=False).told(fields.option) == "odd"
    before = State({"error": "no way (--root helps)"}, alive=False)  # by an older release
    assert before.told(fields.option) == before.error == "no way (--root helps)"
