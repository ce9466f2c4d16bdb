"""The rules of the house that a machine can check; CONTRIBUTING.md says what they are for."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {"__pycache__", "dist", "build-out"}
LINKS = {ROOT / "rootless" / name for name in ("cli", "oci", "docs")}

LONGEST_FILE = 600
LONGEST_FUNCTION = 60

MOST_MODULES = 25
"""In one folder."""

MOST_PARAMETERS = 6
"""Of one function outside cli/commands, `self` not counted; beyond that a value with names."""

LEAVES = {f"rootless.{name}" for name in ("errors", "teller", "times", "trace", "values")}
LEAVES |= {f"rootless.oci.{name}" for name in ("descent", "errors", "jsonio", "remove")}
"""What every part may import. They import nothing of ours but each other."""

MAY_IMPORT = {
    "oci": "oci",
    "linux": "linux",
    "store": "store linux",
    "netstack": "netstack linux",
    "settings": "settings store",
    "defaults": "defaults containers runtime store",
    "runtime": "runtime netstack store linux",
    "images": "images runtime settings store linux oci",
    "artifacts": "artifacts images settings store linux oci",
    "volumes": "volumes runtime store linux",
    "networks": "networks runtime netstack store",
    "containers": "containers networks volumes images runtime netstack store linux oci",
    "httpd": "httpd linux",
    "registry": "registry httpd images settings store linux oci",
    "engine": "engine build artifacts containers networks volumes images store",
    "doors": "doors engine containers images runtime netstack linux",
    "doctor": "doctor runtime store linux oci",
    "system": "system doctor engine build artifacts defaults containers networks volumes images"
    " runtime store linux oci",
    "build": "build containers volumes images runtime settings store linux oci",
    "testing": "testing registry httpd",
    "cli": "cli settings system doctor engine build registry artifacts defaults containers networks"
    " volumes images runtime store linux oci",
}
"""Part -> the parts that it may import, for types as well. A part is a folder of rootless/, or a
module beside them; each stands here."""

PACKET_PATH = {"rootless.netstack.tcp"}
"""Where a call costs more than a reader: a packet's fields go as parameters."""

DOORS = {"rootless.doors", "rootless.network"}
DOORS |= {f"rootless.network.{name}" for name in ("dns", "ports", "stack")}
DOORS |= {f"rootless.runtime.{name}" for name in ("cgroup", "members", "supervisor")}
DOORS |= {"rootless.containers.disposal"}
"""What is called by name: the doors, and the old names of the last release that lead to them.

Nobody imports them. CONTRIBUTING.md says until when the old names stay.
"""

# In pieces, so that this file does not hold what it looks for.
FORBIDDEN = [
    "".join(word)
    for word in (("/work/", "main"), ("/work/", "shared"), ("/root/", ".pyenv"), ("pypi", ".org"))
]
FORBIDDEN += ["".join(word) for word in (("python", "hosted"), ("npm", "js"), ("deb.", "debian"))]


def tree(*suffixes: str) -> Iterator[Path]:
    """Yield the files of the checkout, each once, in order."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = parts[0].startswith(".") or SKIPPED & {*parts} or LINKS & {path, *path.parents}
        if path.is_file() and not hidden and path.suffix in suffixes:
            yield path


PYTHON = list(tree(".py"))
SOURCES = [path for path in PYTHON if path.relative_to(ROOT).parts[0] in ("rootless", "cli", "oci")]


def short(path: Path) -> str:
    """Return the name of a file as a reader of the checkout knows it."""
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    """Return the import name of a source file: cli and oci are imported through rootless."""
    parts = [part for part in path.relative_to(ROOT).with_suffix("").parts if part != "__init__"]
    return ".".join(parts if parts[0] == "rootless" else ["rootless", *parts])


MODULES = {module_of(path) for path in SOURCES}


def part_of(module: str) -> str:
    """Return the part of the program that a module belongs to; "" for the package itself."""
    return "doors" if module in DOORS else [*module.split("."), ""][1]


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below `node`, except what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from statements(child)


def imports_in(path: Path, nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the modules that statements of a file import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{short(path)}:{node.lineno}: a relative import"
            for name in node.names:
                full = f"{node.module}.{name.name}"
                yield full if full in MODULES else str(node.module)


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports at run time, at its top or inside its functions."""
    yield from imports_in(path, statements(ast.parse(path.read_text())))


def ours_of(path: Path) -> set[str]:
    """Return the modules of ours that a file imports, be it for types alone."""
    every = imports_in(path, ast.walk(ast.parse(path.read_text())))
    return {name for name in every if name.split(".")[0] == "rootless"}


