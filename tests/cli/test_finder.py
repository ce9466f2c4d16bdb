"""Modules of ours found without a search: the same modules, and never old ones."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from rootless.cli.finder import Finder, Loader
from tests.conftest import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once

LOOK = """
import sys
if len(sys.argv) > 1:
    from rootless.cli import finder
    finder.install()
from rootless.containers import running
from rootless.store import records
for module in (running, records):
    spec = module.__spec__
    print(module.__name__, module.__package__, module.__file__, getattr(module, "__path__", ""))
    print(spec.origin, spec.parent, spec.has_location, spec.submodule_search_locations)
    print(spec.cached, module.__cached__)
    print(type(module.__loader__).__name__, file=sys.stderr)
"""


def test_modules_are_as_python_makes_them() -> None:
    def look(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", LOOK, *args], capture_output=True, text=True, check=True
        )

    ours, pythons = look("ours"), look()
    assert ours.stdout == pythons.stdout
    assert pythons.stderr.split() == ["SourceFileLoader"] * 2
    assert ours.stderr.split() == ["Loader"] * 2


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The directory of a package with a module `one`, whose code is cached."""
    source = tmp_path / "one.py"
    source.write_text("A = 1\n")
    py_compile.compile(str(source))
    return tmp_path


def found(package: Path, name: str = "rootless.x.one") -> bool:
    spec = Finder().find_spec(name, [str(package)])
    return spec is not None and isinstance(spec.loader, Loader)


def cached(package: Path) -> Path:
    (path,) = (package / "__pycache__").iterdir()
    return path


def test_what_is_cached_is_found(package: Path) -> None:
    assert found(package)
    assert not found(package, "rootless.x.two")
    assert not found(package, "json.one")  # not ours
    assert Finder().find_spec("rootless", None) is None


def test_a_source_that_has_changed_is_pythons(package: Path) -> None:
    source = package / "one.py"
    status = source.stat()
    source.write_text("A = 22\n")
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))  # the size differs
    assert not found(package)
    source.write_text("A = 2\n")
    os.utime(source, (1, 1))  # the time does
    assert not found(package)


@pytest.mark.parametrize("how", ["cut", "empty", "magic", "hash", "gone", "source gone", "fifo"])
def test_code_that_is_no_good_is_pythons(package: Path, how: str) -> None:
    path = cached(package)
    data = path.read_bytes()
    if how in ("gone", "fifo"):
        path.unlink()
    if how == "fifo":
        os.mkfifo(path)
    elif how == "source gone":
        (package / "one.py").unlink()
    elif how != "gone":
        changed = {
            "cut": data[:-5],
            "empty": b"",
            "magic": b"????" + data[4:],
            "hash": data[:4] + b"\1\0\0\0" + data[8:],
        }
        path.write_bytes(changed[how])
    assert not found(package)


INSTALLED = """
import sys, threading, time
sys.path.insert(0, sys.argv[1])
from rootless.cli import finder
finder.install()
last = sys.meta_path[-1]
import select  # which Python has
assert last in sys.meta_path and "site" not in sys.modules
import site
look_through = site.main
site.main = lambda: (time.sleep(0.2), look_through())
found = []
def look(name):
    try:
        found.append(__import__(name).__name__)
    except ModuleNotFoundError as error:
        found.append(f"no {error.name}")
names = ["urllib3", "typer", "nowhere_at_all", "rich"]
threads = [threading.Thread(target=look, args=(name,)) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert sorted(found) == ["no nowhere_at_all", "rich", "typer", "urllib3"], found
assert last not in sys.meta_path and sys.prefix != sys.base_prefix
"""


def test_what_is_installed_is_found_when_it_is_missing() -> None:
    """By several threads at once, too."""
    words = [sys.executable, "-S", "-c", INSTALLED, str(REPOSITORY)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_with_site_python_finds_it_by_itself() -> None:
    code = "import sys; from rootless.cli import main; print(type(sys.meta_path[-1]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Installed" not in done.stdout
