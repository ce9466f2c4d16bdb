"""The directories behind mounts, made as the user."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rootless.containers.volumes import prepare
from rootless.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rootless.containers.record import Record
    from rootless.store.paths import Paths

    Composed = Callable[..., Record]


def test_sources_are_made(composed: Composed, paths: Paths, tmp_path: Path) -> None:
    record = composed(volume=[f"{tmp_path}/new/dir:/a", "named:/b", "/c"], tmpfs=["/d"])
    for _ in range(2):
        prepare(paths, record, str(tmp_path))
    assert (tmp_path / "new/dir").is_dir()
    volumes = Path(paths.volumes)
    names = {"named", record["volumes"][2]["name"]}
    assert names == {path.name for path in volumes.iterdir()}
    assert all((volumes / name / "_data").is_dir() for name in names)


def test_what_is_no_directory_stays(composed: Composed, paths: Paths, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        prepare(paths, composed(volume=[f"{path}:/b"]), str(tmp_path))
    assert path.is_socket()


def test_what_cannot_be_made_is_named(composed: Composed, paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere/at/all")
    with pytest.raises(StoreError, match="cannot make"):
        prepare(paths, composed(volume=[f"{tmp_path}/link:/b"]), str(tmp_path))


def test_layers_above_a_mount_are_empty_at_each_start(
    composed: Composed, paths: Paths, tmp_path: Path
) -> None:
    tmp_path.chmod(0o711)
    record = composed(volume=[f"{tmp_path}:/b:O"])
    (layer,) = record["spec"]["rootless"]["overlay_binds"]
    directory = str(Path(layer["upper"]).parent.parent.parent)
    for _ in range(2):
        prepare(paths, record, directory)
        assert list(Path(layer["upper"]).iterdir()) == []
        assert Path(layer["work"]).is_dir()
        assert Path(layer["upper"]).stat().st_mode & 0o7777 == 0o711
        (Path(layer["upper"]) / "file").touch()
