"""Options of groups: read by both parsers, passed on, explained and completed.

In a tree of this file's own: the functions below are its commands.
"""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from command_lines import every_command, lines
from hypothesis import given, settings

from rootless.cli import app, complete, generate, lean
from rootless.cli.answers import mistakes
from rootless.cli.app import Entry, GroupEntry
from rootless.cli.options.declare import argument, option
from rootless.errors import UsageError

if TYPE_CHECKING:
    from rootless.engine import Engine

Files = Annotated[list[str] | None, option("--file", "-f", metavar="FILE", about="What to do.")]
Project = Annotated[str, option("--project-name", "-p", metavar="NAME", about="Its name.")]
Progress = Annotated[
    Literal["auto", "plain"], option("--progress", metavar="KIND", about="How it is shown.")
]
Parallel = Annotated[int, option("--parallel", metavar="N", about="How many at once.")]
Dry = Annotated[bool, option("--dry-run", "-n", about="Only say what would be done.")]
Root = Annotated[str, option("--root", metavar="DIR", about="Where states are.")]
Services = Annotated[list[str] | None, argument("[SERVICE]...", "Some of them.")]
Detach = Annotated[bool, option("--detach", "-d", about="Do not wait.")]
Filter = Annotated[list[str] | None, option("--filter", "-f", metavar="X", about="Only these.")]
Id = Annotated[str, argument("ID", "Of the container.")]


def up(
    engine: Engine,
    services: Services = None,
    *,
    detach: Detach = False,
    group: dict[str, Any],
) -> int:
    """Start all."""
    seen.append({"services": services, "detach": detach, "group": group})
    return 7


def state(engine: Engine, id: Id, *, group: dict[str, Any]) -> int:  # noqa: A002
    """Print a state."""
    return 0


def ps(
    engine: Engine,
    *,
    filter: Filter = None,  # noqa: A002
    group: dict[str, Any] | None = None,
) -> int:
    """List what runs."""
    return 0


def compose(
    file: Files = None,
    project_name: Project = "",
    progress: Progress = "auto",
    parallel: Parallel = 1,
    dry_run: Dry = False,
) -> None:
    """The options of one group."""


def oci(root: Root = "") -> None:
    """Those of another, one of which is called as one of all commands."""


seen: list[dict[str, Any]] = []
HERE = sys.modules[__name__]
NAME = "rootless.cli.commands.example"
COMMANDS = (Entry("ps", "example", "ps", "Containers"),)
GROUPS = {
    "compose": GroupEntry(
        "Several at once.",
        {"up": Entry("up", "example", "up", "Containers"), "ps": "ps"},
        compose,
    ),
    "oci": GroupEntry("One at a time.", {"state": Entry("state", "example", "state", "")}, oci),
    "container": GroupEntry("A group without options.", {"ls": "ps"}),
}

sys.modules[NAME] = HERE
try:
    TREE = app.build(COMMANDS, GROUPS)
finally:
    del sys.modules[NAME]


def tables() -> dict[str, ModuleType]:
    """Return the tables of the tree, as they would be written and loaded."""
    found = {}
    for path, text in generate.texts(TREE).items():
        found[path] = ModuleType(path)
        exec(text, vars(found[path]))
    return found


TABLES = tables()


def load(folder: str, name: str) -> Any:
    return TABLES[f"{folder}/{name}.py"]


def both(line: str) -> lean.Call:
    """What both parsers make of a line."""
    call = lean.parse(line.split(), load)
    assert call is not None
    assert app.parse(line.split(), TREE) == call
    return call


@pytest.mark.parametrize(
    ("line", "group", "given"),
    [
        ("compose up", {}, {}),
        ("compose -f x -p y up", {"file": ["x"], "project_name": "y"}, {}),
        (
            "compose -f x -f y up -d web",
            {"file": ["x", "y"]},
            {"detach": True, "services": ["web"]},
        ),
        ("compose -nfx --parallel=3 up", {"dry_run": True, "file": ["x"], "parallel": 3}, {}),
        (
            "compose --dry-run=false --progress plain up",
            {"dry_run": False, "progress": "plain"},
            {},
        ),
        ("compose -f x ps -f y", {"file": ["x"]}, {"filter": ["y"]}),
        ("oci --root r state id", {"root": "r"}, {"id": "id"}),
        ("compose -- up", {}, {}),
    ],
)
def test_they_stand_between_the_words(
    line: str, group: dict[str, Any], given: dict[str, Any]
) -> None:
    assert both(line)[2] == {"group": group, **given}


