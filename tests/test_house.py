"""The rules of the house that a machine can check; CONTRIBUTING.md says what they are for."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {"__pycache__", "dist", "build-out"}
LINKS = {ROOT / "rootless/cli", ROOT / "rootless/oci"}

LONGEST_FILE = 600
LONGEST_FUNCTION = 60

LEAVES = {f"rootless.{name}" for name in ("errors", "settings", "teller", "times", "trace")}
LEAVES |= {f"rootless.oci.{name}" for name in ("descent", "errors", "jsonio", "remove")}
"""What every part may import: exceptions, JSON, settings, times, time line, walks and removal."""

MAY_IMPORT = {
    "oci": "oci",
    "linux": "linux",
    "store": "store linux",
    "netstack": "netstack linux",
    "runtime": "runtime netstack store linux",
    "images": "images runtime store linux oci",
    "artifacts": "artifacts images store linux oci",
    "containers": "containers images runtime netstack store linux oci",
    "registry": "registry images store linux oci",
    "doors": "doors engine containers images runtime linux",
    "engine": "engine artifacts containers images runtime store linux oci",
    "cli": "cli engine registry artifacts containers images runtime store linux oci",
}
"""Part -> the parts that it may import; `engine` are the modules of the folder rootless/ itself."""

DOORS = {"rootless.doors", "rootless.network"}
DOORS |= {f"rootless.network.{name}" for name in ("dns", "ports", "stack")}
DOORS |= {f"rootless.runtime.{name}" for name in ("cgroup", "members", "supervisor")}
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
    """Return the part of the program that a module of ours belongs to."""
    if module in DOORS:
        return "doors"
    names = [*module.split("."), "", ""]
    return names[1] if names[1] in MAY_IMPORT else "engine"


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below `node`, except what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from statements(child)


def imports_of(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports at run time, at its top or inside its functions."""
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{short(path)}:{node.lineno}: a relative import"
            for name in node.names:
                full = f"{node.module}.{name.name}"
                yield full if full in MODULES else str(node.module)


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_imports_point_one_way(path: Path) -> None:
    allowed = MAY_IMPORT[part_of(module_of(path))].split()
    ours = {name for name in imports_of(path) if name.split(".")[0] == "rootless"} - LEAVES
    assert sorted(name for name in ours if part_of(name) not in allowed) == []


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_third_parties_stay_where_they_belong(path: Path) -> None:
    names = {name.split(".")[0] for name in imports_of(path)}
    assert "click" not in names  # typer brings its own
    if part_of(module_of(path)) != "cli":
        assert not names & {"typer", "rich"}
    if part_of(module_of(path)) not in ("oci", "images"):
        assert not names & {"msgspec", "urllib3", "isal", "zstandard", "cryptography", "ruamel"}
    if part_of(module_of(path)) != "registry":
        assert "bcrypt" not in names


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name == "__init__.py"], ids=short)
def test_packages_import_nothing(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        assert future or not isinstance(node, ast.Import | ast.ImportFrom)


@pytest.mark.parametrize("path", PYTHON, ids=short)
def test_files_and_functions_are_short(path: Path) -> None:
    if path.name == "table.py" and path.parent.name == "cli":
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