GRAPH = {module_of(path): ours_of(path) - {module_of(path)} for path in SOURCES}
"""Module of ours -> those that it imports."""


def circles() -> Iterator[list[str]]:
    """Yield the groups of modules that import each other, by however many steps."""
    reached: dict[str, set[str]] = {}
    for start in GRAPH:
        reached[start], ahead = set(), [start]
        while ahead:
            new = GRAPH.get(ahead.pop(), set()) - reached[start]
            reached[start] |= new
            ahead += new
    seen: set[str] = set()
    for module in GRAPH:
        if module in reached[module] and module not in seen:
            circle = [other for other in reached[module] if module in reached.get(other, ())]
            seen |= {*circle}
            yield sorted(circle)


def test_no_circles() -> None:
    found = {" ".join(name.removeprefix("rootless.") for name in circle) for circle in circles()}
    assert found == set()


def test_every_part_is_named() -> None:
    parts = {part_of(module) for module in MODULES} - {"", *(leaf[9:] for leaf in LEAVES)}
    assert parts == set(MAY_IMPORT)


def test_leaves_are_leaves() -> None:
    for leaf in LEAVES & GRAPH.keys():
        assert GRAPH[leaf] - LEAVES == set(), leaf


def test_imports_point_one_way() -> None:
    wrong = set()
    for module, imported in GRAPH.items():
        allowed = MAY_IMPORT.get(part_of(module), "").split()
        for name in imported - LEAVES:
            if module in LEAVES or "rootless" in (module, name):  # which has the version
                continue
            if part_of(name) not in allowed:
                wrong.add(f"{module[9:]} -> {name[9:]}")
    assert wrong == set()


def test_folders_fit_a_mind() -> None:
    count = Counter(path.parent for path in SOURCES if path.name != "__init__.py")
    assert {short(folder): n for folder, n in count.items() if n > MOST_MODULES} == {}


def test_parameters_are_few() -> None:
    wrong = set()
    for path in SOURCES:
        module = module_of(path)
        if module.startswith("rootless.cli.commands.") or module in PACKET_PATH:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                names = [*node.args.posonlyargs, *node.args.args]
                # A value that is made of named fields alone is what a dataclass would be.
                if node.name == "__init__" and len(names) == 1:
                    continue
                names = [one for one in names if one.arg not in ("self", "cls")]
                if len(names) + len(node.args.kwonlyargs) > MOST_PARAMETERS:
                    wrong.add(f"{module[9:]}.{node.name}")
    assert wrong == set()


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_third_parties_stay_where_they_belong(path: Path) -> None:
    names = {name.split(".")[0] for name in imports_of(path)}
    assert "click" not in names  # typer brings its own
    if part_of(module_of(path)) != "cli":
        assert not names & {"typer", "rich"}
    if part_of(module_of(path)) not in ("oci", "images"):
        assert not names & {"urllib3", "isal", "zstandard", "cryptography", "ruamel"}
    if part_of(module_of(path)) != "registry":
        assert "bcrypt" not in names


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name == "__init__.py"], ids=short)
def test_packages_import_nothing(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        assert future or not isinstance(node, ast.Import | ast.ImportFrom)


@pytest.mark.parametrize("path", PYTHON, ids=short)
def test_files_and_functions_are_short(path: Path) -> None:
    if path.parent in (ROOT / "cli/grammar", ROOT / "cli/words"):
        pytest.skip("generated")
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            # A command's options are one line each and are read like a table.
            lines -= len(node.args.args) + len(node.args.kwonlyargs)
            assert lines <= LONGEST_FUNCTION, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", [p for p in PYTHON if "tests" in p.parts], ids=short)
def test_every_skip_says_why(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called == "pytest.skip":
            assert node.args or node.keywords
        elif called in ("pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"):
            assert "reason" in {keyword.arg for keyword in node.keywords}


def test_nothing_names_a_place_of_one_machine() -> None:
    files = [*tree(".py", ".md", ".toml", ".sh", ""), ROOT / ".ci/run"]
    found = {
        f"{short(path)}: {word}"
        for path in files
        for word in FORBIDDEN
        if word in path.read_text(errors="replace")
    }
    assert found == set()


def test_every_make_rule_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text().splitlines()
    phony = next(line for line in makefile if line.startswith(".PHONY:")).split()[1:]
    explained = [line.split(":")[0] for line in makefile if " ## " in line and "\t" not in line]
    assert sorted(explained) == sorted(phony)
