"""The command as it is installed: a script of sh and of Python, and another beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, Store

pytestmark = pytest.mark.once

FOREIGN = ("urllib3", "typer", "select", "marshal", "rootless", "sitecustomize")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The scripts as an installer leaves them: the second's first line names the interpreter."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("rootless", "rootless-python"):
        text = (REPOSITORY / "cli" / name).read_text()
        (programs / name).write_text(text.replace("#!python\n", f"#!{sys.executable}\n"))
        (programs / name).chmod(0o755)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for name in FOREIGN:
        (foreign / f"{name}.py").write_text(f"raise SystemExit('the foreign {name} was loaded')")
    return programs / "rootless"


def said(*words: str | Path, cwd: Path | None = None) -> str:
    """What it says of its version, to somebody whose environment is made for another Python."""
    base = Path(words[0] if cwd is None else cwd / "x").parent.parent
    env = {**os.environ, "PYTHONHOME": "/nowhere", "PYTHONPATH": f"{base}/foreign"}
    done = subprocess.run(
        [*words, "--version"], env=env, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_what_is_meant_for_other_pythons_is_not_seen(installed: Path) -> None:
    assert said(installed).startswith("rootless version ")


def test_by_other_names_and_places(installed: Path, tmp_path: Path) -> None:
    """A link far away, a path that is relative, a directory with a space in it."""
    (tmp_path / "with space").mkdir()
    link = tmp_path / "with space" / "rootless"
    link.symlink_to(installed)
    assert said(link).startswith("rootless version ")
    assert said("sh", "rootless", cwd=installed.parent).startswith("rootless version ")
    os.rename(installed.parent, tmp_path / "with space" / "bin")
    os.rename(tmp_path / "foreign", tmp_path / "with space" / "foreign")
    assert said(tmp_path / "with space/bin/rootless").startswith("rootless version ")


def test_an_installer_that_has_no_room_in_the_first_line(installed: Path) -> None:
    """Some write a script of sh before one of Python where the path is long."""
    second = installed.parent / "rootless-python"
    text = second.read_text().partition("\n")[2]
    second.write_text(f"#!/bin/sh\n'''exec' {sys.executable} \"$0\" \"$@\"\n' '''\n{text}")
    assert said(installed).startswith("rootless version ")


def test_as_a_script_of_python(installed: Path) -> None:
    words = [sys.executable, str(installed), "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("rootless version ")


def test_containers_may_have_them(installed: Path, cli: Store) -> None:
    """Who passes a variable on means the value that he has."""
    cli.command = [str(installed)]
    words = ("--network", "none", "host", "printenv", "PYTHONHOME")
    env = {"PYTHONHOME": "/nowhere", "PYTHONPATH": f"{installed.parent.parent}/foreign"}
    assert cli.ok("run", "--rm", "-e", "PYTHONHOME", *words, env=env) == "/nowhere"