def test_those_of_all_commands_are_others() -> None:
    call = both("--root a oci --root b state id")
    assert call[2:] == ({"group": {"root": "b"}, "id": "id"}, {"root": "a"})


def test_commands_without_a_group_get_none() -> None:
    assert both("ps -f x")[2] == both("container ls -f x")[2] == {"filter": ["x"]}


def test_they_reach_the_function() -> None:
    module, function, given, _ = both("compose -p y up -d web")
    assert module == NAME
    assert getattr(HERE, function)(None, **given) == 7
    assert seen.pop() == {"services": ["web"], "detach": True, "group": {"project_name": "y"}}


@pytest.mark.parametrize(
    ("line", "message", "helped"),
    [
        ("compose up -p y", "no such option: -p", "rootless compose up"),
        ("compose -d up", "no such option: -d", "rootless compose"),
        ("compose -p", "option '-p' requires an argument", "rootless compose"),
        ("compose --parallel x up", "invalid value for '--parallel'", "rootless compose"),
        ("compose --progress x up", "invalid value for '--progress'", "rootless compose"),
        ("compose -n=maybe up", "invalid value for '--dry-run' / '-n'", "rootless compose"),
        ("compose -p y", "missing command", "rootless compose"),
        ("oci --root r nothing", "no such command 'nothing'", "rootless oci"),
    ],
)
def test_mistakes_are_explained(line: str, message: str, helped: str) -> None:
    assert lean.parse(line.split(), load) is None
    with pytest.raises(UsageError) as caught:
        mistakes.answer(line.split(), load)
    assert caught.value.message.startswith(message)
    assert caught.value.hint == f"see '{helped} --help'"


@settings(max_examples=250)
@given(lines(every_command(load)))
def test_both_parsers_agree(line: list[str]) -> None:
    quick = lean.parse(line, load)
    if quick is not None:
        assert app.parse(line, TREE) == quick


def test_help_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert mistakes.answer(["compose", "--help"], load) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: rootless compose [OPTIONS] COMMAND\n\nSeveral at once.\n")
    assert "\n  -p, --project-name NAME  Its name.\n" in text
    assert "\n  up                       Start all\n" in text


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ["compose", "container", "oci", "ps"]),
        ("compose ", ["ps", "up"]),
        ("compose -p y ", ["ps", "up"]),
        ("compose --progress ", ["auto", "plain"]),
        ("compose --progress=", ["--progress=auto", "--progress=plain"]),
        ("compose -", ["--dry-run", "--file", "--parallel", "--progress", "--project-name"]),
        ("compose -p y up -", ["--detach"]),
        ("compose up --pro", []),
        ("oci -", ["--root"]),
        ("oci --root ", [":files"]),
        ("container ", ["ls"]),
        ("container -", []),
        ("container ls -", ["--filter"]),
        ("compose nothing ", []),
        ("nothing ", []),
    ],
)
def test_completion_knows_them(line: str, expected: list[str]) -> None:
    *before, last = line.split(" ")
    nobody: Any = None  # no store is asked for options
    found = [value for value, _ in complete.candidates(nobody, before, last, load)]
    found = [value for value in found if value.startswith(last)]
    short = [value for value in found if value[0] == "-" and value[1] != "-"]
    assert sorted({*found} - {*short}) == expected


def test_a_table_is_loaded_by_the_first_word_only() -> None:
    """That of a group with its commands, and no other."""
    code = (
        "import sys; from rootless.cli import lean; lean.parse(sys.argv[1:]);"
        "print(*sorted(n for n in sys.modules if n.startswith('rootless.cli.grammar.')))"
    )
    for line, names in (("ps -a", ["top"]), ("image ls", ["image", "top"])):
        done = subprocess.run(
            [sys.executable, "-c", code, *line.split()],
            env=dict(os.environ),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout.split() == [f"rootless.cli.grammar.{name}" for name in names]
