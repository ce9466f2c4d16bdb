"""The manual pages, and that a wheel brings them and the pages of docs/."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from rootless.cli import app, helping, manual
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with all pages."""
    directory = tmp_path_factory.mktemp("man1")
    assert manual.main([str(directory)]) == 0
    return directory


def shown(page: Path) -> str:
    """What man(1) shows, as plain text on lines that nothing breaks."""
    command = ["groff", "-man", "-Kutf8", "-Tutf8", "-P-cbou", "-rLL=2000n", str(page)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_every_command_has_a_page(written: Path) -> None:
    names = {path.name for path in written.iterdir()}
    tree = app.tree()
    assert names >= {"rootless.1", *(f"rootless-{name}.1" for name in tree.commands)}
    assert names >= {f"rootless-image-{name}.1" for name in tree.commands["image"].commands}


@pytest.mark.needs("groff")
def test_groff_finds_no_fault(written: Path) -> None:
    pages = sorted(map(str, written.iterdir()))
    command = ["groff", "-man", "-ww", "-z", "-Kutf8", "-Tutf8", *pages]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.needs("groff")
def test_a_page_says_what_the_help_says(written: Path) -> None:
    text = shown(written / "rootless-run.1")
    for title in (
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "ARGUMENTS",
        "OPTIONS",
        "EXAMPLES",
        "SEE ALSO",
    ):
        assert re.search(f"^{title}$", text, re.MULTILINE), title
    command = app.tree().commands["run"]
    assert f"rootless-run - {command.short_help[0].lower()}{command.short_help[1:]}" in text
    for param in filter(helping.is_option, command.params):
        assert f" {', '.join(param.opts)}" in text, param.opts
        assert " ".join(param.help.replace("`", "").split()) in text, param.opts
    for line in helping.examples(app.resolve(app.COMMANDS[0])):
        assert line in text, line


@pytest.mark.needs("groff")
def test_nothing_of_a_text_is_a_request(written: Path, tmp_path: Path) -> None:
    lines = [".so /etc/passwd", "'tr ab", r"\fBx\n", "a-b ~ ^ `c`"]
    page = tmp_path / "x.1"
    page.write_text("\n".join([".TH X 1", ".SH EXAMPLES", *manual._examples(lines)]) + "\n")
    assert [line.strip() for line in shown(page).splitlines() if line.strip()][-5:-1] == lines


def test_dates_can_be_made_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert all('"1970-01-02"' in text for text in manual.pages().values())


def test_a_wheel_has_the_pages(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(build, cwd=REPOSITORY, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {*archive.namelist()}
    (data,) = {name.split("/")[0] for name in names if "/share/man/" in name}
    assert {name.rpartition("/")[2] for name in names if "/share/man/man1/" in name} == {
        *manual.pages()
    }
    assert f"{data}/data/share/man/man1/rootless.1" in names
    assert {name for name in names if name.endswith(".md")} == {
        f"rootless/docs/{path.name}" for path in REPOSITORY.glob("docs/*.md")
    }
    assert "rootless/cli/main.py" in names
