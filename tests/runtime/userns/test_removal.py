"""Removing what is renamed away first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rootless.runtime.userns import removal, worker
from rootless.store.paths import Paths

if TYPE_CHECKING:
    from pathlib import Path


def test_discard(rootless_root: str, tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/b/file").write_text("")
    (tmp_path / "outside").mkdir()
    (tmp_path / "a/link").symlink_to(tmp_path / "outside")
    (tmp_path / "a/b").chmod(0)
    removal.discard(Paths(rootless_root), f"{tmp_path}/a", f"{tmp_path}/.gone")
    assert os.listdir(tmp_path) == ["outside"]
    removal.discard(Paths(rootless_root), f"{tmp_path}/a", f"{tmp_path}/.gone")  # gone already


def hand_over(path: str) -> None:
    os.makedirs(f"{path}/theirs")
    with open(f"{path}/theirs/file", "w") as file:
        file.write("x")
    for name in (f"{path}/theirs/file", f"{path}/theirs"):
        os.chown(name, 33, 33)
    os.chmod(f"{path}/theirs", 0o500)


@pytest.mark.modes("mapped", "root")
def test_files_of_subordinate_users(rootless_root: str, tmp_path: Path) -> None:
    worker.call(Paths(rootless_root), hand_over, f"{tmp_path}/a")
    assert (tmp_path / "a/theirs").stat().st_uid != os.getuid()
    removal.discard(Paths(rootless_root), f"{tmp_path}/a", f"{tmp_path}/.gone")
    assert os.listdir(tmp_path) == []


def test_refused(rootless_root: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "full/x").mkdir(parents=True)
    with pytest.raises(OSError, match="not empty"):
        removal.discard(Paths(rootless_root), f"{tmp_path}/a", f"{tmp_path}/full")
    assert (tmp_path / "a").is_dir()
