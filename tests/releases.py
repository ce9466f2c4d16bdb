"""The program as others have installed it: the last release, this checkout, the next release."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import REPOSITORY, Store

if TYPE_CHECKING:
    from collections.abc import Callable

LAST = (REPOSITORY / "tests/last-release").read_text().strip()
"""The commit of the last release."""

LAST_ARCHIVE = "last-release.tar"
"""Where tests/tools/machine.py has put it, beside a copy of the checkout that has no history."""

_START = "import sys; sys.path.insert(0, {!r}); from rootless.cli.main import main; main()"
_PARTS = {"rootless": ".", "cli": "cli", "oci": "oci"}
"""Folder of a checkout -> where a wheel has it in the package."""

_MOVED = ("containers/deletion.py", "containers/ending.py")
_RENAMED = [
    (r"\brootless\.containers\.deletion\b", "rootless.containers.ending"),
    (r"\bunwatch\b", "disregard"),  # of the loop, which a supervisor has in memory
]
"""What the next release has under other names."""


class Installation:
    """A directory with one release, which another can take the place of."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.command = [sys.executable, "-c", _START.format(str(directory))]

    @property
    def package(self) -> Path:
        """The directory of its package."""
        return self._directory / "rootless"

    def put(self, release: Path) -> None:
        """Replace what is there by a release, as an installer does: all files are others then."""
        shutil.rmtree(self.package, ignore_errors=True)
        shutil.copytree(release, self.package)


def last_release(directory: Path) -> Path:
    """Return the package of the last release, unpacked below `directory`."""
    archive = REPOSITORY / LAST_ARCHIVE
    if not archive.exists():
        archive = directory / LAST_ARCHIVE
        git = ["git", "-c", "safe.directory=*", "-C", str(REPOSITORY)]
        command = [*git, "archive", "-o", str(archive), LAST, *_PARTS]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode != 0:
            pytest.skip(f"the last release is not in the history here: {made.stderr.strip()}")
    (directory / "last").mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(directory / "last")], check=True)
    return _packed(directory / "last", directory / "last-package")


def this_release(directory: Path) -> Path:
    """Return the package of this checkout."""
    return _packed(REPOSITORY, directory / "this-package")


def next_release(this: Path, directory: Path) -> Path:
    """Return a package that differs from this one in the names of things."""
    package = directory / "next-package"
    shutil.copytree(this, package)
    for path in package.rglob("*.py"):
        text = path.read_text()
        for old, new in _RENAMED:
            text = re.sub(old, new, text)
        path.write_text(text)
    (package / _MOVED[0]).rename(package / _MOVED[1])
    return package


def _packed(checkout: Path, package: Path) -> Path:
    """Copy the folders of a checkout as a wheel has them; the links of the checkout do not go."""
    for part, place in _PARTS.items():
        shutil.copytree(checkout / part, package / place, ignore=_left_out, dirs_exist_ok=True)
    return package


def _left_out(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__" or Path(folder, name).is_symlink()]


class Machine(Store):
    """A store whose command is an installation that can be replaced."""

    def __init__(self, installation: Installation) -> None:
        super().__init__()
        self.command = installation.command

    def state(self, name: str) -> str:
        """Return all that helps to see why a container is not as it should be."""
        told = []
        place = Path(self.root, "containers")
        link = place / ".names" / name
        for file in ("state.json", "health.json", "log") if link.is_symlink() else ():
            path = place / os.readlink(link) / file
            told.append(f"{file}: {path.read_text()[-2000:] if path.exists() else '-'}")
        told.append(self("ps", "-a").stdout)
        return f"\n{name}\n" + "\n".join(told)

    def until(self, name: str, what: str, found: Callable[[], object], seconds: float = 20) -> None:
        """Wait until `found` is true; else tell all that there is to know of the container."""
        deadline = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < deadline, f"{what}: not so{self.state(name)}"
            time.sleep(0.05)
