"""The command as it is installed: a script of sh and of Python, and another beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
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
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for name in FOREIGN:
        (foreign / f"{name}.py").write_text(f"raise SystemExit('the foreign {name} was loaded')")
    return _installed(programs, sys.executable)


def _installed(programs: Path, python: str | Path) -> Path:
    for name in ("rootless", "rootless-python"):
        text = (REPOSITORY / "cli" / name).read_text()
        (programs / name).write_text(text.replace("#!python\n", f"#!{python}\n"))
        (programs / name).chmod(0o755)
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


@pytest.mark.parametrize(
    ("layout", "looked"), [("wheel", False), ("editable", False), ("by another name", True)]
)
def test_what_is_installed_is_not_looked_through(tmp_path: Path, layout: str, looked: bool) -> None:
    """But where our packages are not in their place."""
    venv.create(tmp_path, symlinks=True)
    packages = next(tmp_path.glob("lib/python*/site-packages"))
    (packages / "told.pth").write_text("import sys; sys.stderr.write('looked')\n")
    if layout == "wheel":
        (packages / "rootless").symlink_to(REPOSITORY / "rootless")
    else:
        name = "_rootless.pth" if layout == "editable" else "other.pth"
        (packages / name).write_text(str(REPOSITORY))
    script = _installed(tmp_path / "bin", tmp_path / "bin/python3")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("rootless version ")
    assert ("looked" in done.stderr) == looked


@pytest.mark.parametrize(
    ("python", "environment", "found"),
    [("bin", False, "-S"), ("x/bin", True, "-S"), ("x/bin", False, "-E")],
)
def test_whose_packages_are_where(
    tmp_path: Path, python: str, environment: bool, found: str
) -> None:
    """Beside a Python that is not ours alone there may be those of another installation."""
    for name in ("bin", "x/bin"):
        (tmp_path / name).mkdir(parents=True)
    program = tmp_path / python / "python9"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    if environment:
        (program.parent.parent / "pyvenv.cfg").touch()
    script = _installed(tmp_path / "bin", program)
    done = subprocess.run([script, "ps"], capture_output=True, text=True, check=True)
    assert done.stdout == f"-E -P {found} {script} ps\n"


def test_containers_may_have_them(installed: Path, cli: Store) -> None:
    """Who passes a variable on means the value that he has."""
    cli.command = [str(installed)]
    words = ("--network", "none", "host", "printenv", "PYTHONHOME")
    env = {"PYTHONHOME": "/nowhere", "PYTHONPATH": f"{installed.parent.parent}/foreign"}
    assert cli.ok("run", "--rm", "-e", "PYTHONHOME", *words, env=env) == "/nowhere"


@pytest.mark.parametrize(
    ("limit", "words", "hint"),
    [
        ("-n 11", "Too many open files", ""),
        ("-u 1", "cannot start another process: Resource temporarily unavailable", "ulimit -u"),
    ],
)
def test_limits_that_are_too_narrow(
    cli: Store, installed: Path, limit: str, words: str, hint: str
) -> None:
    """Of processes a shell of the user's has one already; root has no such limit."""
    if "-u" in limit and os.getuid() == 0:
        pytest.skip("root may have any number")
    line = f"ulimit {limit}; exec {installed} run --rm host true"
    done = subprocess.run(["bash", "-c", line], env=cli.env, capture_output=True, text=True)
    assert done.returncode == 125, done.stderr
    assert words in done.stderr
    assert hint in done.stderr
    assert "denied" not in done.stderr
