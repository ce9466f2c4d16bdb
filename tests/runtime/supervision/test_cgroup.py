"""Cgroups that a container leaves behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from rootless.runtime.supervision import cgroup

if TYPE_CHECKING:
    from pathlib import Path


def test_removal_of_what_is_deep(tmp_path: Path) -> None:
    """Deeper than Python recurses and than a path may name; plain directories are as good here."""
    top = tmp_path / "top"
    top.mkdir()
    fd = os.open(top, os.O_PATH)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=fd)
        os.mkdir("beside", dir_fd=fd)
        below = os.open("deep", os.O_PATH, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    cgroup.remove(str(top))
    assert os.listdir(tmp_path) == []


def test_removal_leaves_what_is_in_use(tmp_path: Path) -> None:
    """And what is above it, but nothing else."""
    for name in ("a/b/c", "a/used/d", "e"):
        (tmp_path / "top" / name).mkdir(parents=True)
    (tmp_path / "top/a/used/file").touch()  # rmdir(2) refuses it, as it does a cgroup in use
    before = len(os.listdir("/proc/self/fd"))
    cgroup.remove(str(tmp_path / "top"))
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert found == ["top", "top/a", "top/a/used", "top/a/used/file"]
    assert len(os.listdir("/proc/self/fd")) == before
    cgroup.remove(str(tmp_path / "nosuch"))
