"""The directories behind mounts, made as the user."""

from __future__ import annotations

import os
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
    from tests.conftest import Store

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


def test_names_are_found_where_etc_is_a_volume(shared: Store, tmp_path: Path) -> None:
    """Of the image's, or a directory of the user's; one that is read-only has what it has."""
    archive = tmp_path / "root.tar"
    shared.ok("create", "--name", "whole", "busybox")
    shared.ok("export", "-o", str(archive), "whole")
    shared.ok("rm", "whole")
    shared.ok("import", "-c", "VOLUME /etc", str(archive), "etc")
    (tmp_path / "etc").mkdir()
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed/hosts").write_text("mine\n")
    script = "cat /etc/hosts /etc/hostname /etc/resolv.conf 2>&1"
    look = ("--hostname", "box")
    for words in (["etc"], ["-v", f"{tmp_path}/etc:/etc", "busybox"]):
        said = shared.ok("run", "--rm", *look, *words, "sh", "-c", script)
        assert "host.containers.internal" in said
        assert "\nbox\n" in said
        assert "nameserver" in said
    assert (tmp_path / "etc/hosts").read_bytes() == b""
    closed = ["-v", f"{tmp_path}/closed:/etc:ro", "busybox"]
    done = shared("run", "--rm", *look, *closed, "sh", "-c", script)
    assert "host.containers.internal" in done.stdout
    assert "/etc/hostname': No such file" in done.stdout
    assert os.listdir(tmp_path / "closed") == ["hosts"]
    assert (tmp_path / "closed/hosts").read_text() == "mine\n"
    shared.ok("rmi", "etc")


@pytest.mark.parametrize("places", ["/etc/passwd:/etc", "/etc:/etc/passwd"])
def test_a_file_is_no_directory(shared: Store, places: str) -> None:
    done = shared("run", "--rm", "-v", places, "busybox", "true")
    assert done.returncode == 125
    assert f"cannot bind {places.replace(':', ' at ')}: a " in done.stderr
    assert "cannot be shown in the place of a " in done.stderr
