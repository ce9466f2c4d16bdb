"""Known faults of others: a row of cves.txt names tests that try it, or why it cannot be here."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

REPOSITORY = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).parent / "cves.txt"
PAGE = REPOSITORY / "docs/security.md"

PROJECTS = """
    apptainer aardvark-dns bubblewrap buildah BuildKit containerd containers/image
    containers/storage CRI-O crun distribution docker flatpak kernel libslirp LXC podman Python runc
    singularity slirp4netns snapd umoci youki
"""
"""Each has at least one row: who reads the news of one of them has a place to write."""


class Row:
    """One fault: its number, whose it was, what it was; the tests, or a reason in words."""

    def __init__(self, head: str) -> None:
        self.cve, self.project, self.kind, self.rest = (part.strip() for part in head.split("|"))
        self.tests: list[str] = []
        self.reasons: list[str] = []

    def add(self, line: str) -> None:
        """Take one of the lines below the head."""
        if line.startswith("- "):
            self.reasons.append(line[2:])
        else:
            self.tests.append(line)


@functools.cache
def rows() -> list[Row]:
    """The rows of the table."""
    found: list[Row] = []
    for line in TABLE.read_text().splitlines():
        if line.startswith("    "):
            found[-1].add(line.strip())
        elif line and not line.startswith("#"):
            found.append(Row(line))
    return found


@functools.cache
def functions(path: str) -> set[str]:
    """The names of the functions in a file, without importing it."""
    tree = ast.parse((REPOSITORY / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_row_has_tests_or_a_reason() -> None:
    for row in rows():
        assert re.fullmatch(r"CVE-\d{4}-\d{4,}", row.cve)
        assert row.project, row.cve
        assert row.kind, row.cve
        assert not row.rest, row.cve
        assert bool(row.tests) != bool(row.reasons), row.cve
        assert len(row.reasons) <= 1, row.cve
        assert all(len(reason.split()) >= 5 for reason in row.reasons), row.cve


def test_no_row_is_there_twice_and_the_order_is_that_of_the_numbers() -> None:
    numbers = [tuple(map(int, row.cve.split("-")[1:])) for row in rows()]
    assert numbers == sorted(set(numbers))


def test_each_test_that_is_named_exists() -> None:
    missing = []
    for row in rows():
        for test in row.tests:
            path, _, name = test.partition("::")
            there = (REPOSITORY / path).is_file() and name in functions(path)
            if not (there and name.startswith("test_")):
                missing.append(f"{row.cve}: {test}")
    assert not missing


def test_each_project_has_rows() -> None:
    named = {name for row in rows() for name in re.split(r"[ ,]+", row.project)}
    assert set(PROJECTS.split()) <= named


def test_the_page_for_users_says_the_same() -> None:
    text = PAGE.read_text()
    tried = sum(bool(row.tests) for row in rows())
    assert f"{len(rows())} known faults" in text
    assert f"{tried} of them are tried" in text
    mentioned = set(re.findall(r"CVE-\d{4}-\d+", text))
    assert mentioned <= {row.cve for row in rows()}
