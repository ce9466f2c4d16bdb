"""Where things are, and whose directories are trusted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from rootless.errors import HostError, StoreError
from rootless.store import paths as store_paths
from rootless.store.paths import MARKER, Paths

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ROOTLESS_ROOT", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Paths().root == f"{tmp_path}/.local/share/rootless"
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    assert Paths().root == f"{tmp_path}/.local/share/rootless"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert Paths().root == "/data/rootless"
    monkeypatch.setenv("ROOTLESS_ROOT", "/other")
    assert Paths().root == "/other"
    assert Paths("/given").root == "/given"
    monkeypatch.delenv("HOME")
    assert store_paths.home().startswith("/")


def test_prepare(tmp_path: Path) -> None:
    paths = Paths(f"{tmp_path}/store")
    paths.prepare()
    paths.prepare()
    assert sorted(os.listdir(paths.root)) == ["containers", "images", "layers", MARKER, "volumes"]
    assert os.stat(paths.root).st_mode & 0o777 == 0o700


def test_half_made_store_is_finished(tmp_path: Path) -> None:
    """Whoever made it was killed before it had its mark."""
    os.makedirs(tmp_path / "store/images")
    Paths(f"{tmp_path}/store").prepare()
    assert (tmp_path / "store" / MARKER).read_text() == "1\n"


def test_directory_of_somebody_elses_files(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(StoreError, match="not a store"):
        Paths(str(tmp_path)).prepare()
    assert os.listdir(tmp_path) == ["letter"]


@pytest.mark.parametrize("text", ["2", "", "1.1", "x" * 1000])
def test_other_version(tmp_path: Path, text: str) -> None:
    (tmp_path / MARKER).write_text(text)
    with pytest.raises(StoreError, match="version"):
        Paths(str(tmp_path)).prepare()


def test_store_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot"):
        Paths(f"{tmp_path}/file/store").prepare()


def test_runtime_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{tmp_path}/run")
    assert Paths().runtime == f"{tmp_path}/run/rootless"
    assert os.stat(f"{tmp_path}/run/rootless").st_mode & 0o777 == 0o700
    (tmp_path / "run").chmod(0o777)
    assert Paths().runtime == store_paths.fallback_runtime()
    (tmp_path / "run").chmod(0o700)
    (tmp_path / "run/rootless").chmod(0o770)
    with pytest.raises(HostError, match="writable by somebody else"):
        _ = Paths().runtime


def test_runtime_directory_that_is_a_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("run", "target"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "run/rootless").symlink_to(tmp_path / "target")
    monkeypatch.setenv("XDG_RUNTIME_DIR", f"{tmp_path}/run")
    with pytest.raises(HostError):
        _ = Paths().runtime


def test_is_ours(tmp_path: Path) -> None:
    assert store_paths.is_ours(str(tmp_path))
    assert not store_paths.is_ours(f"{tmp_path}/nothing")
    assert os.getuid() == 0 or not store_paths.is_ours("/")
    (tmp_path / "file").write_text("")
    assert not store_paths.is_ours(f"{tmp_path}/file")
