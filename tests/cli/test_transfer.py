"""load, pull and import as commands: what they tell beside their result."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Store

pytestmark = pytest.mark.once


def devices(path: Path, count: int) -> str:
    """Write a root file system of devices, which no user namespace lets anybody make."""
    with tarfile.open(path, "w") as tar:
        for number in range(count):
            entry = tarfile.TarInfo(f"dev{number}")
            entry.type, entry.devmajor, entry.devminor = tarfile.CHRTYPE, 1, 3
            tar.addfile(entry)
    return str(path)


@pytest.mark.parametrize(("count", "more"), [(0, 0), (1, 0), (5, 0), (7, 2), (150, 145)])
def test_a_handful_of_warnings_and_then_their_number(
    cli: Store, tmp_path: Path, count: int, more: int
) -> None:
    done = cli("import", devices(tmp_path / "fs.tar", count), "devices:1")
    assert done.returncode == 0
    assert done.stdout.startswith("sha256:")
    lines = done.stderr.splitlines()
    assert all(line.startswith("Warning: ") for line in lines)
    assert len(lines) == min(count, 5) + bool(more)
    for number, line in enumerate(lines[:5]):
        assert f"'dev{number}'" in line
    if more:
        assert lines[5] == f"Warning: and {more} more of this kind"


def test_load_warns_too(cli: Store, tmp_path: Path) -> None:
    cli("import", devices(tmp_path / "fs.tar", 2), "devices:1")
    cli.ok("save", "-o", str(tmp_path / "image.tar"), "devices:1")
    cli.ok("rmi", "devices:1")
    done = cli("load", "-q", "-i", str(tmp_path / "image.tar"))
    assert done.stdout == "Loaded image: docker.io/library/devices:1\n"
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["Warning"] * 2


def test_a_pull_of_several_goes_on_after_a_failure(cli: Store, busybox_image: str) -> None:
    here, nowhere = f"oci:{busybox_image}:busybox:latest", f"oci:{busybox_image}:none"
    done = cli("pull", "-q", here, nowhere, here)
    assert done.returncode == 1
    assert len(done.stdout.split()) == 2
    assert done.stderr.startswith(f"Error: {nowhere} names no image")
    assert done.stderr.count("\n") == 1
